"""Settings that trade speed and memory without changing the model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .offloading import OffloadingConfig
from .setting import setting

MODULES = ("bitnet", "fp8", "bitsandbytes")
"""Settings that bring modules; the first one that is chosen gives the linear layers."""
BACKENDS = ("inductor", "cudagraphs", "onnxrt", "tensorrt")


@dataclass(kw_only=True)
class OptimizationsConfig:
    """Switches of the training step."""

    compile: Any = setting(
        False,
        "Compile the MLPs with torch.compile; a name is its backend. Needs a C compiler.",
        takes=(bool, *BACKENDS),
    )
    injects: bool = setting(False, "As `replace`, and the heads, too: discouraged, as it loses accuracy.")
    replace: bool = setting(False, "Swap modules of the model for those of bitsandbytes, bitnet or fp8.")
    linear: bool = setting(True, "Swap the linear layers of the backbone.")
    embedding: bool = setting(True, "Swap embeddings; bitsandbytes alone has some.")
    optimizers: bool = setting(True, "Swap the optimizer, too.")
    bitsandbytes: bool = setting(False, "8-bit modules and optimizers.")
    dadaptation: bool = setting(
        False, "Optimizers that find their learning rate (D-Adaptation); learning_rate is not used."
    )
    bitnet: bool = setting(False, "Linear layers with weights of one bit and inputs of eight (BitNet).")
    fp8: bool = setting(False, "Linear layers in 8-bit floating point; needs a GPU that has it.")
    model_offloading: OffloadingConfig | None = setting(
        None, "Split the model over devices: {include, exclude, devices, limits, assign}."
    )
    tensorrt: bool = setting(False, "Make TensorRT known to `compile`.", needs="TensorRT")
    unsloth: bool = setting(False, "Keep the inputs of checkpointed layers in main memory.")

    @property
    def swapping(self) -> str:
        """The setting that has the optimizer be another kind of the one that is named, or nothing."""
        if not self.optimizers:
            return ""
        return "bitsandbytes" if self.bitsandbytes else "dadaptation" if self.dadaptation else ""

    @property
    def swapped_modules(self) -> str:
        """The setting whose modules take the place of the model's own, or nothing."""
        if not (self.replace or self.injects):
            return ""
        return next((name for name in MODULES if getattr(self, name)), "")

    @property
    def swapped_part(self) -> str:
        """Where linear layers are swapped."""
        return "model" if self.injects else "backbone"

    def problems(self) -> Iterator[str]:
        """Relations between settings that do not hold."""
        if self.bitnet and self.fp8:
            yield "bitnet=true and fp8=true are two kinds of linear layers: choose one"
        for name in ("bitnet", "fp8"):
            if getattr(self, name) and not (self.linear and (self.replace or self.injects)):
                yield f"{name}=true swaps linear layers: add optimizations.replace=true optimizations.linear=true"
        if not isinstance(self.compile, bool) and self.compile not in BACKENDS:
            yield f"compile={self.compile!r} is not allowed, allowed: true, false, {', '.join(BACKENDS)}"
        if self.compile == "tensorrt" and not self.tensorrt:
            yield "compile=tensorrt needs tensorrt=true"
        if self.injects and self.replace:
            yield "injects=true and replace=true do the same twice: choose one"
