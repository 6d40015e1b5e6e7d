"""Settings of `python -m vall_e.export`, which writes trained weights in other forms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .hub import is_on_hub
from .lora import LoraConfig
from .setting import setting
from .weights_format import PRETRAINED, WEIGHTS_FORMATS


@dataclass(kw_only=True)
class ExportConfig:
    """What is exported, and in which form."""

    run: str | None = setting(None, "Folder of a training run, whose newest whole checkpoint is exported.")
    model_name: str | None = setting(None, "Full name of a model of the run; null takes the only one.")
    tag: str | None = setting(None, "Checkpoint to export; null takes the newest whole one.")
    weights: str | None = setting(None, "Weights file, folder or hf://owner/name to export, in place of a run's.")
    folder: str | None = setting(None, "Where to write; null is where checkpoints or weights lie.")
    weights_name: str = setting("fp32", "Stem of the exported file.")
    weights_format: str = setting(
        "safetensors",
        "Suffix of the exported file; pt and pth are pickled, pretrained is a folder with config.json.",
        allowed=(*WEIGHTS_FORMATS, PRETRAINED),
    )
    dtype: str = setting(
        "auto", "Number format; auto leaves it as it is.", allowed=("auto", "float32", "float16", "bfloat16")
    )
    split_classifiers: bool = setting(False, "Copy the single head into one for each level and task.")
    hf: bool = setting(False, "Write a folder that transformers reads: one table of tokens, LLaMA layers, one head.")
    moe_ify: bool = setting(False, "Copy every MLP into several experts, which training can set apart.")
    experts: int = setting(8, "Experts that moe_ify makes.", at_least=2)
    export_lora: bool = setting(
        False,
        "Write the adapters, each to FOLDER/<its full name>/lora.<format>; the weights only if they were trained.",
    )
    merge_loras: bool = setting(False, "Add the adapters to the weights, which then speak so without them.")
    loras: dict[str, LoraConfig] = setting(
        {}, "Adapters of weights=FILE by name, each with its path: +lora@loras.NAME=OPTION."
    )

    def problems(self) -> Iterator[str]:
        """Relations between settings that do not hold."""
        if self.weights is not None:
            for name in ("run", "model_name", "tag"):
                if (value := getattr(self, name)) is not None:
                    yield f"{name}={value} names a checkpoint, but weights={self.weights} is to be exported"
            if is_on_hub(self.weights) and self.folder is None:
                yield f"folder=null is where weights={self.weights} lie, which is a cache: give another folder"
        yield from self._adapter_problems()
        if self.hf and self.moe_ify:
            yield "hf=true has no layout for experts: leave out moe_ify=true"
        if self.hf and self.export_lora:
            yield "hf=true has no place for adapters: leave out export_lora=true"
        if self.hf and self.weights_format != "safetensors":
            yield f"weights_format={self.weights_format} does not go with hf=true, which writes model.safetensors"

    def _adapter_problems(self) -> Iterator[str]:
        if self.export_lora and self.merge_loras:
            yield "merge_loras=true has no place for adapters beside the weights: leave out export_lora=true"
        if self.export_lora and self.weights_format == PRETRAINED:
            yield "weights_format=pretrained has no place for adapters: leave out export_lora=true"
        if self.loras and self.run is not None:
            yield f"loras stand beside weights=FILE, but run={self.run} has its own: leave them out"
        if self.loras and not (self.export_lora or self.merge_loras):
            yield "loras are given, but nothing is done with them: add merge_loras=true or export_lora=true"
