"""Settings that trade speed and memory without changing the model."""

from __future__ import annotations

from dataclasses import dataclass

from .setting import setting


@dataclass(kw_only=True)
class OptimizationsConfig:
    """Switches of the training step."""

    compile: bool = setting(False, "Compile the backbone with torch.compile; needs a C compiler.")
