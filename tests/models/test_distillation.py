"""What a model learns from a teacher: the formula, where both are read, and which teachers are refused."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.models.tiny import TINY, draw_codes, draw_text, speech, tiny_config, tiny_model
from vall_e.audio.codec import CodecIdentity
from vall_e.config.hyperparameters import HyperparametersConfig
from vall_e.errors import ConfigError, VallEError, WeightsError
from vall_e.models.build import build_model
from vall_e.models.distillation import Distillation, kl, load_teacher, mse
from vall_e.models.layout import ModelInput
from vall_e.models.vall_e import VallE
from vall_e.models.weights.weights_file import save_weights
from vall_e.text import open_tokenizer

CODEC = CodecIdentity("builtin", 24_000, 75.0, 8, 1024, "0123456789abcdef")
WIDE = {"dim": 48, "heads": 4, "layers": 1}
FULL: dict[str, Any] = {"capabilities": ["ar", "nar", "len"]}


def fresh(seed: int, flags: dict[str, Any] | None = None, **settings: Any) -> VallE:
    """A model in eval mode, of weights that hardly know anything."""
    torch.manual_seed(seed)
    return build_model(tiny_config(flags, **settings)).eval()


def taught(teacher: VallE, loss_fn: str = "kl", alpha: float = 0.5, temperature: float = 1.0) -> Distillation:
    return Distillation(
        teacher,
        HyperparametersConfig(teacher_loss_fn=loss_fn, teacher_alpha=alpha, teacher_temperature=temperature),
    )


def test_kl_is_the_divergence_from_teacher_to_student() -> None:
    # p_t = (1/2, 1/4, 1/4), p_s = (1/4, 1/4, 1/2); and twice the same, at another scale
    teacher = torch.log(torch.tensor([[2.0, 1.0, 1.0], [3.0, 4.0, 5.0]])) + 7
    student = torch.log(torch.tensor([[1.0, 1.0, 2.0], [3.0, 4.0, 5.0]]))
    expected = 0.5 * math.log(2) + 0.25 * math.log(0.5)
    assert kl(student, teacher).tolist() == pytest.approx([expected, 0.0], abs=1e-6)


def test_mse_is_the_mean_square_over_ids() -> None:
    student, teacher = torch.tensor([[1.0, 2.0], [0.0, 0.0]]), torch.tensor([[2.0, 4.0], [0.0, 3.0]])
    assert mse(student, teacher).tolist() == [2.5, 4.5]


def rows(model: VallE, sample: ModelInput) -> list[int]:
    """Positions at which what a sample's output segment shall be is read: of causal heads one before each id."""
    (layout,) = model.pack([sample]).layouts
    output = layout.segments[-1]
    places = range(output.start, output.start + output.length)
    if layout.head.startswith("NAR:"):
        return [p for p in places if sample.mask is None or sample.mask[p - output.start]]
    return [p - 1 for p in places]


@torch.no_grad()
def told(model: VallE, sample: ModelInput) -> Tensor:
    """Logits of a sample by itself, [M, V]."""
    packed = model.pack([sample])
    return model.logits(packed.layouts[0].head, model.hidden(packed)[rows(model, sample)])


def softened(logits: Tensor, tau: float) -> list[list[float]]:
    return [[value - math.log(sum(map(math.exp, row))) for value in row] for row in (logits / tau).tolist()]


def by_hand(student: Tensor, teacher: Tensor, loss_fn: str, tau: float) -> float:
    """Of one sample, as the formula is written, in plain numbers."""
    if loss_fn == "mse":
        squares = [
            ((s - t) / tau) ** 2 for s, t in zip(student.flatten().tolist(), teacher.flatten().tolist(), strict=True)
        ]
        return sum(squares) / len(squares)
    total = 0.0
    for own, theirs in zip(softened(student, tau), softened(teacher, tau), strict=True):
        total += sum(math.exp(t) * (t - s) for s, t in zip(own, theirs, strict=True))
    return total / len(student)


SAMPLES = [
    speech(0),
    speech(3, seed=1),
    speech(7, seed=2, frames=9),
    speech(0, response=draw_codes(6), mask=torch.tensor([True, False, True, True, False, True])),
    ModelInput(task="stt", text=draw_text(5), response=draw_codes(6)),
    ModelInput(task="len", text=draw_text(5), prompt=draw_codes(4), length=torch.tensor([0, 6, 10])),
]


@pytest.mark.parametrize("loss_fn", ["kl", "mse", "MSE"])
@pytest.mark.parametrize(("alpha", "tau"), [(0.5, 1.0), (0.25, 2.0), (1.0, 0.5)])
def test_the_loss_is_the_formula_over_the_positions_of_the_output(loss_fn: str, alpha: float, tau: float) -> None:
    student, teacher = tiny_model(**FULL), fresh(1, size=WIDE, **FULL)
    output = taught(teacher, loss_fn, alpha, tau)(student, SAMPLES)
    name = loss_fn.lower()
    soft = [by_hand(told(student, s), told(teacher, s), name, tau) for s in SAMPLES]
    hard = student(SAMPLES)
    assert output.parts[name].item() == pytest.approx(alpha * tau**2 * sum(soft) / len(soft), rel=1e-4)
    assert output.parts["nll"].item() == pytest.approx((1 - alpha) * hard.loss.item(), rel=1e-5, abs=1e-6)
    assert output.loss.item() == pytest.approx(sum(part.item() for part in output.parts.values()), rel=1e-6)
    assert output.parts.keys() == {"nll", name}
    assert {key: float(value) for key, value in output.stats.items()} == {
        key: float(value) for key, value in hard.stats.items()
    }


def test_a_student_of_another_layout_is_compared_at_the_same_codes() -> None:
    student, teacher = tiny_model(), fresh(1, size=WIDE, capabilities=["ar", "nar", "lang"])
    samples = [speech(0), speech(2, seed=1)]
    lengths = [[len(model.pack([s]).positions) for s in samples] for model in (student, teacher)]
    assert lengths[0] != lengths[1]
    soft = [by_hand(told(student, s), told(teacher, s), "kl", 1.0) for s in samples]
    found = taught(teacher, alpha=1.0)(student, samples)
    assert found.parts["kl"].item() == pytest.approx(sum(soft) / 2, rel=1e-4)


@pytest.mark.parametrize(
    "flags",
    [
        {},
        {"ignore_inputs_for_loss": False},
        {"split_classifiers": False},
        {"hf": True, "split_classifiers": False, "audio_embedding_sums": False},
    ],
)
def test_a_model_that_is_its_own_teacher_has_nothing_to_learn(flags: dict[str, Any]) -> None:
    output = taught(tiny_model(flags))(tiny_model(flags), [speech(0), speech(4)])
    assert output.parts["kl"].item() == pytest.approx(0, abs=1e-6)
    assert taught(fresh(1, flags))(tiny_model(flags), [speech(0), speech(4)]).parts["kl"].item() > 0.1


def test_inputs_are_learnt_from_the_teacher_if_they_are_learnt_at_all() -> None:
    output = {}
    for ignore in (True, False):
        flags = {"ignore_inputs_for_loss": ignore}
        output[ignore] = taught(fresh(1, flags), alpha=1.0)(tiny_model(flags), [speech(3)])
    student, teacher = (model({"ignore_inputs_for_loss": True}) for model in (tiny_model, lambda f: fresh(1, f)))
    alone = by_hand(told(student, speech(3)), told(teacher, speech(3)), "kl", 1.0)
    assert output[True].loss.item() == pytest.approx(alone, rel=1e-4)
    assert output[False].loss.item() != pytest.approx(alone, rel=1e-2)


def test_segments_without_a_factor_are_learnt_from_nobody() -> None:
    factors = {"text": 0.5, "resp": 1.0}
    flags = {"ignore_inputs_for_loss": False}
    student, teacher = tiny_model(flags, loss_factors=factors), fresh(1, flags)
    output = taught(teacher)(student, [speech(2)])
    assert output.parts.keys() == {"text.nll", "resp.nll", "kl"}
    hard = student([speech(2)])
    assert {n: p.item() * 2 for n, p in output.parts.items() if n != "kl"} == pytest.approx(
        {n: p.item() for n, p in hard.parts.items()}
    )
    nothing = taught(teacher)(tiny_model(flags, loss_factors={"tone": 1.0}), [speech(2)])
    nothing.loss.backward()
    assert nothing.loss.item() == 0


def test_the_teacher_is_neither_trained_nor_disturbed() -> None:
    teacher = fresh(1, {"layerskip_p_max": 0.5}, dropout=0.5).train()
    distillation, student = taught(teacher), tiny_model().train()
    before = {name: tensor.clone() for name, tensor in teacher.state_dict().items()}
    one, again = (distillation(student, [speech(0), speech(3)]) for _ in range(2))
    assert one.loss.equal(again.loss), "the teacher drops nothing out"
    one.loss.backward()
    assert all(p.grad is None and not p.requires_grad for p in teacher.parameters())
    gradients = {name for name, p in student.named_parameters() if p.grad is not None and p.grad.any()}
    assert {"sep", "model.norm.weight", "model.layers.0.mlp.up_proj.weight", "classifiers.proj.3.weight"} <= gradients
    assert all(tensor.equal(before[name]) for name, tensor in teacher.state_dict().items())


@pytest.mark.parametrize("loss_fn", ["kl", "mse"])
def test_a_smaller_student_learns_to_say_what_its_teacher_says(loss_fn: str) -> None:
    teacher, student = tiny_model(size=WIDE), fresh(0)
    samples = [speech(level, seed=level) for level in (0, 1, 2)]
    distillation, optimizer = taught(teacher, loss_fn, alpha=1.0), torch.optim.Adam(student.parameters(), 1e-2)
    losses, agreed = [], [agreement(student, teacher, samples)]
    for _ in range(60):
        loss = distillation(student, samples).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    agreed.append(agreement(student, teacher, samples))
    assert losses[-1] < 0.1 * losses[0]
    assert agreed[0] < 0.2 and agreed[1] > 0.9


def agreement(student: VallE, teacher: VallE, samples: Sequence[ModelInput]) -> float:
    """Share of predictions that both would make."""
    pairs = [(told(student, s).argmax(-1), told(teacher, s).argmax(-1)) for s in samples]
    return float(torch.cat([own == theirs for own, theirs in pairs]).float().mean())


def write(path: Path, model: VallE, tokenizer: str | None = None, codec: CodecIdentity = CODEC) -> Path:
    save_weights(path, model.state_dict(), model.cfg, open_tokenizer(tokenizer, None), codec, 7)
    return path


def opened(path: Path, student: VallE) -> VallE:
    return load_teacher(path, student, open_tokenizer(None, None), CODEC, torch.device("cpu"))


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_a_teacher_is_a_weights_file(tmp_path: Path, suffix: str) -> None:
    model = fresh(1, size=WIDE)
    teacher = opened(write(tmp_path / f"w.{suffix}", model.bfloat16()), tiny_model())
    assert teacher.cfg.size == WIDE and not teacher.training
    assert teacher.sep.dtype is torch.float32 and teacher.sep.equal(model.sep.float())


def teachers(student: dict[str, Any], teacher: dict[str, Any]) -> Callable[[Path], tuple[Path, VallE]]:
    return lambda folder: (write(folder / "w.safetensors", fresh(0, **teacher)), fresh(0, **student))


REFUSED: dict[str, tuple[Callable[[Path], tuple[Path, VallE]], type[VallEError], str]] = {
    "no file": (lambda folder: (folder / "w.sft", tiny_model()), WeightsError, "cannot be read: .*no such file"),
    "a missing head": (
        teachers(FULL, {}),
        ConfigError,
        "it has no head NAR:0:0, which the model has with 1024 ids; it has no head len",
    ),
    "heads of other widths": (
        teachers({"flags": {"split_classifiers": False}}, {}),
        ConfigError,
        "head NAR:0:1 tells 1024 ids apart, the model's 1025",
    ),
    "one vocabulary": (
        teachers({}, {"flags": {"hf": True, "split_classifiers": False, "audio_embedding_sums": False}}),
        ConfigError,
        "it has no head AR:0:0",
    ),
    "fewer symbols": (
        teachers({"langs": 4}, {"langs": 2}),
        ConfigError,
        r"its langs=2 is less than model\.langs=4",
    ),
    "other inputs that are learnt": (
        teachers({"flags": {"ignore_inputs_for_loss": False}}, {"capabilities": ["ar", "nar", "lang"]}),
        ConfigError,
        "only one of the two has lang, which is learnt as inputs are",
    ),
    "another tokenizer": (
        lambda folder: (write(folder / "w.safetensors", fresh(0), "naive"), tiny_model()),
        WeightsError,
        "cannot teach in this run: it reads .* symbols of another tokenizer",
    ),
    "another codec": (
        lambda folder: (write(folder / "w.pt", fresh(0), codec=replace(CODEC, digest="else")), tiny_model()),
        WeightsError,
        r"cannot teach in this run: it speaks codes of the codec builtin \(else\)",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_who_cannot_teach_is_refused(tmp_path: Path, case: str) -> None:
    make, kind, words = REFUSED[case]
    path, student = make(tmp_path)
    with pytest.raises(kind, match=f"^teacher={path} .*{words}"):
        opened(path, student)


def test_a_teacher_may_know_more_than_its_student(tmp_path: Path) -> None:
    path = write(tmp_path / "w.safetensors", fresh(0, size=TINY, langs=8, capabilities=["ar", "nar", "len", "lang"]))
    assert math.isfinite(taught(opened(path, tiny_model()))(tiny_model(), [speech(0), speech(5)]).loss.item())
