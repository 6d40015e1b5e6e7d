"""Fewer points that look the same."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from ..curves import Numbers


def thinned(values: Numbers, most: int) -> npt.NDArray[np.int64]:
    """Places of about `most` of the values, in order: the first, the last, the lowest and highest of each stretch.

    So no peak is lost. All places if there are no more than `most`; [points] -> [kept].
    """
    if len(values) <= most:
        return np.arange(len(values))
    edges = np.linspace(0, len(values), most // 2 + 1).astype(np.int64)
    stretches = [(start, values[start:end]) for start, end in pairwise(edges)]
    ends = [(start + part.argmin(), start + part.argmax()) for start, part in stretches]
    return np.unique(np.array([(0, len(values) - 1), *ends], np.int64))
