"""Settings that trade speed and memory without changing the model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .offloading import OffloadingConfig
from .setting import setting

BACKENDS = ("inductor", "cudagraphs", "onnxrt", "tensorrt")
SWAPPED = "modules to swap in"


@dataclass(kw_only=True)
class OptimizationsConfig:
    """Switches of the training step."""

    compile: Any = setting(
        False,
        "Compile the MLPs with torch.compile; a name is its backend. Needs a C compiler.",
        takes=(bool, *BACKENDS),
    )
    injects: bool = setting(False, "Overwrite torch's own classes with those below.", needs="injected modules")
    replace: bool = setting(False, "Swap the model's modules for those below.", needs=SWAPPED)
    linear: bool = setting(True, "Swap linear layers.", needs=SWAPPED)
    embedding: bool = setting(True, "Swap embeddings.", needs=SWAPPED)
    optimizers: bool = setting(True, "Swap optimizers.", needs=SWAPPED)
    bitsandbytes: bool = setting(False, "8-bit modules and optimizers.", needs="the modules of bitsandbytes")
    dadaptation: bool = setting(
        False, "Optimizers that find their learning rate (D-Adaptation).", needs="the optimizers of dadaptation"
    )
    bitnet: bool = setting(False, "Ternary linear layers (BitNet).", needs="BitNet linear layers")
    fp8: bool = setting(False, "8-bit floating point.", needs="8-bit floating-point layers")
    model_offloading: OffloadingConfig | None = setting(
        None, "Split the model over devices: {include, exclude, devices, limits, assign}."
    )
    tensorrt: bool = setting(False, "Make TensorRT known to `compile`.", needs="TensorRT")
    unsloth: bool = setting(False, "Keep the inputs of checkpointed layers in main memory.")

    def problems(self) -> Iterator[str]:
        """Relations between settings that do not hold."""
        if not isinstance(self.compile, bool) and self.compile not in BACKENDS:
            yield f"compile={self.compile!r} is not allowed, allowed: true, false, {', '.join(BACKENDS)}"
        if self.compile == "tensorrt" and not self.tensorrt:
            yield "compile=tensorrt needs tensorrt=true"
        if self.injects and self.replace:
            yield "injects=true and replace=true do the same twice: choose one"
