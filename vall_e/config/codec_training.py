"""Settings of `python -m vall_e.train_codec`, which trains the built-in codec."""

from __future__ import annotations

from dataclasses import dataclass

from .setting import setting


@dataclass(kw_only=True)
class CodecTrainingConfig:
    """How the built-in codec is trained."""

    audio: str = setting("", "Folder of .ogg and .wav files, mono at 24 kHz, searched with its subfolders.")
    holdout: list[str] | None = setting(None, "Subfolders that are not trained on.")
    steps: int = setting(7_500, "Optimizer steps.", at_least=1)
    batch_size: int = setting(8, "Clips of a step.", at_least=1)
    clip_seconds: float = setting(1.0, "Length of a clip.", at_least=0.1, at_most=30)
    learning_rate: float = setting(5e-4, "Peak learning rate.", above=0)
    warmup_steps: int = setting(200, "Steps over which the learning rate rises from 0.", at_least=0)
    commitment: float = setting(0.25, "Weight of the loss that keeps the encoder near the codebooks.", at_least=0)
    save_frequency: int = setting(500, "Steps between saved codecs.", at_least=1)
    out: str = setting("runs/codec", "Folder of the trained codec, its log and its settings.")
