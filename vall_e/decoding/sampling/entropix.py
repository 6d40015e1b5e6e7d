"""Entropix: a draw that adapts to how sure the model is of the next id and of where it looks.

After github.com/xjdr-alt/entropix, 2024. V ids of a head, H attention heads, S places.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from vall_e.config.sampling import SamplingConfig
from vall_e.decoding.reply import Reply
from vall_e.models.exit_rule import entropies

from .dice import Dice
from .draw import Draw, level_zero_draw, pick

DRAWS = 5
"""Draws of which the likeliest is taken where nothing stands out."""
LEAST_MIN_P = 0.01
STREAM = (0, 1)


@dataclass(frozen=True, kw_only=True)
class Certainty:
    """How sure a model is, in bits: of the next id, and its heads of the places they attend to.

    agreement: mean distance of heads from what they have in common (named so by the original); interaction: mean size
    of the scores before the softmax.
    """

    entropy: float
    varentropy: float
    attention_entropy: float
    attention_varentropy: float
    agreement: float
    interaction: float


class Entropix:
    """Draws each id as the certainty of its prediction suggests; a `Choose` for replies whose attention is watched."""

    def __init__(self, sampling: SamplingConfig, dice: Sequence[Dice]) -> None:
        self.draw, self.dice = level_zero_draw(sampling), dice

    def __call__(self, logits: Tensor, replies: Sequence[Reply]) -> list[int]:
        """The next id of each reply: logits [B, V]."""
        return [self._choose(row.double().cpu(), reply) for row, reply in zip(logits.unbind(), replies, strict=True)]

    def _choose(self, logits: Tensor, reply: Reply) -> int:
        if reply.attention is None:
            raise ValueError("entropix wants the attention of replies: watch it")
        thrown = self.dice[reply.index].throw(STREAM, DRAWS, DRAWS * len(reply.ids))
        draw, count = adapted(self.draw, certainty(logits, reply.attention.double().cpu()), len(logits))
        heated = logits
        if draw.temperature:
            # Here the temperature comes before the filters.
            heated, draw = logits / draw.temperature, replace(draw, temperature=1.0)
        ids = pick(heated.expand(count, -1), draw, thrown[:count])
        return int(ids[logits[ids].argmax()])


def certainty(logits: Tensor, scores: Tensor) -> Certainty:
    """How sure a prediction is: logits [V], attention scores before the softmax [H, S]."""
    entropy, varentropy = entropies(logits)
    looks = scores.softmax(-1)
    by_head, _ = entropies(scores)
    return Certainty(
        entropy=float(entropy),
        varentropy=float(varentropy),
        attention_entropy=float(by_head.mean()),
        attention_varentropy=float(by_head.var()) if len(by_head) > 1 else 0.0,
        agreement=float((looks - looks.mean(0)).abs().mean()),
        interaction=float(scores.abs().mean()),
    )


def adapted(draw: Draw, sure: Certainty, ids: int) -> tuple[Draw, int]:
    """The draw that suits a certainty, and how often it is made: by the first case that holds.

    With `top_k` 0 the number that is scaled is that of all `ids`.
    """
    draw = replace(draw, top_k=draw.top_k or ids)
    sure_of_it, scattered = sure.varentropy < 0.1, sure.varentropy > 5
    if sure.entropy < 0.1 and sure_of_it:
        return replace(draw, temperature=0.0), 1
    if sure.entropy > 5 and sure_of_it:
        return within(replace(draw, temperature=draw.temperature * (1.3 + 0.2 * sure.attention_entropy)), ids), 1
    if sure.entropy < 5 and scattered:
        k = max(5, int(draw.top_k * (1 + 0.5 * (1 - sure.agreement))))
        heat = 1.2 + 0.3 * sure.interaction
        return within(replace(draw, temperature=draw.temperature * heat, top_k=k), ids), 1
    if sure.entropy > 3 and scattered:
        p = max(0.5, draw.top_p - 0.2 * sure.attention_entropy)
        heat = 2.0 + 0.5 * sure.attention_varentropy
        return within(replace(draw, temperature=draw.temperature * heat, top_p=p), ids), 1
    return within(unremarkable(draw, sure), ids), DRAWS


def unremarkable(draw: Draw, sure: Certainty) -> Draw:
    """The draw by which several are made, where no case holds."""
    doubt = 0.3 * (sure.entropy + sure.varentropy) + 0.2 * (sure.attention_entropy + sure.attention_varentropy)
    return replace(
        draw,
        temperature=draw.temperature * (1 + doubt - 0.2 * sure.agreement),
        top_p=draw.top_p * (1 + 0.1 * sure.attention_varentropy),
        top_k=round(draw.top_k * (1 + 0.3 * sure.interaction - 0.2 * sure.agreement)),
        # 0.01 (1 - (H + V) / 2) is never more.
        min_p=LEAST_MIN_P,
    )


def within(draw: Draw, ids: int) -> Draw:
    """The draw with every setting in its range."""
    return replace(
        draw,
        temperature=min(max(draw.temperature, 0.5), 1.25),
        top_p=min(max(draw.top_p, 0.1), 1.0),
        top_k=min(max(draw.top_k, 1), ids),
        min_p=min(max(draw.min_p, LEAST_MIN_P), 0.5),
    )
