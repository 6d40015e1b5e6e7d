"""What the reference implementation computes with weights that follow a formula, so that no weights file is needed.

Its state of 2024-11-22, size quarter, capabilities ar, nar, len, lang, float32 on the CPU. `weights`, `TEXT`, `PROMPT`
and `RESPONSE` are the whole input; the numbers below were printed by the reference, to four and five decimals.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

TEXT = torch.tensor([1, 30, 115, 21, 2])


def codes(frames: int, by_frame: int, by_level: int, offset: int) -> Tensor:
    frame, level = torch.arange(frames)[:, None], torch.arange(8)
    return (by_frame * frame + by_level * level + offset) % 1024


PROMPT = codes(4, 37, 11, 5)
RESPONSE = codes(6, 53, 29, 7)


def weights(shapes: Mapping[str, torch.Size]) -> dict[str, Tensor]:
    """Element i of the k-th tensor by name is 0.05 sin(0.1 i + k), one more in norms."""
    return {name: formula(k, name, shapes[name]) for k, name in enumerate(sorted(shapes))}


def formula(k: int, name: str, shape: torch.Size) -> Tensor:
    values = 0.05 * torch.sin(0.1 * torch.arange(shape.numel(), dtype=torch.float64) + k) + ("norm" in name)
    return values.float().view(shape)


@dataclass(frozen=True)
class Row:
    """One row of logits: its first values, the likeliest id (None: not recorded), the logarithm of the sum of exp."""

    case: str
    full: bool
    """Whether NAR passes see the whole sequence."""
    first: tuple[float, ...]
    likeliest: int | None = None
    log_sum_exp: float | None = None
    sums: str | None = "legacy"


ROWS = [
    Row("ar", False, (-0.4707, -0.7809, -0.9226, -0.8645, -0.6180), 520, 7.1410),
    Row("ar", True, (-0.4707, -0.7809, -0.9226, -0.8645, -0.6180), 520, 7.1410),
    Row("nar1", False, (0.3549, -0.0903, -0.5072, -0.8072, -0.9265), 562, 7.1506),
    Row("nar1", True, (0.3469, -0.0898, -0.4984, -0.7920, -0.9081), 562, 7.1427),
    Row("nar2", False, (0.4712, 0.7968, 0.9498, 0.8982, 0.6543), 836, 7.1516),
    Row("nar2", True, (0.4635, 0.7821, 0.9313, 0.8799, 0.6400), 836, 7.1435),
    Row("nar3", False, (0.6650, 0.5941, 0.4057, 0.1399, -0.1466), 753, 7.0263),
    Row("nar3", True, (0.6067, 0.5413, 0.3697, 0.1285, -0.1311), 753, 7.0098),
    Row("nar7", False, (0.4365, 0.1478, -0.1764, -0.4676, -0.6643), 294, 7.0476),
    Row("nar7", True, (0.4319, 0.1502, -0.1676, -0.4543, -0.6493), 294, 7.0431),
    Row("nar2", True, (-0.2411, 0.0365, 0.3044, 0.5061, 0.5996), 206, 7.0192, sums="inclusive"),
    Row("nar3", True, (0.2801, 0.4372, 0.5104, 0.4839, 0.3628), 688, 6.9869, sums="inclusive"),
    Row("nar7", True, (-0.8463, -0.8192, -0.6204, -0.2934, 0.0908), 545, 7.0999, sums="inclusive"),
    Row("nar2", False, (-0.6361, -0.5217, -0.2973, -0.0101, 0.2795), None, 7.0282, sums=None),
    Row("nar7", False, (-1.0243, -0.8387, -0.4773, -0.0184, 0.4388), None, 7.1778, sums=None),
    Row("masked", False, (0.5307, 0.4928, 0.3423, 0.1123, -0.1472), 780, 7.0129),
    Row("masked", True, (0.5298, 0.4924, 0.3424, 0.1129, -0.1462), 148, 7.0127),
    Row(
        "len",
        True,
        (0.8464, 0.8004, 0.5745, 0.2164, -0.1974, -0.5786, -0.8457, -0.9417, -0.8461, -0.5792, -0.1982),
    ),
    Row("stt", True, (0.0894, 0.3682, 0.5778, 0.6735, 0.6350), 3, 5.6424),
    Row("stt", True, (0.0994, 0.3746, 0.5791, 0.6695, 0.6264), sums=None),
]


@dataclass(frozen=True)
class Loss:
    """The loss of a case in training.

    `split` is that of the output segment times its factor. Where `first_missing`, the reference did not learn the first
    id of the segment, which the separator predicts.
    """

    case: str
    full: bool
    unified: float
    split: float
    first_missing: bool = False


FACTORS = {"text": 0.1, "prom": 0.5, "resp": 1.0, "len": 1.0}

LOSSES = [
    Loss("ar", False, 7.72380, 7.67373, first_missing=True),
    Loss("ar", True, 7.72380, 7.67373, first_missing=True),
    Loss("nar2", False, 7.54435, 7.54435),
    Loss("nar2", True, 7.53874, 7.53874),
    Loss("masked", False, 7.38049, 7.38049),
    Loss("masked", True, 7.37974, 7.37974),
    Loss("len", True, 3.22338, 3.09536, first_missing=True),
    Loss("stt", True, 5.43383, 0.54071, first_missing=True),
]
