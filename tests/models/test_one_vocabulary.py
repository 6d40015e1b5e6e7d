"""One vocabulary over all segments: its ids, its sequences, its losses, what it does not go with."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Generator
from torch.nn.functional import cross_entropy

from tests.models.tiny import STOP, draw_codes, draw_text, speech, tiny_config, tiny_model
from vall_e.config.model import ModelConfig
from vall_e.config.seal import problems
from vall_e.models.build import build_model
from vall_e.models.draws import draw_input
from vall_e.models.layout import ModelInput
from vall_e.models.one_vocabulary import OneVocabularyVallE
from vall_e.models.vocabulary import Vocabulary

FLAGS: dict[str, Any] = {"hf": True, "split_classifiers": False, "audio_embedding_sums": False}
ALL_SEGMENTS = ["ar", "nar", "lang", "tone"]


def config(flags: dict[str, Any] | None = None, **settings: Any) -> ModelConfig:
    return tiny_config(FLAGS | (flags or {}), **({"capabilities": ALL_SEGMENTS} | settings))


def model_of(flags: dict[str, Any] | None = None, **settings: Any) -> OneVocabularyVallE:
    model = tiny_model(FLAGS | (flags or {}), **({"capabilities": ALL_SEGMENTS} | settings))
    assert isinstance(model, OneVocabularyVallE)
    return model


def closed(level: int, seed: int = 0, frames: int = 6) -> ModelInput:
    """A sample as training shows it: its response ends with the stop."""
    codes = draw_codes(frames, seed + 100)
    ended = torch.cat([codes, codes.new_full((1, 8), STOP)])[:, : level + 1]
    return speech(level, seed, response=ended, tone=0)


def test_ranges_follow_each_other() -> None:
    """256 text, 4 languages, 8 levels, 8 * 1024 prompt codes, 9 tasks, 1 tone, 8 * 1024 response codes."""
    vocabulary = Vocabulary(config())
    assert vocabulary.starts == {
        "text": 0, "lang": 256, "level": 260, "prom": 268, "task": 8460, "tone": 8469, "resp": 8470
    }  # fmt: skip
    assert vocabulary.size == 16662
    assert len(build_model(config()).tokens_emb.weight) == len(build_model(config()).classifier.weight) == 16662


TEXT = torch.tensor([1, 30, 115, 2])
PROMPT = torch.tensor([[5, 16], [42, 53]])
SAID = torch.tensor([[7, 36], [60, 89], [STOP, STOP]])
SEQUENCES = {
    "level 0": (
        {"level": 0, "response": SAID[:, :1]},
        [1, 30, 115, 2, 3, 256 + 2, 3, 260, 3, 268 + 5, 268 + 42, 3, 8469, 3, 8470 + 7, 8470 + 60, 3],
    ),
    "level 1": (
        {"level": 1, "response": SAID},
        [1, 30, 115, 2, 3, 258, 3, 261, 3, 268 + 5, 268 + 42, 3, 8469, 3, 8470 + 7, 8470 + 60, 3],
    ),
    "level 2": (
        {"level": 2, "response": SAID},
        [1, 30, 115, 2, 3, 258, 3, 262, 3, 1292 + 16, 1292 + 53, 3, 8469, 3, 9494 + 36, 9494 + 89, 3],
    ),
    "nothing said yet": ({"response": None}, [1, 30, 115, 2, 3, 258, 3, 260, 3, 273, 310, 3, 8469, 3]),
    "no prompt": ({"response": None, "prompt": None}, [1, 30, 115, 2, 3, 258, 3, 260, 3, 8469, 3]),
    "a task": (
        {"task": "sr", "prompt": ("sr", PROMPT), "response": None},
        [1, 30, 115, 2, 3, 258, 3, 260, 3, 8460 + 3, 273, 310, 3, 8469, 3],
    ),
}


@pytest.mark.parametrize("case", SEQUENCES)
def test_a_sample_is_a_sequence_of_ids(case: str) -> None:
    changes, expected = SEQUENCES[case]
    model = model_of()
    sample = ModelInput(**({"text": TEXT, "prompt": PROMPT, "lang": 2, "tone": 0} | changes))
    packed = model.pack([sample])
    found = model.vocabulary.sequence(sample, packed.layouts[0])
    assert found.tolist() == expected
    assert packed.embeddings.equal(model.tokens_emb.weight[found])


def test_languages_and_tones_that_the_model_has_not_are_left_out() -> None:
    model, sample = model_of(capabilities=["ar", "nar"]), closed(0)
    text = sample.text.tolist()
    assert model.vocabulary.sequence(sample, model.lay_out(sample))[: len(text) + 3].tolist() == [*text, 3, 260, 3]


@torch.inference_mode()
@pytest.mark.parametrize(("level", "several"), [(0, 1), (0, 3), (1, 1), (7, 3)])
def test_the_loss_is_cross_entropy_over_all_ids(level: int, several: int) -> None:
    """Of level 0 read `causal_size` positions before its ids, of those above in place; the stop is learnt, too."""
    model, sample = model_of({"causal_size": several}), closed(level)
    packed, ahead = model.pack([sample]), 0 if level else several
    start = packed.layouts[0].segment("resp").start
    hidden = model.hidden(packed)[start - ahead : start - ahead + 7]
    targets = torch.cat([8470 + 1024 * level + draw_codes(6, 100)[:, level].long(), torch.tensor([3])])
    output = model([sample])
    torch.testing.assert_close(output.loss, cross_entropy(model.classifier(hidden), targets))
    torch.testing.assert_close(output.stats[f"nll.level{level}"], output.loss)


@torch.inference_mode()
@pytest.mark.parametrize("level", [0, 3])
def test_inputs_but_the_prompt_are_learnt_if_wanted(level: int) -> None:
    model, sample = model_of({"ignore_inputs_for_loss": False}), closed(level)
    packed = model.pack([sample])
    layout, logits = packed.layouts[0], model.classifier(model.hidden(packed))
    ids = model.vocabulary.sequence(sample, layout)
    resp = layout.segment("resp")
    ids[resp.start : -1] = 8470 + 1024 * level + draw_codes(6, 100)[:, level].long()
    learnt = [p for s in layout.segments if s.name != "prom" for p in range(s.start, s.start + s.length)]
    places = [place for place in learnt if place or level]
    rows = torch.tensor(places) - (0 if level else 1)
    torch.testing.assert_close(model([sample]).loss, cross_entropy(logits[rows], ids[places]))


def test_a_batch_is_the_mean_of_its_samples() -> None:
    model, batch = model_of(), [closed(0), closed(2, 1), closed(7, 2, 9)]
    torch.testing.assert_close(model(batch).loss, torch.stack([model([one]).loss for one in batch]).mean())


@pytest.mark.parametrize("level", [0, 1, 5])
def test_every_response_ends_with_the_stop_in_training(level: int) -> None:
    codes, flags = draw_codes(4), {"rvq_levels_p": [level]}
    shown = draw_input(config(flags), draw_text(5), draw_codes(3), codes, 0, Generator().manual_seed(0))
    ended = torch.cat([codes, codes.new_full((1, 8), STOP)])
    assert shown.response is not None and shown.response.equal(ended[:, : level + 1])
    assert shown.level == level


def test_heads_by_name_say_codes_of_their_level_and_the_stop() -> None:
    model, hidden = model_of(), torch.randn(2, 32)
    every = model.logits("classifier", hidden)
    assert every.shape == (2, 16662)
    for head, start in (("AR:0:0", 8470), ("NAR:0:1", 9494), ("NAR:6:7", 15638)):
        found = model.logits(head, hidden)
        assert found[:, :STOP].equal(every[:, start : start + 1024]) and found[:, STOP].equal(every[:, 3])


def test_the_head_can_be_the_table() -> None:
    model = build_model(config({"tie_classifier_to_embedding": True}))
    assert sorted(name for name in model.state_dict() if "model." not in name) == [
        "classifier.bias",
        "tokens_emb.weight",
    ]
    model([closed(0), closed(1)]).loss.backward()
    assert model.tokens_emb.weight.grad[8470 + 1024 * 5].abs().sum() > 0, "an id that was never shown is learnt against"


@pytest.mark.parametrize(
    ("flags", "settings", "told"),
    [
        ({"interleave": True}, {"capabilities": ["ar"]}, "experimental.interleave=true does not go with"),
        ({"split_classifiers": True}, {}, "experimental.split_classifiers=true does not go with experimental.hf=true"),
        ({"audio_embedding_sums": True}, {}, "experimental.audio_embedding_sums=true does not go with"),
        ({"token_dropout_rate": 0.1}, {}, "experimental.token_dropout_rate=0.1 does not go with experimental.hf=true"),
        ({}, {"version": 4, "capabilities": ["ar", "nar"]}, "version=4 does not go with experimental.hf=true, allowed"),
        ({}, {"capabilities": ["ar", "nar", "len"]}, "len does not go with experimental.hf=true, whose vocabulary"),
    ],
)
def test_what_does_not_go_with_it_is_refused(flags: dict[str, Any], settings: dict[str, Any], told: str) -> None:
    assert any(told in line for line in problems(config(flags, **settings), "model."))
    assert not list(problems(config(), "model."))
