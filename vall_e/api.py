"""Speaking from Python: `load_speaker(weights).speak(text, voice)`. Explained in `docs/python.md`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from torch import Tensor

from vall_e.config.explain import explain
from vall_e.config.lora import LoraConfig
from vall_e.config.schema import Config
from vall_e.config.seal import seal
from vall_e.decoding.open_speaker import open_speaker
from vall_e.decoding.speaker import Speaker, Speech, Stream
from vall_e.decoding.voice import read_voice
from vall_e.errors import ConfigError


@dataclass(frozen=True)
class LoadedSpeaker:
    """A model that is ready to speak, made by `load_speaker`."""

    speaker: Speaker

    @property
    def sample_rate(self) -> int:
        """Samples per second of what is said."""
        return self.speaker.codec.identity.sample_rate

    def voice(self, recording: str | Path) -> Tensor:
        """Codes int16 [P, Q] of a recording, or of a file of `python -m vall_e.voice`, to speak with many times.

        Of a longer one the first `input_prompt_length` seconds. AudioError if it cannot be read.
        """
        return read_voice(Path(recording), self.speaker.codec, self.speaker.cfg.input_prompt_length)

    def speak(self, text: str, voice: str | Path | Tensor | None = None, *, seed: int | None = None) -> Speech:
        """Say `text`; the result has `wave`, float32 [N] in -1..1, and `sample_rate`.

        voice: a recording, or what `voice` made of one; None leaves it to the model. seed: of the draws;
        None takes the setting `seed`, else 0. TextError for a text that cannot
        be spoken, MissingExtra if it needs a phonemiser that is not installed.
        """
        return self.speaker.speak(text, self._codes(voice), self._seed(seed))

    def stream(self, text: str, voice: str | Path | Tensor | None = None, *, seed: int | None = None) -> Stream:
        """Say what `speak` says, piece by piece: the result has `waves`, an iterator, and `sample_rate`.

        A wave comes with each sentence, or with the setting `chunk_frames` each time so many frames are ready.
        """
        return self.speaker.stream(text, self._codes(voice), self._seed(seed))

    def _codes(self, voice: str | Path | Tensor | None) -> Tensor | None:
        return self.voice(voice) if isinstance(voice, (str, Path)) else voice

    def _seed(self, seed: int | None) -> int:
        return (self.speaker.cfg.seed or 0) if seed is None else seed


def load_speaker(
    weights: str | Path,
    *,
    device: str = "auto",
    codec_path: str | Path | None = None,
    loras: Mapping[str, LoraConfig] | None = None,
    **inference: Any,
) -> LoadedSpeaker:
    """What speaks with `weights`: a file, a pretrained folder, or `hf://owner/name[@revision]` on the Hugging Face hub.

    device: auto (a GPU if there is one), cpu, cuda or cuda:N; codec_path: weights of the codec, if not those that it
    ships with; loras: adapters by name, each with its path; inference: settings of the group `inference`, such as
    language="de" or ar_temperature=0.9. ConfigError for a setting that is unknown or out of range, WeightsError for
    weights that cannot be read.
    """
    tree = {
        "weights": str(weights),
        "device": device,
        "codec": {"path": None if codec_path is None else str(codec_path)},
        "loras": {name: asdict(lora) for name, lora in (loras or {}).items()},
        "inference": inference,
    }
    try:
        cfg = seal(OmegaConf.create(tree), Config)
    except OmegaConfBaseException as error:
        raise ConfigError(explain(error)) from error
    return LoadedSpeaker(open_speaker(cfg))
