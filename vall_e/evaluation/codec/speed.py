"""How fast a codec is, and how much memory it takes: on one thread of a fresh process, encoding and decoding apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import torch

from .candidates import Candidate
from .timing import Timing, decode_timing, encode_timing
from .utterances import Utterance

TIMED = 8
"""Utterances at most."""


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
    waves = [one.read(rate) for one in utterances[:TIMED]]
    seconds = [len(wave) / rate for wave in waves]
    codes = [candidate.codec.encode(torch.from_numpy(wave)).numpy() for wave in waves]
    return Speed(
        encode=_alone(encode_timing, candidate, waves, seconds),
        decode=_alone(decode_timing, candidate, codes, seconds),
        utterances=len(waves),
        longest_seconds=round(max(seconds), 3),
    )


def _alone(timing: Callable[..., Timing], candidate: Candidate, *arguments: object) -> Timing:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(timing, candidate.place, *arguments).result()
