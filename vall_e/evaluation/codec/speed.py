"""How fast a codec is, and how much memory it takes: on one thread of a fresh process, encoding and decoding apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from statistics import median
from time import perf_counter, process_time
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from vall_e.device import choose_device

from .candidates import Candidate, Place
from .peak_memory import peak_memory
from .utterances import Utterance

LONGEST_LIST = 8
"""Utterances that are timed."""


@dataclass(frozen=True)
class Timing:
    """`real_time_factor` is seconds of work for a second of sound, the median over utterances; `peak_bytes` is the
    most memory of the process, Python and torch included, `idle_bytes` what it had taken before the first frame.

    On a CPU the work is processor time, so that what else runs on the machine does not blur it."""

    real_time_factor: float
    peak_bytes: int
    idle_bytes: int


@dataclass(frozen=True)
class Speed:
    """Of encoding and decoding all levels; `longest_seconds` is the longest utterance that was timed."""

    encode: Timing
    decode: Timing
    utterances: int
    longest_seconds: float


def measure_speed(candidate: Candidate, utterances: Sequence[Utterance]) -> Speed:
    """Of the first eight utterances; the first of them has warmed it up before."""
    rate = candidate.codec.identity.sample_rate
    waves = [one.read(rate) for one in utterances[:LONGEST_LIST]]
    seconds = [len(wave) / rate for wave in waves]
    codes = [candidate.codec.encode(torch.from_numpy(wave)).numpy() for wave in waves]
    return Speed(
        encode=_alone(encode_timing, candidate.place, waves, seconds),
        decode=_alone(decode_timing, candidate.place, codes, seconds),
        utterances=len(waves),
        longest_seconds=round(max(seconds), 3),
    )


def encode_timing(place: Place, waves: list[npt.NDArray[np.float32]], seconds: list[float]) -> Timing:
    """Of encoding float32 [N], in this process."""
    torch.set_num_threads(1)
    return _timing(place, place.open().encode, waves, seconds)


def decode_timing(place: Place, codes: list[npt.NDArray[np.int16]], seconds: list[float]) -> Timing:
    """Of decoding int16 [T, Q], in this process."""
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


def _alone(timing: Callable[..., Timing], *arguments: object) -> Timing:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(timing, *arguments).result()
