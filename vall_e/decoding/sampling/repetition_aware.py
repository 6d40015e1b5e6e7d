"""Repetition aware sampling (VALL-E 2, arXiv:2406.05370): a code that was just said too often is drawn anew."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from vall_e.config.sampling import SamplingConfig
from vall_e.decoding.reply import Reply

from .dice import Dice, throw_each
from .draw import Draw, level_zero_draw, pick

ANEW = (0, 1)
"""Stream of the second draws."""


class RepetitionAware:
    """Draws within the filters, and where that id fills too much of the last ones, from all ids; a `Choose`.

    Too much is more than `ras_threshold` of the last `ras_window` ids. The second draw knows neither filters nor
    temperature.
    """

    def __init__(self, sampling: SamplingConfig, dice: Sequence[Dice]) -> None:
        self.draw, self.dice = level_zero_draw(sampling), dice
        self.window, self.threshold = sampling.ras_window, sampling.ras_threshold

    def __call__(self, logits: Tensor, replies: Sequence[Reply]) -> list[int]:
        """The next id of each reply: logits [B, V]."""
        places = [(self.dice[reply.index], len(reply.ids)) for reply in replies]
        ids = pick(logits, self.draw, throw_each(places, (0,))).tolist()
        shares = [self.share(reply.ids, id) for reply, id in zip(replies, ids, strict=True)]
        worn = [row for row, share in enumerate(shares) if share > self.threshold]
        if worn:
            thrown = throw_each([places[row] for row in worn], ANEW)
            for row, id in zip(worn, pick(logits[worn], Draw(), thrown).tolist(), strict=True):
                ids[row] = id
        return list(ids)

    def share(self, said: Sequence[int], id: int) -> float:
        """Share of an id among the last ones of the window; what lies before the first counts as another."""
        return list(said[-self.window :]).count(id) / self.window
