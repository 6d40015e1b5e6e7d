"""Settings of `python -m vall_e.train_codec`, which trains the built-in codec."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .codec import CODEC_FACTS, AudioBackend
from .codec_adversary import AdversaryConfig
from .codec_augmentation import AugmentationConfig
from .codec_losses import CodecLossesConfig
from .hyperparameters import HyperparametersConfig
from .setting import setting

OPTIMIZERS = ("adamw", "sgd", "adagrad", "prodigy")
SCHEDULERS = ("", "WarmupLR", "WarmupDecayLR", "WarmupCosineLR")
BETAS = [0.8, 0.99]
ENVELOPE_SECONDS = 0.4
"""That `losses.envelopes` compares at once."""


@dataclass(kw_only=True)
class CodecTrainingConfig:
    """How the built-in codec is trained."""

    audio: Any = setting(
        "", "Folder of recordings, searched with its subfolders, or a list of folders.", takes=(list[str],)
    )
    audio_weights: list[float] | None = setting(
        None, "Share of the clips that each folder of `audio` gets; null is by hours.", above=0
    )
    holdout: list[str] | None = setting(
        None, "Names of subfolders, at any depth, that are kept from training and evaluated."
    )
    steps: int = setting(7_500, "Optimizer steps after which the run ends.", at_least=1)
    batch_size: int = setting(8, "Clips of a step, of all ranks together.", at_least=1)
    clip_seconds: float = setting(1.0, "Length of a clip.", at_least=0.1, at_most=30)
    optimizer: str = setting("adamw", "Optimizer of the codec, in any case.", allowed=OPTIMIZERS)
    optimizer_params: dict[str, Any] = setting({}, "Arguments laid over the optimizer's own defaults.")
    learning_rate: float = setting(5e-4, "Peak learning rate.", above=0)
    warmup_steps: int = setting(200, "Steps over which the learning rate rises from 0.", at_least=0)
    scheduler: str = setting(
        "WarmupCosineLR",
        "Course after the warm-up: '' and WarmupLR stay, WarmupDecayLR falls linearly, WarmupCosineLR as a cosine.",
        allowed=SCHEDULERS,
    )
    lowest_rate: float = setting(0.02, "Share of the peak at which WarmupCosineLR ends.", at_least=0, at_most=1)
    gradient_clipping: float = setting(5.0, "Largest gradient norm; 0 does not clip.", at_least=0)
    ema_decay: float = setting(
        0.999,
        "Decay of a moving average of the weights, which is evaluated and exported in their place; 0 keeps none. "
        "In step N it is at most (N + 1) / (N + 10).",
        at_least=0,
        below=1,
    )
    amp: bool = setting(False, "Convolutions in bfloat16; spectra, codebooks and losses stay in float32.")
    losses: CodecLossesConfig = setting(CodecLossesConfig, "Weights of the terms of the loss.")
    adversary: AdversaryConfig = setting(AdversaryConfig, "Discriminators.")
    augmentation: AugmentationConfig = setting(AugmentationConfig, "What is done to clips before the codec hears them.")
    shape: dict[str, int] = setting(
        {},
        "Sizes that differ from those of `weights`, or of the shipped codec, for example +shape.decoder_width=384.",
        at_least=0,
    )
    weights: str | None = setting(
        None,
        "Codec to begin with. Its sizes are kept: only shape.expansion may be raised and shape.refinements changed. "
        "null begins with random weights.",
    )
    seed: int = setting(0, "Seed of everything random.", at_least=0)
    device: str = setting("auto", "auto, cpu, cuda or cuda:N.")
    save_frequency: int = setting(500, "Steps between checkpoints, each with an exported codec.", at_least=1)
    keep_last_checkpoints: int = setting(2, "Checkpoints kept; 0 keeps all.", at_least=0)
    evaluation_frequency: int = setting(
        500, "Steps between evaluations on held-out speech; 0 evaluates only when told to.", at_least=0
    )
    evaluation_clips: int = setting(16, "Clips that are measured, the same every time.", at_least=1)
    evaluation_seconds: float = setting(4.0, "Length of these clips.", at_least=0.1, at_most=30)
    samples: int = setting(4, "Of these clips so many are kept to be listened to.", at_least=0)
    tensorboard: bool = setting(True, "Write TensorBoard curves beside metrics.jsonl.")
    cache: str = setting("${out}/cache", "Folder of the decoded audio, 173 MB an hour, which is read from there.")
    out: str = setting("runs/codec", "Folder of the trained codec, its log, checkpoints and settings.")

    @property
    def folders(self) -> list[str]:
        """The folders of `audio`."""
        return [self.audio] if isinstance(self.audio, str) else list(self.audio)

    @property
    def hyperparameters(self) -> HyperparametersConfig:
        """The optimizer of the codec and the course of its learning rate, as the language model's are told."""
        betas = {"betas": BETAS} if self.optimizer.lower() in ("adamw", "prodigy") else {}
        cosine = self.scheduler.lower() == "warmupcosinelr"
        return HyperparametersConfig(
            optimizer=self.optimizer,
            optimizer_params=betas | self.optimizer_params,
            learning_rate=self.learning_rate,
            warmup_steps=self.warmup_steps,
            scheduler=self.scheduler,
            scheduler_params={"cos_min_ratio": self.lowest_rate} if cosine else {},
        )

    def problems(self) -> Iterator[str]:
        """Relations between settings that do not hold."""
        if not isinstance(self.audio, str) and not _names(self.audio):
            yield f"audio={self.audio} is no folder and no list of folders"
            return
        if self.audio_weights is not None and len(self.audio_weights) != len(self.folders):
            yield f"audio_weights={self.audio_weights} are not as many as the folders of audio ({len(self.folders)})"
        if not self.losses.reconstructs:
            yield "losses: all weights of spectral terms are 0, and nothing else makes the codec say what it hears"
        if self.losses.envelopes and self.clip_seconds < ENVELOPE_SECONDS:
            yield (
                f"clip_seconds={self.clip_seconds} is too short for losses.envelopes, which compares "
                f"{ENVELOPE_SECONDS} s; losses.envelopes=0 leaves it out"
            )
        if self.adversary.start is not None:
            yield from self._problems_of_adversary(self.adversary, self.adversary.start)

    def _problems_of_adversary(self, cfg: AdversaryConfig, start: int) -> Iterator[str]:
        if not (self.losses.adversarial or self.losses.feature_matching):
            yield "adversary.start is set, but losses.adversarial and losses.feature_matching are 0"
        if start >= self.steps:
            yield f"adversary.start={start} is never reached: steps={self.steps} end before it"
        if cfg.crop_seconds > self.clip_seconds:
            yield f"adversary.crop_seconds={cfg.crop_seconds} is above clip_seconds={self.clip_seconds}"
        samples = int(cfg.crop_seconds * self.shape.get("sample_rate", CODEC_FACTS[AudioBackend.builtin].sample_rate))
        if max(cfg.windows, default=0) >= 2 * samples:
            yield (
                f"adversary.windows={cfg.windows} are too long for adversary.crop_seconds={cfg.crop_seconds}, "
                f"which are {samples} samples"
            )


def _names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)
