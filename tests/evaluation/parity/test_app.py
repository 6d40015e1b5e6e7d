"""`python -m vall_e.parity` on folders of fixtures that are made here."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import save_file

from tests.models.tiny import draw_codes, draw_text, tiny_model
from vall_e import parity
from vall_e.errors import DataError, WeightsError
from vall_e.evaluation.parity.comparison import difference
from vall_e.evaluation.parity.fixture import Array

ALONE = {"text": draw_text(5), "prom": draw_codes(4), "resp": draw_codes(6, 1), "lang": 2, "tone": 0}
MASK = {"mask": np.array([True, False, True, True, False, False])}
BATCH = {f"{name}.{i}": codes for i in range(3) for name, codes in list(ALONE.items())[:3]}
FACTORS = {"text": 0.1, "prom": 0.5, "resp": 1.0}


def folder(path: Path, inputs: dict[str, Any], flags: dict[str, bool] | None = None, **settings: Any) -> Path:
    """A folder of fixtures of a tiny model."""
    switches = {"audio_embedding_sums_mode": "legacy", **(flags or {})}
    model = tiny_model(switches, loss_factors=FACTORS, **settings)
    path.mkdir()
    save_file({**model.state_dict(), "time_emb.mlp.0.bias": model.sep.detach().clone()}, path / "weights.safetensors")
    np.savez(path / "inputs.npz", **{name: np.asarray(array) for name, array in inputs.items()})
    told = asdict(model.cfg)
    meta: dict[str, Any] = {
        "small": {
            "d_model": 32, "n_heads": 2, "n_layers": 2, "n_text_tokens": 256, "n_audio_tokens": 1024, "p_dropout": 0.0,
        },
        "experimental": flags or {},
        "model_flags": {name: told[name] for name in ("capabilities", "langs", "loss_factors", "name", "version")},
        "ar_steps": {"greedy.ar": 7},
    }  # fmt: skip
    if "text.0" in inputs:
        meta["batch1"] = {"levels": [0, 5, 0], "task": ["tts", "tts", "stt"]}
        meta["segments"] = {"batch1": [[["prom", [[4, 8], "tts-c"]]], [["prom", [4, 8]]], [["text", [5]]]]}
        meta["training"] = {"batch": "batch1", "steps": [{"loss": 0.0}] * 3}
    (path / "meta.json").write_text(json.dumps(meta))
    return path


def launch(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["parity", *arguments])
    try:
        parity.run()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def measured(monkeypatch: pytest.MonkeyPatch, fixture: Path, *more: str) -> dict[str, Array]:
    out = fixture.parent / "ours.npz"
    assert launch(monkeypatch, "--fixture", str(fixture), "--out", str(out), *more) == 0
    return dict(np.load(out))


def passes_of(arrays: dict[str, Array]) -> set[str]:
    return {name.removesuffix(".logits") for name in arrays if name.endswith(".logits")}


NAR = {f"nar{q}" for q in range(1, 8)}
MASKED = {"len", "masked", "masked_by_token", "null", "cfg_2.0_0.75"}


@pytest.mark.parametrize(
    ("capabilities", "inputs", "passes", "greedy"),
    [
        (["ar", "nar"], ALONE, {"ar", "stt"} | NAR, {"ar", "nar", "stt"}),
        (["ar"], ALONE, {"ar", "stt"}, {"ar", "stt"}),
        (["ar", "nar", "len", "lang", "tone"], ALONE | MASK, {"ar", "stt"} | NAR | MASKED, {"ar", "nar", "stt", "len"}),
        (["nar", "len"], ALONE | MASK, {"stt"} | NAR | MASKED, {"stt", "len"}),
    ],
    ids=["ar+nar", "ar", "all", "nar-len"],
)
def test_every_pass_that_the_flags_permit_is_written(
    capabilities: list[str],
    inputs: dict[str, Any],
    passes: set[str],
    greedy: set[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = measured(monkeypatch, folder(tmp_path / "one", inputs, capabilities=capabilities))
    assert passes_of(found) == passes
    assert {name.removeprefix("greedy.") for name in found if name.startswith("greedy.")} == greedy
    assert len(found["greedy.stt"]) <= 20 and len(found.get("greedy.ar", ())) <= 7
    assert ("nar_len.steps25.cfg2.0" in found) is ("len" in capabilities)
    length = 5 + 1 + 1 + 1 + 4 + 1 + 7 + 2 * sum(name in capabilities for name in ("lang", "tone"))
    if "ar" in capabilities:
        assert found["ar.embeds"].shape == found["ar.hidden"].shape == (length, 32)
        assert found["ar.logits"].shape == (length, 1025) and found["ar.position_ids"].shape == (length,)


@pytest.mark.parametrize(
    ("flag", "differing"), [("audio_embedding_sums", "nar4.embeds"), ("noncausal_masks", "nar4.hidden")]
)
def test_a_flag_of_the_fixture_is_obeyed(
    flag: str, differing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = measured(monkeypatch, folder(tmp_path / "plain", ALONE, {flag: True}))
    found = measured(monkeypatch, folder(tmp_path / "flagged", ALONE, {flag: False}))
    assert not np.array_equal(found[differing], plain[differing])
    assert np.array_equal(found["ar.logits"], plain["ar.logits"])


def test_one_head_tells_the_ids_of_all_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    capabilities = ["ar", "nar", "len"]
    fixture = folder(tmp_path / "one", ALONE | MASK, {"split_classifiers": False}, capabilities=capabilities)
    found = measured(monkeypatch, fixture)
    assert {found[name].shape[1] for name in found if name.endswith(".logits")} == {1025}


def test_unified_positions_are_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = measured(monkeypatch, folder(tmp_path / "one", ALONE, {"unified_position_ids": True}))
    assert not [name for name in found if "position_ids" in name]


def test_sums_are_those_of_the_weights_or_of_today(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fixture = folder(tmp_path / "one", ALONE)
    legacy, inclusive = measured(monkeypatch, fixture), measured(monkeypatch, fixture, "--sums", "inclusive")
    assert np.array_equal(legacy["nar1.embeds"], inclusive["nar1.embeds"])
    assert not np.allclose(legacy["nar2.embeds"], inclusive["nar2.embeds"])


def test_a_batch_is_padded_to_its_widest_head_and_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = measured(monkeypatch, folder(tmp_path / "batch", BATCH))
    assert {found[f"batch1.{i}.logits"].shape[1] for i in range(3)} == {1025}
    assert np.isneginf(found["batch1.2.logits"][:, 256:]).all() and np.isfinite(found["batch1.2.logits"][:, :256]).all()
    assert found["batch1.0.position_ids"].tolist()[-3:] == [5, 6, 1]
    assert {found[f"nar3all.{i}.logits"].shape[1] for i in range(3)} == {1024}
    assert found["training.loss"][0] == pytest.approx(
        sum(float(array) for name, array in found.items() if name.startswith("losses.batch1.")), rel=1e-5
    )
    assert found["training.loss"][2] < found["training.loss"][1] < found["training.loss"][0]
    assert "grads.tasks_emb.weight" in found and "grads.dropout_token" not in found


def test_what_the_reference_names_is_computed_and_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fixture = folder(tmp_path / "one", ALONE | MASK, capabilities=["ar", "nar", "len"])
    named = {"cfg_3_0.7.logits": np.zeros((6, 1024)), "nar_len.steps4.cfg1.5": np.zeros((6, 8))}
    np.savez(fixture / "outputs.npz", **named)
    ours = measured(monkeypatch, fixture)
    assert ours["cfg_3_0.7.logits"].shape == (6, 1024) and ours["nar_len.steps4.cfg1.5"].shape == (6, 8)
    np.savez(fixture / "outputs.npz", **ours)
    assert measured(monkeypatch, fixture, "--compare").keys() == ours.keys()
    np.savez(fixture / "outputs.npz", **(ours | {"ar.hidden": ours["ar.hidden"] + 1e-3}))
    out = ["--fixture", str(fixture), "--out", str(tmp_path / "ours.npz"), "--compare"]
    assert launch(monkeypatch, *out) == 1
    assert "DIFFERS  ar.hidden: 0.001" in capsys.readouterr().out
    assert launch(monkeypatch, *out, "--tolerance", "0.01") == 0


IDS = np.array([1, 2, 3])


@pytest.mark.parametrize(
    ("ours", "reference", "agrees"),
    [
        (IDS, IDS, True),
        (IDS, np.array([1, 2, 4]), False),
        (None, IDS, False),
        (IDS[:2], IDS, False),
        (np.array([0.1, -np.inf]), np.array([0.1004, -np.inf]), True),
        (np.array([0.1, -np.inf]), np.array([0.1006, -np.inf]), False),
        (np.array([0.1, 5.0]), np.array([0.1, -np.inf]), False),
        (np.array([np.nan]), np.array([1.0]), False),
    ],
    ids=["equal", "another id", "missing", "shorter", "near", "far", "infinite", "nan"],
)
def test_ids_are_equal_and_numbers_near(ours: Array | None, reference: Array, agrees: bool) -> None:
    assert difference("x", ours, reference, 5e-4).agrees is agrees


def test_a_folder_that_is_none_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="is no folder of fixtures"):
        measured(monkeypatch, tmp_path / "nothing")
    fixture = folder(tmp_path / "one", ALONE)
    (fixture / "weights.safetensors").unlink()
    with pytest.raises(WeightsError, match="no such file"):
        measured(monkeypatch, fixture)
