"""What is exported from a run is read again, and speaks as the model it was made of."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.models.tiny import draw_codes, draw_text, speech, tiny_config, tiny_model
from vall_e.audio.codec import CodecIdentity
from vall_e.config.export import ExportConfig
from vall_e.engines.checkpoint import find_checkpoint, remove_oldest, save_checkpoint
from vall_e.engines.export import export
from vall_e.errors import CheckpointError, ConfigError, VallEError, WeightsError
from vall_e.models.layout import ModelInput
from vall_e.models.vall_e import VallE
from vall_e.models.weights.weights_file import load_weights, save_weights
from vall_e.text import open_tokenizer

CODEC = CodecIdentity("builtin", 24_000, 75.0, 8, 1024, "0123456789abcdef")
CPU = torch.device("cpu")
MODEL = "ar+nar-llama-8"


def write(path: Path, model: VallE, step: int = 7, tokenizer: str | None = None) -> Path:
    save_weights(path, model.state_dict(), model.cfg, open_tokenizer(tokenizer, None), CODEC, step)
    return path


def checkpoint(root: Path, model: VallE, step: int, states: dict[str, torch.Tensor] | None = None) -> Path:
    counters = {"step": step}
    return save_checkpoint(root, str(step), lambda path: (write(path, model, step), None)[1], states or {}, counters)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with two checkpoints of different weights."""
    root = tmp_path / "run" / "ckpt" / MODEL
    checkpoint(root, other_model(), 10)
    checkpoint(root, tiny_model(), 20)
    return tmp_path / "run"


def other_model() -> VallE:
    torch.manual_seed(1)
    return VallE(tiny_config()).eval()


def exported(**settings: Any) -> Path:
    return export(ExportConfig(**{key: str(v) if isinstance(v, Path) else v for key, v in settings.items()}))[-1]


def alike(found: Path, model: VallE) -> bool:
    loaded = load_weights(found, CPU).model
    return all(tensor.equal(loaded.state_dict()[name]) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("suffix", ["safetensors", "sft", "pt", "pth"])
def test_the_newest_checkpoint_of_a_run_is_exported_in_every_format(run: Path, suffix: str) -> None:
    path = exported(run=run, weights_format=suffix)
    assert path == run / "ckpt" / MODEL / f"fp32.{suffix}"
    assert alike(path, tiny_model())
    assert load_weights(path, CPU).step == 20
    assert load_weights(path, CPU).codec == CODEC


def test_pickled_weights_are_tensors_and_plain_data(run: Path) -> None:
    content = torch.load(exported(run=run, weights_format="pth"), weights_only=True)
    assert {"module", "stats", "userdata", "config"} <= set(content)
    assert content["stats"]["global_step"] == 20
    assert content["userdata"]["symmap"] == open_tokenizer(None, None).vocabulary
    assert content["config"]["capabilities"] == ["ar", "nar"]
    assert content["module"].keys() == tiny_model().state_dict().keys()


def test_an_older_checkpoint_is_exported_by_its_tag_to_another_folder(run: Path, tmp_path: Path) -> None:
    path = exported(run=run, tag="10", folder=tmp_path / "old", weights_name="ten")
    assert path == tmp_path / "old" / "ten.safetensors"
    assert alike(path, other_model())


def test_a_damaged_checkpoint_is_passed_over_and_refused_by_its_tag(run: Path) -> None:
    (run / "ckpt" / MODEL / "20" / "weights.safetensors").write_bytes(b"")
    assert alike(exported(run=run), other_model())
    with pytest.raises(CheckpointError, match=r"tag=20: .*cannot be exported \(weights\.safetensors is not what"):
        exported(run=run, tag="20")


def test_the_moving_average_takes_the_place_of_the_weights(tmp_path: Path) -> None:
    average = {"average.sep": torch.full((32,), 0.5), "optimizer.sep.exp_avg": torch.zeros(32)}
    checkpoint(tmp_path / "ckpt" / MODEL, tiny_model(), 5, average)
    found = load_weights(exported(run=tmp_path), CPU).model
    assert found.sep.eq(0.5).all()
    assert found.dropout_token.equal(tiny_model().dropout_token)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_weights_are_cast(run: Path, dtype: str) -> None:
    tensors = load_file(exported(run=run, dtype=dtype))
    assert {tensor.dtype for tensor in tensors.values()} == {getattr(torch, dtype)}
    torch.testing.assert_close(tensors["sep"].float(), tiny_model().sep.detach(), rtol=1e-2, atol=1e-2)


def test_by_itself_the_number_format_stays(tmp_path: Path) -> None:
    half = write(tmp_path / "half.safetensors", tiny_model().bfloat16())
    assert load_file(exported(weights=half))["sep"].dtype is torch.bfloat16


def test_mlps_are_copied_into_experts_that_say_the_same(run: Path) -> None:
    plain, loaded = tiny_model(), load_weights(exported(run=run, moe_ify=True, experts=3), CPU)
    assert loaded.config.full_name == "ar+nar-3xllama-8"
    torch.testing.assert_close(loaded.model([speech(0), speech(3)]).parts["nll"], plain([speech(0), speech(3)]).loss)
    gate = loaded.model.state_dict()["model.layers.1.block_sparse_moe.gate.weight"]
    assert gate.shape == (3, 32) and gate.any()


def test_experts_are_made_of_llama_alone(tmp_path: Path) -> None:
    path = write(tmp_path / "w.safetensors", tiny_model(arch_type="mixtral", experts=2))
    with pytest.raises(ConfigError, match=r"moe_ify=true copies the MLPs of LLaMA layers.*ar\+nar-2xmixtral-8"):
        exported(weights=path, weights_name="more", moe_ify=True)


SINGLE: dict[str, Any] = {"flags": {"split_classifiers": False}, "capabilities": ["ar", "nar", "len"]}


def logits(model: VallE, sample: ModelInput) -> torch.Tensor:
    packed = model.pack([sample])
    return model.logits(packed.layouts[0].head, model.hidden(packed))


@pytest.mark.parametrize(
    ("sample", "rows"),
    [
        (speech(0), 1025),
        (speech(3), 1024),
        (speech(0, response=draw_codes(6), mask=torch.ones(6, dtype=torch.bool)), 1024),
        (ModelInput(task="stt", text=draw_text(5), response=draw_codes(6)), 256),
        (ModelInput(task="len", text=draw_text(5), prompt=draw_codes(4), length=torch.tensor([0])), 11),
    ],
    ids=["ar", "nar", "masked", "stt", "len"],
)
def test_split_heads_give_the_logits_of_the_single_one(tmp_path: Path, sample: ModelInput, rows: int) -> None:
    model = tiny_model(**SINGLE)
    path = exported(weights=write(tmp_path / "single.pth", model), split_classifiers=True, weights_format="pth")
    split = load_weights(path, CPU)
    assert split.config.experimental.split_classifiers
    found = logits(split.model, sample)
    assert found.shape[-1] == rows
    torch.testing.assert_close(found, logits(model, sample)[:, :rows])


def hugging_face(tmp_path: Path, **settings: Any) -> Path:
    path = write(tmp_path / "w.safetensors", tiny_model(**settings))
    return exported(weights=path, hf=True)


def test_a_folder_for_transformers_has_every_token_in_its_place(tmp_path: Path) -> None:
    folder = hugging_face(tmp_path, capabilities=["ar", "nar", "len"])
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors", "tokenizer.json"]
    model, tensors = tiny_model(capabilities=["ar", "nar", "len"]), load_file(folder / "model.safetensors")
    config = json.loads((folder / "config.json").read_text())
    ids = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    assert config["vocab_size"] == len(tensors["model.embed_tokens.weight"]) == len(tensors["lm_head.bias"]) == 17699
    rows, head = tensors["model.embed_tokens.weight"], tensors["lm_head.weight"]
    heads = {name: model.classifiers.proj[index].weight for index, name in enumerate(model.classifiers.names)}
    for token, vector, predicted in (
        ("ə", model.text_emb.weight[ids["ə"]], heads["stt"][ids["ə"]]),
        ("<P:0:5>", model.proms_emb.embeddings[0].weight[5], None),
        ("<P:7:1023>", model.proms_emb.embeddings[7].weight[1023], None),
        ("<AR:0:0:9>", model.resps_emb.embeddings[0].weight[9], heads["AR:0:0"][9]),
        ("<AR:0:0:STOP>", model.resps_emb.embeddings[0].weight[1024], heads["AR:0:0"][1024]),
        ("<NAR:0:0:STOP>", model.resps_emb.embeddings[8].weight[1024], None),
        ("<NAR:0:0:3>", model.resps_emb.embeddings[8].weight[3], heads["NAR:0:0"][3]),
        ("<NAR:0:1:0>", model.resps_emb.embeddings[1].weight[0], heads["NAR:0:1"][0]),
        ("<NAR:6:7:1023>", model.resps_emb.embeddings[7].weight[1023], heads["NAR:6:7"][1023]),
        ("<RVQ:7>", model.rvq_l_emb.weight[7], None),
        ("<len:10>", model.len_emb.weight[10], heads["len"][10]),
        ("<sep>", model.sep, None),
        ("<lang:fr>", model.langs_emb.weight[3], None),
        ("<task:stt>", model.tasks_emb.weight[8], None),
    ):
        assert rows[ids[token]].equal(vector), token
        assert head[ids[token]].equal(torch.zeros(32) if predicted is None else predicted), token
        assert (tensors["lm_head.bias"][ids[token]] == -1e4) == (predicted is None), token


def sentence(ids: dict[str, int], sample: ModelInput) -> tuple[torch.Tensor, torch.Tensor]:
    """A sample of level 0 as tokens and positions."""
    assert sample.prompt is not None and sample.response is not None
    parts = [
        sample.text.tolist(),
        [ids["<RVQ:0>"]],
        [ids[f"<P:0:{code}>"] for code in sample.prompt[:, 0].tolist()],
        [ids[f"<AR:0:0:{code}>"] for code in sample.response[:, 0].tolist()],
    ]
    tokens = [token for part in parts for token in [*part, ids["<sep>"]]][:-1]
    positions = [place for part in parts for place in range(len(part) + 1)][:-1]
    return torch.tensor(tokens), torch.tensor(positions)


AR_SAMPLE = speech(0, response=draw_codes(6)[:, :1], lang=None)


def check_logits(folder: Path, hidden: Any, model: VallE) -> None:
    """`hidden`: embeddings [S, d] and positions [S] -> hidden states [S, d] by the weights in `folder`."""
    tensors = load_file(folder / "model.safetensors")
    ids = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    tokens, positions = sentence(ids, AR_SAMPLE)
    found = hidden(tensors["model.embed_tokens.weight"][tokens], positions) @ tensors["lm_head.weight"].T
    first = ids["<AR:0:0:0>"]
    found = (found + tensors["lm_head.bias"])[:, first : first + 1025]
    torch.testing.assert_close(found, logits(model, AR_SAMPLE), rtol=1e-4, atol=1e-4)


def test_tokens_by_the_exported_layers_and_head_give_the_logits_of_the_model(tmp_path: Path) -> None:
    folder, fresh = hugging_face(tmp_path), VallE(tiny_config()).eval()
    tensors = load_file(folder / "model.safetensors")
    own = {name: tensors[f"model.{name}"] for name in fresh.model.state_dict()}
    fresh.model.load_state_dict(own)
    layouts = fresh.pack([AR_SAMPLE]).layouts
    check_logits(folder, lambda x, places: fresh.model(x, places, fresh.within(layouts))[0], tiny_model())


def test_transformers_computes_the_same(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    folder = hugging_face(tmp_path)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()

    def hidden(x: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        return model.model(inputs_embeds=x[None], position_ids=places[None]).last_hidden_state[0]

    check_logits(folder, hidden, tiny_model())


def test_the_exported_tokenizer_reads_text_as_before_and_names_of_codes(tmp_path: Path) -> None:
    from tokenizers import Tokenizer

    file = hugging_face(tmp_path) / "tokenizer.json"
    found, ours = Tokenizer.from_file(str(file)), open_tokenizer(None, None)
    assert found.encode("həlˈoʊ").ids == ours.encode("həlˈoʊ")
    ids = json.loads(file.read_text())["model"]["vocab"]
    assert found.encode("<P:0:7><sep><AR:0:0:STOP>").ids[1:-1] == [
        ids[name] for name in ("<P:0:7>", "<sep>", "<AR:0:0:STOP>")
    ]


def test_a_single_head_is_split_for_transformers(tmp_path: Path) -> None:
    tensors = load_file(hugging_face(tmp_path, flags={"split_classifiers": False}) / "model.safetensors")
    assert tensors["lm_head.weight"].ne(0).any(-1).sum() == 256 + 1025 + 7 * 1024


REFUSED: dict[str, tuple[dict[str, Any], type[VallEError], str]] = {
    "nothing": ({}, ConfigError, r"^nothing to export: give run=FOLDER"),
    "a run that is not there": ({"run": "none"}, CheckpointError, "run=none has no checkpoints"),
    "a missing file": ({"weights": "none.safetensors"}, WeightsError, "no such file"),
    "a missing tag": ({"run": "RUN", "tag": "15"}, CheckpointError, r"tag=15: .*\(no such folder\)"),
    "another model": (
        {"run": "RUN", "model_name": "mine"},
        ConfigError,
        "model_name=mine is not in run=.*, allowed: ar",
    ),
    "heads split before": ({"run": "RUN", "split_classifiers": True}, ConfigError, "are split already"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_exported_is_refused(case: str, run: Path) -> None:
    settings, kind, words = REFUSED[case]
    with pytest.raises(kind, match=words):
        exported(**{key: run if value == "RUN" else value for key, value in settings.items()})


def test_of_several_models_one_must_be_chosen(run: Path) -> None:
    checkpoint(run / "ckpt" / "b", other_model(), 1)
    with pytest.raises(ConfigError, match=r"has checkpoints of 2 models: choose one, model_name=ar\+nar-llama-8\|b"):
        exported(run=run)
    assert exported(run=run, model_name="b") == run / "ckpt" / "b" / "fp32.safetensors"


def test_weights_are_not_replaced_by_their_own_export(tmp_path: Path) -> None:
    path = write(tmp_path / "fp32.safetensors", tiny_model())
    with pytest.raises(ConfigError, match="would be replaced by its export"):
        exported(weights=path, dtype="float16")
    assert alike(path, tiny_model())


def test_the_naive_tokenizer_has_no_form_for_transformers(tmp_path: Path) -> None:
    path = write(tmp_path / "w.safetensors", tiny_model(), tokenizer="naive")
    with pytest.raises(ConfigError, match=r"hf=true needs weights with a tokenizer\.json"):
        exported(weights=path, hf=True)


def test_settings_that_contradict_each_other_are_told() -> None:
    right = ExportConfig(weights="w.safetensors")
    assert list(right.problems()) == []
    for changes, words in (
        ({"run": "runs/demo"}, "run=runs/demo names a checkpoint, but weights=w.safetensors"),
        ({"hf": True, "export_lora": True}, "hf=true has no place for adapters"),
        ({"hf": True, "weights_format": "pth"}, "weights_format=pth does not go with hf=true"),
        ({"export_lora": True, "weights_format": "pretrained"}, "weights_format=pretrained has no place for adapters"),
    ):
        (problem,) = replace(right, **changes).problems()
        assert problem.startswith(words)


def test_a_run_is_exported_to_a_folder_and_goes_on_from_it(run: Path, tmp_path: Path) -> None:
    folder = exported(run=run, weights_format="pretrained", weights_name="mine")
    assert folder == run / "ckpt" / MODEL / "mine"
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors", "tokenizer.json"]
    assert alike(folder, tiny_model()) and load_weights(folder, CPU).step == 20
    assert exported(run=run).stem == "fp32", "the folder is no checkpoint"
    again = exported(weights=folder, dtype="bfloat16", weights_name="half", folder=tmp_path)
    assert load_file(again)["sep"].dtype is torch.bfloat16
    with pytest.raises(ConfigError, match="would be replaced by its export"):
        exported(weights=folder, weights_format="pretrained", weights_name="mine", dtype="float16")


def test_a_folder_for_transformers_is_no_checkpoint_of_its_run(run: Path) -> None:
    root = run / "ckpt" / MODEL
    for _ in range(2):
        exported(run=run, hf=True)
    assert find_checkpoint(root, None) == root / "20"
    remove_oldest(root, 2)
    assert sorted(path.name for path in root.iterdir() if path.is_dir()) == ["10", "20", "fp32-hf"]
