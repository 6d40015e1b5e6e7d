"""Which utterances of a speaker sound alike, so that one can prompt the other."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import soxr
import torch
from torch import Tensor

from vall_e.audio.codec import Codec
from vall_e.audio.mfcc import mfcc
from vall_e.audio.speaker_encoder import SAMPLE_RATE as SPEAKER_RATE
from vall_e.audio.speaker_encoder import SpeakerEncoder
from vall_e.errors import ConfigError

Features = npt.NDArray[np.float32]

MFCCS = 20
COSINES_AT_ONCE = 2**24


@runtime_checkable
class LatentCodec(Protocol):
    """A codec that tells what its codes stand for."""

    def latents(self, codes: Tensor) -> Tensor:
        """Codes [T, Q] -> the sums of their embeddings, float32 [T, C] on the CPU."""
        ...


class AcousticVectors:
    """How utterances sound, as vectors of their codes.

    `codec` is the mean over time of the codec's embeddings; `mfcc` that of the MFCCs of the decoded speech, without the
    first, which is loudness; `speaker` the x-vector of the decoded speech. ConfigError if the codec does not tell its
    embeddings.
    """

    def __init__(self, codec: Codec, by: str, speakers: SpeakerEncoder) -> None:
        self._codec, self._by, self._speakers = codec, by, speakers
        if by == "codec" and not isinstance(codec, LatentCodec):
            raise ConfigError(
                f"preparation.similar_by=codec is not allowed with {codec.identity.name}, allowed: mfcc, speaker"
            )

    def vector(self, codes: npt.NDArray[np.int16]) -> Features:
        """float32 [D] of codes [T, Q]."""
        with torch.inference_mode():
            if isinstance(self._codec, LatentCodec) and self._by == "codec":
                return self._codec.latents(torch.from_numpy(codes)).mean(dim=0).numpy()
            wave = self._codec.decode(torch.from_numpy(codes))
            if self._by == "mfcc":
                return mfcc(wave, self._codec.identity.sample_rate, MFCCS)[:, 1:].mean(dim=0).numpy()
        resampled = soxr.resample(wave.numpy(), self._codec.identity.sample_rate, SPEAKER_RATE)
        return self._speakers.vector(resampled)


def similar_utterances(
    features: Features, speakers: npt.NDArray[np.integer], training: npt.NDArray[np.bool_], k: int
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float16]]:
    """The k others of the same speaker that are nearest by cosine, nearest first.

    features: [N, D], of which those of one speaker are in memory at a time; speakers: [N]; training: [N], whose rows
    are similar to each other alone, as training must not hear other splits. Returns rows int32 [N, k], -1 where there
    are no more, and their cosines float16 [N, k].
    """
    indices = np.full((len(features), k), -1, np.int32)
    scores = np.zeros((len(features), k), np.float16)
    order = np.argsort(speakers, kind="stable")
    bounds = np.flatnonzero(np.diff(speakers[order])) + 1
    for rows in np.split(order, bounds):
        unit = _unit(features[rows])
        step = max(1, COSINES_AT_ONCE // max(1, len(rows)))
        for start in range(0, len(rows), step):
            some = slice(start, start + step)
            indices[rows[some]], scores[rows[some]] = _nearest(some, rows, unit, training[rows], k)
    return indices, scores


def _unit(features: Features) -> Features:
    """Rows of length 1, those of length 0 as they are: [n, D]."""
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    unit: Features = features / np.where(lengths > 0, lengths, np.float32(1))
    return unit


def _nearest(
    some: slice, rows: npt.NDArray[np.intp], unit: Features, training: npt.NDArray[np.bool_], k: int
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Of `some` of a speaker's `rows` [n], with vectors `unit` [n, D]: the nearest of all of them and the cosines."""
    own = np.arange(len(rows))
    cosines = unit[some] @ unit.T
    cosines[(own[some, None] == own) | (training[some, None] & ~training)] = -np.inf
    best = _largest(cosines, k)
    found = np.take_along_axis(cosines, best, axis=1)
    missing = ((0, 0), (0, k - best.shape[1]))
    indices = np.where(np.isfinite(found), rows[best], -1).astype(np.int32)
    scores = np.where(np.isfinite(found), found, np.float32(0))
    return np.pad(indices, missing, constant_values=-1), np.pad(scores, missing)


def _largest(values: Features, k: int) -> npt.NDArray[np.intp]:
    """Columns of the k largest of every row, or of all, largest first and of equals the first: [rows, k]."""
    if k >= values.shape[1]:
        return np.argsort(-values, axis=1, kind="stable")
    least = np.partition(values, -k, axis=1)[:, -k, None]
    larger, equal = values > least, values == least
    room = k - larger.sum(axis=1, keepdims=True)
    chosen = np.nonzero(larger | (equal & (np.cumsum(equal, axis=1, dtype=np.int32) <= room)))[1].reshape(-1, k)
    order = np.argsort(-np.take_along_axis(values, chosen, axis=1), axis=1, kind="stable")
    return np.take_along_axis(chosen, order, axis=1)
