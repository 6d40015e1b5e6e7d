"""Losses of batches, and what they move."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from tests.models.tiny import draw_codes, draw_text, speech, tiny_model
from vall_e.models.layout import ModelInput
from vall_e.models.loss import hit
from vall_e.models.vall_e import VallE

STT = ModelInput(task="stt", text=draw_text(7), response=draw_codes(8))
BATCH = [speech(0, 0), speech(5, 1, 9), speech(1, 2, 3), STT]
FACTORS = {"text": 0.1, "prom": 0.5, "resp": 1.0}


def gradients(model: VallE, samples: Sequence[ModelInput], scale: float = 1.0) -> dict[str, Tensor]:
    """Gradients of the loss, times `scale`, of every parameter that gets one."""
    model.zero_grad()
    (model(samples).loss * scale).backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def test_the_loss_of_a_batch_is_the_mean_over_its_samples() -> None:
    model = tiny_model().train()
    alone = torch.stack([model([sample]).loss for sample in BATCH])
    torch.testing.assert_close(model(BATCH).loss, alone.mean())


def test_gradients_of_a_batch_are_the_mean_over_its_samples() -> None:
    model = tiny_model().train()
    together = gradients(model, BATCH)
    total = {name: torch.zeros_like(gradient) for name, gradient in together.items()}
    for sample in BATCH:
        for name, gradient in gradients(model, [sample], 1 / len(BATCH)).items():
            total[name] += gradient
    for name, gradient in together.items():
        torch.testing.assert_close(gradient, total[name], atol=1e-5, rtol=1e-3, msg=name)


def test_the_order_of_a_batch_does_not_matter() -> None:
    model = tiny_model(loss_factors=FACTORS)
    torch.testing.assert_close(model(BATCH).loss, model(BATCH[::-1]).loss)


def test_factors_split_the_loss_by_segment() -> None:
    output = tiny_model(loss_factors=FACTORS)(BATCH)
    unified = tiny_model()
    assert set(output.parts) == {"resp.nll", "text.nll"}
    torch.testing.assert_close(output.parts["resp.nll"], unified(BATCH[:3]).loss)
    torch.testing.assert_close(output.parts["text.nll"], 0.1 * unified([STT]).loss)
    torch.testing.assert_close(output.loss, torch.stack(list(output.parts.values())).sum())


def test_a_segment_without_a_factor_is_not_learnt() -> None:
    output = tiny_model(loss_factors={"resp": 1.0})(BATCH)
    assert set(output.parts) == {"resp.nll"}
    nothing = tiny_model(loss_factors={"prom": 1.0})([speech(0)])
    assert not nothing.parts
    nothing.loss.backward()
    assert nothing.loss.item() == 0


def test_inputs_can_be_learnt_too() -> None:
    flags = {"ignore_inputs_for_loss": False, "audio_embedding_sums": False}
    output = tiny_model(flags, loss_factors=FACTORS)([speech(0)])
    assert set(output.parts) == {"text.nll", "prom.nll", "resp.nll"}
    summed = tiny_model({"ignore_inputs_for_loss": False}, loss_factors=FACTORS)([speech(0)])
    assert set(summed.parts) == {"text.nll", "resp.nll"}


def test_losses_are_told_by_level() -> None:
    output = tiny_model()([speech(0, 0), speech(5, 1), speech(5, 2)])
    assert {key for key in output.stats if key.startswith("nll.level")} == {"nll.level0", "nll.level5"}
    torch.testing.assert_close(output.stats["nll.level0"], tiny_model()([speech(0, 0)]).loss.detach())


def test_packing_wastes_no_position() -> None:
    output = tiny_model()(BATCH)
    assert int(output.stats["positions"]) == sum(tiny_model().pack(BATCH).lengths)
    assert float(output.stats["padding_waste"]) == 0


def test_the_first_code_is_learnt_from_the_separator() -> None:
    """A response of nothing but the stop code still has a loss."""
    only_stop = speech(0, response=torch.tensor([[1024]]))
    assert tiny_model(loss_factors=FACTORS)([only_stop]).loss.item() > 0


def test_only_tables_and_heads_in_use_are_moved() -> None:
    moved = gradients(tiny_model().train(), [speech(0)])
    assert {name for name in moved if "classifiers" in name} == {"classifiers.proj.0.weight", "classifiers.proj.0.bias"}
    assert {name for name in moved if "s_emb.embeddings" in name} == {
        "proms_emb.embeddings.0.weight",
        "resps_emb.embeddings.0.weight",
    }


@pytest.mark.parametrize(
    ("mode", "level", "tables"),
    [("legacy", 1, [1]), ("legacy", 2, [1]), ("legacy", 4, [1, 2, 3]), ("inclusive", 2, [1, 2]), (None, 4, [4])],
)
def test_prior_levels_that_a_level_reads(mode: str | None, level: int, tables: list[int]) -> None:
    flags = {"audio_embedding_sums": mode is not None, "audio_embedding_sums_mode": mode or "legacy"}
    moved = gradients(tiny_model(flags).train(), [speech(level)])
    assert [k for k in range(8) if f"resps_emb.embeddings.{k}.weight" in moved] == tables
    prompt = [k for k in range(8) if f"proms_emb.embeddings.{k}.weight" in moved]
    assert prompt == [k - 1 for k in tables]


def test_one_head_can_serve_all() -> None:
    output = tiny_model({"split_classifiers": False})(BATCH)
    assert torch.isfinite(output.loss)


def test_an_id_among_the_ten_likeliest_is_a_hit() -> None:
    logits = torch.arange(20.0).expand(3, 20)
    assert hit(logits, torch.tensor([19, 10, 9])).tolist() == [1, 1, 0]
    assert hit(torch.zeros(1, 4), torch.tensor([3])).tolist() == [1]


def test_a_few_steps_learn_a_sample_by_heart() -> None:
    model = tiny_model().train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    for _ in range(40):
        loss = model([speech(0), speech(3)]).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.5
