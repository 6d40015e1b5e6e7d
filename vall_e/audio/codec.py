"""What a neural audio codec is to the rest of the project."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from torch import Tensor


@dataclass(frozen=True)
class CodecIdentity:
    """Names a codec so that codes of one are never decoded by another."""

    name: str
    sample_rate: int
    frame_rate: float
    levels: int
    codebook_size: int
    digest: str
    """First 16 hexadecimal digits of the SHA-256 of its weights; empty where these are not known."""

    def agrees(self, other: CodecIdentity) -> bool:
        """Whether codes of both mean the same, as far as is known."""
        unknown = not (self.digest and other.digest)
        return self == (replace(other, digest=self.digest) if unknown else other)


@dataclass(frozen=True)
class Reach:
    """Frames before and behind a frame that its samples depend on; None means all before it."""

    before: int | None
    behind: int


class Codec(Protocol):
    """Waveform to discrete codes and back."""

    @property
    def identity(self) -> CodecIdentity:
        """Name, rates and sizes."""
        ...

    @property
    def reach(self) -> Reach:
        """What `decode` must be given around a frame to decode it as it would be in the whole."""
        ...

    def encode(self, wave: Tensor) -> Tensor:
        """float32 [N] mono at the codec's sample rate -> int16 [T, Q] on the CPU."""
        ...

    def decode(self, codes: Tensor) -> Tensor:
        """Codes [T, Q'] of the first Q' <= Q levels -> float32 [T * hop] on the CPU."""
        ...


@runtime_checkable
class BatchingCodec(Protocol):
    """A codec that encodes several clips faster than one after the other."""

    def encode_batch(self, waves: Sequence[Tensor]) -> list[Tensor]:
        """What `encode` makes of each wave float32 [N], of any lengths: int16 [T, Q] on the CPU."""
        ...
