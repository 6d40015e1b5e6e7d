"""Settings of decoding, shared by speaking (`inference`) and evaluation (`evaluation.kwargs`)."""

from __future__ import annotations

from dataclasses import dataclass

from .setting import setting


@dataclass(kw_only=True)
class SamplingConfig:
    """How tokens are drawn from the model's predictions."""

    max_duration: int = setting(900, "Code frames generated at most.", at_least=1, at_most=22_500)
    max_levels: int = setting(7, "NAR levels decoded after level 0.", at_least=0, at_most=31)
    ar_temperature: float = setting(1.0, "Temperature of level 0; 0 takes the likeliest code.", at_least=0, at_most=10)
    nar_temperature: float = setting(
        0.0, "Temperature of the levels above; 0 takes the likeliest code.", at_least=0, at_most=10
    )
    top_k: int = setting(0, "Draw from the k likeliest codes; 0 draws from all.", at_least=0)
    top_p: float = setting(
        1.0, "Draw from the likeliest codes that hold this probability together.", above=0, at_most=1
    )
    repetition_penalty: float = setting(1.0, "Divide the odds of codes already used; 1 is off.", above=0, at_most=10)
    repetition_penalty_decay: float = setting(
        0.0, "Power of the distance by which the penalty grows (above 0) or fades (below 0).", at_least=-2, at_most=2
    )
