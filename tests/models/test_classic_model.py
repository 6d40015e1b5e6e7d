"""The fifth generation without what came later: one run of positions, no sums, one head, all inputs learnt.

Sequences and losses are written down here once more, segment by segment, as the reference describes them.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from tests.models.tiny import draw_codes, draw_text, speech, tiny_model
from vall_e.config.sampling import SamplingConfig
from vall_e.decoding.generate import SpeechRequest, generate_speech
from vall_e.models.layout import ModelInput
from vall_e.models.vall_e import VallE

CLASSIC = {
    "unified_position_ids": True,
    "audio_embedding_sums": False,
    "split_classifiers": False,
    "noncausal_masks": False,
    "ignore_inputs_for_loss": False,
}


def classic(**flags: object) -> VallE:
    return tiny_model(CLASSIC | flags, capabilities=["ar", "nar", "lang"])


def embedded(model: VallE, sample: ModelInput) -> Tensor:
    """The sequence of a `tts` sample, joined by hand."""
    state, level = model.state_dict(), sample.level
    assert isinstance(sample.prompt, Tensor) and sample.response is not None
    prior = max(level - 1, 0)
    parts = [
        state["text_emb.weight"][sample.text],
        state["langs_emb.weight"][[sample.lang]],
        state["rvq_l_emb.weight"][[level]],
        state[f"proms_emb.embeddings.{prior}.weight"][sample.prompt[:, prior].long()],
        state[f"resps_emb.embeddings.{level}.weight"][sample.response[:, prior].long()],
    ]
    sep = state["sep"][None]
    return torch.cat([vectors for part in parts for vectors in (part, sep)][:-1])


def targets(sample: ModelInput) -> Tensor:
    """What every position of the sequence is; separators are not learnt."""
    assert isinstance(sample.prompt, Tensor) and sample.response is not None and sample.lang is not None
    parts = [
        sample.text,
        torch.tensor([sample.lang]),
        torch.tensor([sample.level]),
        sample.prompt[:, sample.level].long(),
        sample.response[:, sample.level].long(),
    ]
    return torch.cat([ids for part in parts for ids in (part, torch.tensor([-100]))][:-1])


@pytest.mark.parametrize("level", [0, 1, 2, 7])
def test_a_sequence_is_what_it_is_written_down_as(level: int) -> None:
    model, sample = classic(), speech(level)
    packed = model.pack([sample])
    torch.testing.assert_close(packed.embeddings, embedded(model, sample))
    assert packed.positions.tolist() == list(range(len(packed.embeddings)))


@pytest.mark.parametrize("several", [1, 2, 4])
@pytest.mark.parametrize("level", [0, 3])
@torch.inference_mode()
def test_one_loss_is_over_the_whole_sequence(level: int, several: int) -> None:
    model, sample = classic(causal_size=several), speech(level)
    packed = model.pack([sample])
    logits, wanted = model.classifier(model.hidden(packed)), targets(sample)
    if level == 0:
        logits, wanted = logits[:-several], wanted[several:]
    torch.testing.assert_close(model([sample]).loss, cross_entropy(logits, wanted))


@torch.inference_mode()
def test_losses_of_segments_are_over_their_own_ids() -> None:
    model, sample = classic(), speech(3)
    model.cfg.loss_factors = {"text": 0.1, "prom": 0.5, "resp": 1.0}
    packed, output = model.pack([sample]), model([sample])
    logits, wanted, layout = model.classifier(model.hidden(packed)), targets(sample), packed.layouts[0]
    for name, factor in model.cfg.loss_factors.items():
        segment = layout.segment(name)
        part = slice(segment.start, segment.start + segment.length)
        torch.testing.assert_close(output.parts[f"{name}.nll"], factor * cross_entropy(logits[part], wanted[part]))


@torch.inference_mode()
def test_speech_to_text_hears_every_level_but_the_last() -> None:
    model, codes = classic(), draw_codes(6)
    sample = ModelInput(task="stt", text=draw_text(6), response=codes, lang=0)
    state = model.state_dict()
    heard = sum(
        state[f"resps_emb.embeddings.{table}.weight"][codes[:, level].long()]
        for level, table in [(0, 0), *((level, level + 1) for level in range(1, 7))]
    )
    packed = model.pack([sample])
    torch.testing.assert_close(packed.embeddings[:6], heard)
    text = packed.layouts[0].segment("text")
    logits = model.classifier(model.hidden(packed))[text.start - 1 : text.start + text.length - 1]
    model.cfg.loss_factors = {"text": 1.0}
    torch.testing.assert_close(model([sample]).loss, cross_entropy(logits, sample.text))


def test_it_speaks() -> None:
    model = classic()
    requests = [SpeechRequest(tokens=draw_text(5 + n, n), prompt=draw_codes(4 + n, n)) for n in range(2)]
    sampling = SamplingConfig(max_duration=8)
    together = generate_speech(model, requests, sampling, 0)
    alone = [generate_speech(model, [request], sampling, 0)[0] for request in requests]
    assert all(one.codes.equal(other.codes) and len(one.codes) for one, other in zip(together, alone, strict=True))


def test_codes_to_come_change_nothing_before_them() -> None:
    """Without full masks NAR levels are causal, too."""
    model, sample = classic(), speech(3)
    assert sample.response is not None
    changed = sample.response.clone()
    changed[-1] = (changed[-1] + 1) % 1024
    first, second = (model.hidden(model.pack([s])) for s in (sample, replace(sample, response=changed)))
    torch.testing.assert_close(first[:-1], second[:-1])
    assert not torch.allclose(first[-1], second[-1])
