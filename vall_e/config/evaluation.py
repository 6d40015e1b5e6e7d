"""Settings of evaluation during training and of `python -m vall_e.evaluate`."""

from __future__ import annotations

from dataclasses import dataclass

from .sampling import SamplingConfig
from .setting import setting


@dataclass(kw_only=True)
class EvaluationConfig:
    """How often and on how much speech a model is evaluated."""

    frequency: int = setting(250, "Steps between evaluations; 0 evaluates only when told to.", at_least=0)
    size: int = setting(16, "Samples generated in each pass; 0 switches evaluation off.", at_least=0)
    batch_size: int = setting(8, "Samples generated together at most.", at_least=1)
    kwargs: SamplingConfig = setting(SamplingConfig, "How the samples are drawn.")
