"""Settings of `python -m vall_e.export`, which writes trained weights in other forms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .setting import setting
from .weights_format import WEIGHTS_FORMATS

EXPERTS = "a mixture of experts"
ADAPTERS = "adapters (LoRA)"


@dataclass(kw_only=True)
class ExportConfig:
    """What is exported, and in which form."""

    run: str | None = setting(None, "Folder of a training run, whose newest whole checkpoint is exported.")
    model_name: str | None = setting(None, "Full name of a model of the run; null takes the only one.")
    tag: str | None = setting(None, "Checkpoint to export; null takes the newest whole one.")
    weights: str | None = setting(None, "Weights file to export, in place of a run's.")
    folder: str | None = setting(None, "Where to write; null is where checkpoints or weights lie.")
    weights_name: str = setting("fp32", "Stem of the exported file.")
    weights_format: str = setting(
        "safetensors", "Suffix of the exported file; pt and pth are pickled.", allowed=WEIGHTS_FORMATS
    )
    dtype: str = setting(
        "auto", "Number format; auto leaves it as it is.", allowed=("auto", "float32", "float16", "bfloat16")
    )
    split_classifiers: bool = setting(False, "Copy the single head into one for each level and task.")
    hf: bool = setting(False, "Write a folder that transformers reads: one table of tokens, LLaMA layers, one head.")
    moe_ify: bool = setting(False, "Copy every MLP into several experts.", needs=EXPERTS)
    experts: int = setting(8, "Experts that moe_ify makes.", at_least=2, needs=EXPERTS)
    export_lora: bool = setting(False, "Write the adapters, too.", needs=ADAPTERS)

    def problems(self) -> Iterator[str]:
        """Relations between settings that do not hold."""
        if self.weights is not None:
            for name in ("run", "model_name", "tag"):
                if (value := getattr(self, name)) is not None:
                    yield f"{name}={value} names a checkpoint, but weights={self.weights} is to be exported"
        if self.hf and self.export_lora:
            yield "hf=true has no place for adapters: leave out export_lora=true"
        if self.hf and self.weights_format != "safetensors":
            yield f"weights_format={self.weights_format} does not go with hf=true, which writes model.safetensors"
