"""What training draws for a sample."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator

from tests.models.tiny import draw_codes, draw_text, tiny_config
from vall_e.models.draws import draw_input, level_pool, nudge
from vall_e.models.layout import ModelInput, response_targets
from vall_e.models.tokens import IGNORED

TEXT, PROMPT, RESPONSE = draw_text(6), draw_codes(4, 1), draw_codes(5, 2)


def draw(flags: dict[str, Any] | None = None, seed: int = 0, **settings: Any) -> ModelInput:
    return draw_input(tiny_config(flags, **settings), TEXT, PROMPT, RESPONSE, 2, Generator().manual_seed(seed))


def test_lower_levels_are_drawn_more_often() -> None:
    pool = Counter(level_pool(tiny_config()))
    shares = [pool[level] / pool.total() for level in range(8)]
    assert shares == pytest.approx([0.2222, 0.1944, 0.1667, 0.1389, 0.1111, 0.0833, 0.0556, 0.0278], abs=1e-4)


@pytest.mark.parametrize(
    ("flags", "settings", "pool"),
    [
        ({"rvq_levels_p": "equal"}, {}, [0, 1, 2, 3, 4, 5, 6, 7]),
        ({"rvq_levels_p": [0, 0, 3]}, {}, [0, 0, 3]),
        ({"rvq_level_range": [5, 7]}, {}, [5, 5, 5, 6, 6, 7]),
        ({"rvq_levels_p": "equal"}, {"capabilities": ["nar"]}, [1, 2, 3, 4, 5, 6, 7]),
        ({}, {"capabilities": ["ar"]}, [0]),
        ({}, {"resp_levels": 2}, [0, 0, 1]),
    ],
)
def test_the_pool_of_levels_follows_the_settings(
    flags: dict[str, Any], settings: dict[str, Any], pool: list[int]
) -> None:
    assert level_pool(tiny_config(flags, **settings)) == pool


@pytest.mark.parametrize("level", range(8))
def test_a_sample_keeps_the_levels_up_to_its_own(level: int) -> None:
    sample = draw({"rvq_levels_p": [level]})
    assert sample.level == level
    assert sample.response is not None
    assert sample.response[:5].equal(RESPONSE[:, : level + 1])
    assert sample.response[5:].tolist() == ([] if level else [[1024]])
    assert sample.lang == 2


def test_the_level_is_one_that_the_response_has() -> None:
    cfg = tiny_config({"rvq_levels_p": [7]})
    sample = draw_input(cfg, TEXT, PROMPT, RESPONSE[:, :3], 0, Generator().manual_seed(0))
    assert sample.level == 2


def test_a_seed_draws_the_same_again() -> None:
    flags = {"token_dropout_error": 0.5, "cfg_prom_dropout_p": 0.5}
    first, again = draw(flags, 7), draw(flags, 7)
    assert first.response is not None
    assert again.response is not None
    assert (first.level, first.prompt is None) == (again.level, again.prompt is None)
    assert first.response.equal(again.response)


def test_every_level_is_drawn() -> None:
    assert {draw(seed=seed).level for seed in range(200)} == set(range(8))


def test_the_prompt_can_be_dropped() -> None:
    sample = draw({"cfg_prom_dropout_p": 1.0})
    assert sample.prompt is None
    assert sample.text.equal(TEXT)


def test_text_and_prompt_can_be_dropped_together() -> None:
    sample = draw({"cfg_cond_dropout_p": 1.0})
    assert sample.prompt is None
    assert sample.text.tolist() == [1, 2]


def test_nothing_is_dropped_by_default() -> None:
    samples = [draw(seed=seed) for seed in range(50)]
    assert all(sample.prompt is PROMPT and sample.text is TEXT for sample in samples)


@given(st.integers(0, 7), st.integers(0, 2**31), st.sampled_from([0, 1, 500, 1022, 1023]))
def test_nudged_codes_stay_codes(level: int, seed: int, code: int) -> None:
    response = torch.full((9, level + 1), code, dtype=torch.int16)
    moved = nudge(response, level, 1.0, 1024, Generator().manual_seed(seed))
    assert moved.dtype == torch.int16
    assert moved[:, level].equal(response[:, level])
    if level:
        assert int(moved[:, :level].min()) >= 1
        assert int(moved[:, :level].max()) <= 1022
        assert set((moved[:, :level] - code).unique().tolist()) <= {-1, 0, 1}


def test_errors_are_made_below_the_level_only_where_token_dropout_acts() -> None:
    flags = {"token_dropout_error": 1.0, "token_dropout_rvq_levels": [2, 8]}
    assert not torch.equal(_response({**flags, "rvq_levels_p": [3]})[:, :3], RESPONSE[:, :3])
    assert torch.equal(_response({**flags, "rvq_levels_p": [3]})[:, 3], RESPONSE[:, 3])
    assert torch.equal(_response({**flags, "rvq_levels_p": [1]}), RESPONSE[:, :2])


def _response(flags: dict[str, Any]) -> torch.Tensor:
    response = draw(flags).response
    assert response is not None
    return response


MASKING = {"rvq_levels_p": [0], "masking_train_p": 1.0, "masking_ratio": 0.5}
CAPABLE = ["ar", "nar", "len"]


def test_a_masked_sample_has_no_stop_and_learns_what_is_hidden() -> None:
    sample = draw(MASKING, capabilities=CAPABLE)
    assert sample.mask is not None and sample.response is not None
    assert sample.response.equal(RESPONSE[:, :1])
    assert 0 < sample.mask.sum() < len(sample.mask) == 5
    learnt = response_targets(sample) != IGNORED
    assert learnt.equal(sample.mask)


def test_masked_training_takes_its_share_of_level_0() -> None:
    flags = MASKING | {"masking_train_p": 0.3}
    masked = [draw(flags, seed, capabilities=CAPABLE).mask is not None for seed in range(400)]
    assert sum(masked) / len(masked) == pytest.approx(0.3, abs=0.06)


def test_a_sample_of_another_level_that_is_masked_learns_level_0() -> None:
    sample = draw(MASKING | {"rvq_levels_p": [5], "masking_train_rvq_levels": [0, 7]}, capabilities=CAPABLE)
    assert (sample.level, sample.mask is not None) == (0, True)


def test_no_embedding_of_a_masked_sample_is_dropped() -> None:
    flags = MASKING | {"token_dropout_rate": 1.0, "token_dropout_rvq_levels": [0, 8]}
    assert draw(flags, capabilities=CAPABLE).dropped is None


def test_a_masked_sample_loses_text_and_prompt_as_others_do() -> None:
    sample = draw(MASKING | {"cfg_cond_dropout_p": 1.0}, capabilities=CAPABLE)
    assert (sample.prompt, sample.text.tolist(), sample.mask is not None) == (None, [1, 2], True)


def test_the_text_can_be_dropped_alone() -> None:
    sample = draw({"cfg_text_dropout_p": 1.0})
    assert sample.prompt is PROMPT
    assert sample.text.tolist() == [1, 2]


@pytest.mark.parametrize("seed", range(5))
def test_a_length_is_that_of_the_response_and_nothing_is_dropped(seed: int) -> None:
    cfg = tiny_config({"cfg_cond_dropout_p": 1.0, "cfg_prom_dropout_p": 1.0}, capabilities=CAPABLE)
    sample = draw_input(cfg, TEXT, PROMPT, RESPONSE, 2, Generator().manual_seed(seed), "len")
    assert sample.length is not None
    assert (sample.task, sample.level, sample.response) == ("len", 0, None)
    assert sample.length.tolist() == [0, 5, 10]
    assert sample.prompt is PROMPT and sample.text is TEXT
