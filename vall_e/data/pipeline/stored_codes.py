"""Stands for a codec whose codes are there already, so that its weights are not needed."""

from __future__ import annotations

from torch import Tensor

from vall_e.audio.codec import Codec, CodecIdentity, Reach
from vall_e.config.codec import CODEC_FACTS, AudioBackend
from vall_e.errors import AudioError


class StoredCodes:
    """A codec of which name and sizes are known."""

    reach = Reach(before=None, behind=0)

    def __init__(self, identity: CodecIdentity) -> None:
        self.identity = identity

    def encode(self, wave: Tensor) -> Tensor:
        """AudioError: there is nothing to encode with."""
        raise AudioError(f"a corpus of codes of {self.identity.name} has no audio to encode")

    def decode(self, codes: Tensor) -> Tensor:
        """AudioError: there is nothing to decode with."""
        raise AudioError(f"the weights of {self.identity.name} are not loaded")


def stored_codes(backend: AudioBackend) -> Codec:
    """The codec of that name, as far as its codes are concerned."""
    facts = CODEC_FACTS[backend]
    return StoredCodes(
        CodecIdentity(backend.name, facts.sample_rate, facts.frame_rate, facts.levels, facts.codebook_size, digest="")
    )
