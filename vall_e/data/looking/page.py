"""The page that shows a dataset, to be opened from disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vall_e.data.utterance import Utterance
from vall_e.page import write_page

from .sounds import Heard

TEMPLATE = Path(__file__).with_name("page.html.j2")

MEANINGS = {
    "tts": "Prompt: a voice. Wanted: the text in that voice.",
    "tts-c": "Prompt: what was said before. Wanted: how it goes on.",
    "stt": "Wanted: the text of what is heard here as the response.",
    "len": "Prompt: a voice. Wanted: how long the response is.",
    "ns": "Prompt: noisy speech. Wanted: the speech.",
    "sr": "Prompt: noisy speech. Wanted: the noise.",
    "tse": "Prompt: a voice, then two voices at once. Wanted: the first voice alone.",
    "cse": "Prompt: speech with a gap. Wanted: the speech, the gap filled by another text.",
    "nse": "Prompt: noisy speech. Wanted: the same, its middle replaced by another text in the same noise.",
}


@dataclass(frozen=True, kw_only=True)
class Shown:
    """Everything on the page; files are relative to its folder.

    tasks: samples by task, or why there are none.
    """

    name: str
    totals: Sequence[tuple[str, str]]
    utterance: Utterance
    tasks: Mapping[str, Sequence[Heard] | str]


def show(path: Path, shown: Shown) -> None:
    """Write the page atomically; it needs no network."""
    write_page(path, TEMPLATE, shown=shown, meanings=MEANINGS)
