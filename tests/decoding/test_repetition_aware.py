"""A second draw for what was just said too often."""

from __future__ import annotations

import torch

from vall_e.config.sampling import SamplingConfig
from vall_e.decoding.reply import Reply
from vall_e.decoding.sampling.dice import seeded
from vall_e.decoding.sampling.level_zero import Plain
from vall_e.decoding.sampling.repetition_aware import RepetitionAware

PREDICTION = torch.tensor([3.0, 1.0, 1.0, 1.0, 0.0])


def chosen(sampling: SamplingConfig, histories: list[list[int]], seed: int = 0) -> list[int]:
    replies = [Reply(index, 1024, 9999, ids) for index, ids in enumerate(histories)]
    return RepetitionAware(sampling, seeded(seed, len(replies)))(PREDICTION.expand(len(replies), -1), replies)


def test_a_share_above_the_threshold_is_drawn_anew_and_one_at_it_is_not() -> None:
    """The nucleus holds id 0 alone, which is 3 of the last 10 ids, then 4, then 4 of which one lies too far back."""
    sampling = SamplingConfig(top_p=0.01, ras_window=10, ras_threshold=0.3)
    thrice, four, far = [0, 0, 0, *[1] * 7], [0, 0, 0, 0, *[1] * 6], [0, *[1] * 7, 0, 0, 0]
    found = [chosen(sampling, [thrice, four, far], seed) for seed in range(40)]
    assert {ids[0] for ids in found} == {0} == {ids[2] for ids in found}
    assert {ids[1] for ids in found} >= {0, 1, 2, 3}


def test_the_second_draw_follows_the_whole_prediction() -> None:
    """Neither the temperature of the first, by which it is always id 0, nor its filter holds."""
    sampling = SamplingConfig(ar_temperature=0.0, top_k=1, ras_window=4, ras_threshold=0.5)
    sampler, history = RepetitionAware(sampling, seeded(5, 1)), [0] * 2000
    replies = [Reply(0, 1024, 9999, history[: 4 + n]) for n in range(1500)]
    drawn = torch.tensor(sampler(PREDICTION.expand(1500, -1), replies))
    torch.testing.assert_close(torch.bincount(drawn, minlength=5) / 1500, PREDICTION.softmax(-1), atol=0.04, rtol=0)


def test_a_short_history_counts_as_a_part_of_the_window() -> None:
    sampling = SamplingConfig(top_k=1, ras_window=10, ras_threshold=0.2)
    found = [chosen(sampling, [[0, 0], [0, 0, 0]], seed) for seed in range(30)]
    assert {ids[0] for ids in found} == {0} != {ids[1] for ids in found}


def test_what_is_not_repeated_is_drawn_as_ever() -> None:
    sampling = SamplingConfig(ras_window=10, ras_threshold=0.99)
    histories = [[id % 5 for id in range(n)] for n in range(50)]
    replies = [Reply(index, 1024, 9999, ids) for index, ids in enumerate(histories)]
    plain = Plain(sampling, seeded(0, 50))(PREDICTION.expand(50, -1), replies)
    assert chosen(sampling, histories) == plain
