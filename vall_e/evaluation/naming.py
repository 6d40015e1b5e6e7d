"""Where the files of an evaluation lie."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from vall_e.data.sample import Sample

# Speaker and utterance together stay below the 255 bytes of common file systems, letters taking up to 4.
LONGEST = 28


@dataclass(frozen=True, kw_only=True)
class Place:
    """The files of one sample, relative to `folder`, with `/` on every system."""

    folder: Path
    target: str
    output: str
    prompt: str
    spectrogram: str


class SampleFiles:
    """Gives every sample of an evaluation files of its own, f being `<speaker>_<utterance>`.

    An utterance that returns is `<f>_2`, `<f>_3` and so on, also where upper and lower case are the same.
    """

    def __init__(self, folder: Path, model: str) -> None:
        self._folder, self._model = folder, model
        self._taken: set[str] = set()

    def place(self, sample: Sample, pass_name: str) -> Place:
        """Where the next sample of a pass goes."""
        f = self._unique(f"{file_name(sample.speaker)}_{file_name(_within_speaker(sample))}")
        return Place(
            folder=self._folder,
            target=f"ref/{f}.wav",
            output=f"{self._model}/{pass_name}/{f}.wav",
            prompt=f"{self._model}/prom/{f}.wav",
            spectrogram=f"{self._model}/{pass_name}/{f}.png",
        )

    def _unique(self, base: str) -> str:
        number, name = 1, base
        while name.lower() in self._taken:
            number += 1
            name = f"{base}_{number}"
        self._taken.add(name.lower())
        return name


def file_name(text: str) -> str:
    """`text` as part of a file name on any system: letters, digits and `._+-` are kept."""
    return re.sub(r"[^\w.+-]+", "-", text).strip("-.")[:LONGEST] or "-"


def _within_speaker(sample: Sample) -> str:
    """Ids made by `vall_e.prepare` begin with the speaker where the recordings lie in folders by speaker."""
    return sample.utterance.removeprefix(f"{sample.speaker}/")
