"""Settings of speaking."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from .deepspeed import NO_POLICY
from .sampling import SamplingConfig
from .setting import setting
from .trainer import FLOAT8_NEEDS, Backend, WeightDtype


class TextSplit(Enum):
    """Where a long text is cut into pieces that are spoken one after another."""

    sentences = "sentences"
    lines = "lines"
    none = "none"


class SpokenTask(Enum):
    """What is done with text and prompt."""

    tts = "tts"
    stt = "stt"


@dataclass(kw_only=True)
class InferenceConfig(SamplingConfig):
    """How a text is spoken."""

    backend: Backend = setting(Backend.local, "What runs the model.", options_need={"deepspeed": NO_POLICY})
    task: SpokenTask = setting(SpokenTask.tts, "Speak a text (tts), or write a recording down (stt).")
    language: str = setting("en", "Language of the text; `vall_e.text.languages` lists the known ones.")
    text_language: str | None = setting(None, "Language the text is written in, if it is spoken in another.")
    phonemes: bool = setting(False, "The text is given as IPA phonemes and is not normalised.")
    split_text_by: TextSplit = setting(TextSplit.sentences, "Where a long text is cut.")
    context_history: int = setting(0, "Pieces spoken before that the next one continues.", at_least=0)
    input_prompt_length: float = setting(
        3.0, "Seconds the voice prompt is trimmed to; 0 takes it whole.", at_least=0, at_most=60
    )
    input_prompt_prefix: bool = setting(False, "Level 0 continues the prompt in place of imitating it.")
    prefix_silence: float = setting(0.0, "Seconds of silence every piece begins with.", at_least=0, at_most=10)
    load_from_artifact: str | None = setting(
        None, "Code file (.enc) whose phonemes, first seconds as prompt, and with masked decoding length are taken."
    )
    seed: int | None = setting(None, "Seed of the draws; null takes the root setting `seed`.", at_least=0)
    retries: int = setting(
        0, "Further attempts, with other seeds, at a piece that did not end by itself.", at_least=0, at_most=100
    )
    batch_size: int = setting(16, "Sentences decoded together at most.", at_least=1)
    normalize: bool = setting(False, "Normalise the loudness of prompts for EnCodec.", needs="EnCodec's normalisation")
    weight_dtype: WeightDtype = setting(
        WeightDtype.float32,
        "Precision of the weights while speaking; int8 is for the CPU, inputs are rounded to it, too.",
        options_need=FLOAT8_NEEDS,
    )
    amp: bool = setting(False, "Mixed precision: float32 weights, multiplications in bfloat16 or float16.")

    def problems(self) -> Iterator[str]:
        """Relations between settings that do not hold."""
        yield from super().problems()
        if self.load_from_artifact is not None and self.task is not SpokenTask.tts:
            yield f"load_from_artifact={self.load_from_artifact} needs task=tts, allowed with stt: null"
        if self.phonemes and self.text_language is not None:
            yield f"text_language={self.text_language} needs phonemes=false: phonemes are of no language"
        if self.retries and self.beam_width > 1:
            yield f"retries={self.retries} does not go with beam_width={self.beam_width}, which finds the same again"
        if self.amp and self.weight_dtype not in (WeightDtype.float16, WeightDtype.bfloat16):
            yield "amp=true needs weight_dtype=float16 or weight_dtype=bfloat16"
