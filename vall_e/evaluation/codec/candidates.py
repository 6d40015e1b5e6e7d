"""The codecs that are measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from math import log2
from pathlib import Path

from vall_e.audio.codec import Codec
from vall_e.config.codec import AudioBackend
from vall_e.config.codec_evaluation import CodecEvaluationConfig
from vall_e.errors import ConfigError

from .file_name import file_name_of
from .place import Place

BUILTIN, ENCODEC = AudioBackend.builtin.name, AudioBackend.encodec.name


@dataclass(frozen=True)
class Subject:
    """What is measured: a codec by its first levels, or the originals, which have no levels."""

    codec: str
    levels: int | None = None
    digest: str = ""
    kbit_per_second: float | None = None

    @property
    def title(self) -> str:
        """As it is called in a picture."""
        return self.codec if self.levels is None else f"{self.codec}, {self.levels} level{'s' * (self.levels > 1)}"

    @property
    def file_name(self) -> str:
        """The name of its audio."""
        levels = "" if self.levels is None else f"-{self.levels}"
        return f"{file_name_of(self.codec)}{levels}.wav"


ORIGINAL = Subject("original")


@dataclass(frozen=True)
class Candidate:
    """An opened codec, its name in the settings, and where it lies."""

    label: str
    place: Place
    codec: Codec

    def subjects(self, levels: Sequence[int]) -> list[Subject]:
        """One for each number of levels; ConfigError for more than the codec has."""
        identity = self.codec.identity
        bits = identity.frame_rate * log2(identity.codebook_size) / 1000
        if too_many := next((count for count in levels if count > identity.levels), None):
            raise ConfigError(
                f"levels={list(levels)} asks for {too_many}, but the codec {self.label} has {identity.levels}"
            )
        return [Subject(self.label, count, identity.digest, round(count * bits, 3)) for count in levels]


def open_candidates(cfg: CodecEvaluationConfig) -> list[Candidate]:
    """The codecs that the settings name, or those that are here; nothing is fetched unless it is named."""
    places = _present(cfg.device) if cfg.codecs is None else {name: _place(name, cfg.device) for name in cfg.codecs}
    return [Candidate(label, place, place.open()) for label, place in places.items()]


def _place(name: str, device: str) -> Place:
    if name in (BUILTIN, ENCODEC):
        return Place(AudioBackend[name], None, device)
    if not Path(name).exists():
        raise ConfigError(
            f"codecs=[{name}]: no such file or folder, allowed: builtin, encodec, a file with weights of the built-in "
            "codec, a folder with EnCodec's"
        )
    return Place(AudioBackend.encodec if Path(name).is_dir() else AudioBackend.builtin, name, device)


def _present(device: str) -> dict[str, Place]:
    """The built-in codec, and EnCodec where the cache of the hub holds its weights."""
    places = {BUILTIN: Place(AudioBackend.builtin, None, device)}
    if find_spec("transformers"):
        from huggingface_hub import try_to_load_from_cache

        from vall_e.audio.encodec import MODEL_ID

        weights = try_to_load_from_cache(MODEL_ID, "model.safetensors")
        if isinstance(weights, str):
            places[ENCODEC] = Place(AudioBackend.encodec, str(Path(weights).parent), device)
    return places
