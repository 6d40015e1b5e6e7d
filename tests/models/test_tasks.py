"""What the model makes of every task: its sequence, its loss, and that it can learn it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Generator, Tensor

from tests.models.tiny import draw_codes, draw_text, tiny_config, tiny_model
from vall_e.models.draws import draw_input
from vall_e.models.layout import ModelInput, lay_out, position_ids
from vall_e.models.loss import predictions
from vall_e.models.prompt import Prompt
from vall_e.models.vall_e import VallE

A, B, C = (draw_codes(frames, seed) for frames, seed in ((3, 1), (4, 2), (2, 3)))
PROMPTS: dict[str, Prompt] = {
    "tts": A,
    "tts-c": (A, "tts-c"),
    "stt": ("stt",),
    "len": A,
    "ns": ("ns", B),
    "sr": ("sr", B),
    "tse": (A, "tse", B),
    "cse": (A, "soe", "mask", "eoe", C),
    "nse": (A, "soe", B, "eoe", C),
}
FRAMES = {"tts": 3, "tts-c": 4, "ns": 5, "sr": 5, "tse": 8, "cse": 8, "nse": 11}
CAPABILITIES = ["ar", "nar", "len"]


def shown(task: str, seed: int = 0, level: int | None = None) -> ModelInput:
    """A sample as training draws it, for a target level."""
    flags = {} if level is None else {"rvq_levels_p": [level]}
    cfg = tiny_config(flags, capabilities=CAPABILITIES)
    text, response = draw_text(5, seed), draw_codes(6, seed + 50)
    return draw_input(cfg, text, PROMPTS[task], response, 0, Generator().manual_seed(seed), task)


@pytest.mark.parametrize("task", FRAMES)
@pytest.mark.parametrize("level", [0, 3])
def test_pieces_of_a_prompt_are_one_segment_and_positions_restart_after_it(task: str, level: int):
    layout = lay_out(shown(task, level=level), ["lang"])
    assert [segment.name for segment in layout.segments] == ["text", "lang", "level", "prom", "resp"]
    assert (layout.output, layout.head) == ("resp", "NAR:2:3" if level else "AR:0:0")
    frames, response = FRAMES[task], 6 + (level == 0)
    expected = [*range(6), 0, 1, 0, 1, *range(frames + 1), *range(response)]
    assert position_ids(layout, unified=False).tolist() == expected


def test_writing_down_hears_all_levels_and_learns_the_text():
    sample = shown("stt")
    assert sample.response is not None and sample.response.shape == (6, 8)
    assert (sample.prompt, sample.level) == (None, 0)
    layout = lay_out(sample, ["lang", "tone"])
    assert [segment.name for segment in layout.segments] == ["resp", "lang", "level", "text"]
    assert position_ids(layout, unified=False).tolist() == [*range(7), 0, 1, 0, 1, *range(5)]


@pytest.mark.parametrize("task", PROMPTS)
def test_a_sample_of_any_task_is_trained_on_every_level(task: str):
    model = tiny_model(capabilities=CAPABILITIES)
    for level in (0, 1, 7):
        output = model([shown(task, level=level)])
        assert torch.isfinite(output.loss)
        output.loss.backward()
    rows = {"tts-c": 1, "ns": 2, "sr": 3, "tse": 4, "cse": 6, "nse": 5}
    learnt = model.tasks_emb.weight.grad
    if task in rows:
        assert learnt is not None and float(learnt[rows[task]].abs().sum()) > 0
    else:
        assert learnt is None or not learnt.any()


@pytest.mark.parametrize("sums", [True, False])
def test_a_batch_of_all_tasks_is_its_samples_one_by_one(sums: bool):
    flags = {"audio_embedding_sums": sums}
    samples = [shown(task, seed) for seed, task in enumerate([*PROMPTS, *PROMPTS])]
    model = tiny_model(flags, capabilities=CAPABILITIES)
    together = model(samples).loss
    together.backward()
    found = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    alone = torch.stack([model([sample]).loss for sample in samples]).mean()
    alone.backward()
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)
    for name, parameter in model.named_parameters():
        if name in found:
            torch.testing.assert_close(found[name], parameter.grad, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("task", ["tts-c", "ns", "sr", "tse", "cse", "nse"])
def test_the_name_of_a_task_and_every_piece_are_heard(task: str):
    model, sample = tiny_model(), shown(task, level=2)
    assert isinstance(sample.prompt, tuple)
    plain = _loss(model, sample)
    for place, piece in enumerate(sample.prompt):
        other: Tensor | str = "mask" if piece == "sr" else "sr"
        if not isinstance(piece, str):
            other = (piece + 7) % 1024
        changed = (*sample.prompt[:place], other, *sample.prompt[place + 1 :])
        assert abs(_loss(model, replace(sample, prompt=changed)) - plain) > 1e-4


@torch.inference_mode()
def _loss(model: VallE, sample: ModelInput) -> float:
    return float(model([sample]).loss)


@pytest.mark.parametrize("task", PROMPTS)
def test_what_is_taken_away_from_a_sample_is_text_and_prompt(task: str):
    flags = {"cfg_cond_dropout_p": 1.0}
    cfg = tiny_config(flags, capabilities=CAPABILITIES)
    sample = draw_input(cfg, draw_text(5), PROMPTS[task], draw_codes(6), 0, Generator().manual_seed(0), task)
    if task in ("stt", "len"):
        assert sample.text.equal(draw_text(5))
    else:
        assert (sample.prompt, sample.text.tolist(), sample.task) == (None, [1, 2], task)


def test_masked_decoding_learns_every_task_that_speaks():
    cfg = tiny_config({"rvq_levels_p": [0], "masking_train_p": 1.0, "masking_ratio": 0.5}, capabilities=CAPABILITIES)
    model = tiny_model(capabilities=CAPABILITIES)
    for task in FRAMES:
        sample = draw_input(cfg, draw_text(5), PROMPTS[task], draw_codes(6), 0, Generator().manual_seed(0), task)
        assert sample.mask is not None and sample.task == task
        assert lay_out(sample, []).head == "NAR:0:0"
        assert torch.isfinite(model([sample]).loss)


@pytest.mark.parametrize("task", PROMPTS)
def test_a_tiny_model_learns_a_task_by_heart(task: str):
    torch.manual_seed(0)
    model = VallE(tiny_config({"rvq_levels_p": [0, 2]}, capabilities=CAPABILITIES))
    samples = [shown(task, seed, level) for seed, level in ((0, 0), (1, 2), (2, 0))]
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(60):
        loss = model(samples).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.1 < 1.5 < losses[0]


@pytest.mark.parametrize("task", PROMPTS)
def test_ignored_inputs_are_no_targets_in_any_task(task: str):
    sample = shown(task, level=2)
    layout = lay_out(sample, ["lang"])
    found = predictions([sample], [layout], sums=False, ignore_inputs=True)
    assert [entry.segment for entry in found] == [{"stt": "text", "len": "len"}.get(task, "resp")]
    everything = predictions([sample], [layout], sums=False, ignore_inputs=False)
    assert len(everything) > 1
