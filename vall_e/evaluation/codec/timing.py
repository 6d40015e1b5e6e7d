"""Encoding and decoding timed in this process, which does nothing else; it imports little, to start fast."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter, process_time
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from vall_e.device import choose_device

from .peak_memory import peak_memory
from .place import Place


@dataclass(frozen=True)
class Timing:
    """`real_time_factor` is seconds of work for a second of sound, the median over utterances; `peak_bytes` is the
    most memory of the process, Python and torch included, `idle_bytes` what it had taken before the first frame.

    On a CPU the work is processor time, so that what else runs on the machine does not blur it."""

    real_time_factor: float
    peak_bytes: int
    idle_bytes: int


def encode_timing(place: Place, waves: list[npt.NDArray[np.float32]], seconds: list[float]) -> Timing:
    """Of encoding float32 [N] on one thread."""
    torch.set_num_threads(1)
    return _timing(place, place.open().encode, waves, seconds)


def decode_timing(place: Place, codes: list[npt.NDArray[np.int16]], seconds: list[float]) -> Timing:
    """Of decoding int16 [T, Q] on one thread."""
    torch.set_num_threads(1)
    return _timing(place, place.open().decode, codes, seconds)


def _timing(
    place: Place, work: Callable[[torch.Tensor], object], inputs: Sequence[Any], seconds: Sequence[float]
) -> Timing:
    clock = process_time if choose_device(place.device).type == "cpu" else perf_counter
    tensors = [torch.from_numpy(one) for one in inputs]
    idle = peak_memory()
    work(tensors[0])
    factors = []
    for tensor, length in zip(tensors, seconds, strict=True):
        start = clock()
        work(tensor)
        factors.append((clock() - start) / length)
    return Timing(median(factors), peak_memory(), idle)
