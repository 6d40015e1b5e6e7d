"""Settings of speaking."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from .sampling import SamplingConfig
from .setting import setting
from .trainer import WeightDtype


class TextSplit(Enum):
    """Where a long text is cut into pieces that are spoken one after another."""

    sentences = "sentences"
    lines = "lines"
    none = "none"


@dataclass(kw_only=True)
class InferenceConfig(SamplingConfig):
    """How a text is spoken."""

    language: str = setting("en", "Language of the text; `vall_e.text.languages` lists the known ones.")
    phonemes: bool = setting(False, "The text is given as IPA phonemes and is not normalised.")
    split_text_by: TextSplit = setting(TextSplit.sentences, "Where a long text is cut.")
    input_prompt_length: float = setting(
        3.0, "Seconds the voice prompt is trimmed to; 0 takes it whole.", at_least=0, at_most=60
    )
    seed: int | None = setting(None, "Seed of the draws; null takes the root setting `seed`.", at_least=0)
    batch_size: int = setting(16, "Sentences decoded together at most.", at_least=1)
    weight_dtype: WeightDtype = setting(WeightDtype.float32, "Precision of the weights while speaking.")
    amp: bool = setting(False, "Mixed precision: float32 weights, multiplications in bfloat16 or float16.")
