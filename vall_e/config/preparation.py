"""Settings of `python -m vall_e.prepare`, which makes a dataset of recordings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .setting import setting

RECIPES = (
    "auto",
    "manifest",
    "common_voice",
    "ljspeech",
    "libri",
    "emilia",
    "huggingface",
    "artifacts",
    "reference_hdf5",
    "table",
    "folder",
)
SPLITS = ("training", "validation", "noise")
SIMILARITIES = ("codec", "mfcc", "speaker")


@dataclass(kw_only=True)
class PreparationConfig:
    """How recordings become utterances of a dataset."""

    recipe: str = setting("auto", "How dataset.source is laid out; auto looks at its files.", allowed=RECIPES)
    language: str | None = setting(
        None, "Language of what names none; null takes it from a folder named by a language, else English."
    )
    split: str = setting("training", "Split of what names none.", allowed=SPLITS)
    transcribe: str | None = setting(
        None, "Whisper model, a name or a folder, that writes the transcripts that are missing; null leaves these out."
    )
    transcribe_all: bool = setting(False, "Transcribe what has a transcript, too, and take Whisper's.")
    slice_over: float = setting(
        20.0,
        "Seconds beyond which a recording is cut where Whisper's segments end; 0 cuts all.",
        at_least=0,
    )
    trim_silence: bool = setting(False, "Cut off silence before and after speech.")
    silence_db: float = setting(40.0, "Decibels below the loudest frame at which silence begins.", above=0, at_most=120)
    duration_range: list[float] = setting([0.0, 300.0], "Seconds an utterance may last, inclusive.", at_least=0)
    similar_top_k: int = setting(
        0, "Similar utterances of the same speaker that are kept for each; 0 keeps none.", at_least=0, at_most=1024
    )
    similar_by: str = setting(
        "codec", "What is compared: means of the codec's embeddings, of MFCCs, or x-vectors.", allowed=SIMILARITIES
    )
    speaker_encoder: str = setting(
        "microsoft/wavlm-base-plus-sv", "WavLM that makes the x-vectors of similar_by=speaker, a name or a folder."
    )
    utterances_per_file: int = setting(
        0, "Utterances of each file of the dataset, which an index joins; 0 keeps all in one.", at_least=0
    )
    batch_seconds: float | None = setting(
        None,
        "Seconds of audio that are encoded at once; 0 encodes one clip at a time, as null does on a CPU, where that is "
        "faster; on a GPU null takes 120.",
        at_least=0,
    )
    workers: int = setting(2, "Threads that read audio ahead of the codec.", at_least=1, at_most=64)
    shards: int = setting(1, "Jobs that share the work: -m preparation.shard=0,1 preparation.shards=2.", at_least=1)
    shard: int = setting(0, "Which of them this is, from 0; the last to finish joins the work of all.", at_least=0)
    dry_run: bool = setting(False, "Say what would be done, and write nothing.")

    def problems(self) -> Iterator[str]:
        """Relations between settings that do not hold."""
        if self.shard >= self.shards:
            yield f"shard={self.shard} is out of range, allowed with shards={self.shards}: 0 to {self.shards - 1}"
        if len(self.duration_range) != 2 or self.duration_range[0] > self.duration_range[1]:
            yield f"duration_range={self.duration_range} must be two numbers, the lower first"
        if self.transcribe_all and self.transcribe is None:
            yield "transcribe_all=true needs a Whisper model: transcribe=NAME"
