"""How a model is spread over devices."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .setting import setting

DEVICE = re.compile(r"cpu|cuda(:\d+)?")


@dataclass(kw_only=True)
class OffloadingConfig:
    """Which modules of a model go to which devices; modules are named by parts of their names."""

    include: list[str] = setting(["model"], "Modules that are spread.")
    exclude: list[str] = setting([], "Modules among them that are not.")
    devices: list[str] = setting(
        [], "cpu, cuda or cuda:N in the order in which they are filled; [] is all GPUs, then cpu."
    )
    limits: list[float] = setting(
        [], "What each device takes: bytes, below 1 a share of the model, at most 0 no limit; [] limits none."
    )
    assign: list[list[str]] = setting(
        [], "For each device the modules that go there first: [[layers.0.], [layers.1.]]."
    )

    def problems(self) -> Iterator[str]:
        """Relations between settings that do not hold."""
        different = dict.fromkeys(map(str, self.devices))
        if not all(map(DEVICE.fullmatch, different)) or len(different) < len(self.devices):
            yield f"devices={self.devices} is not allowed, allowed: different devices, each cpu, cuda or cuda:N"
        for name in ("limits", "assign"):
            value = getattr(self, name)
            if self.devices and len(value) > len(self.devices):
                yield f"{name}={value} is for {len(value)} devices, but there are {len(self.devices)}: {self.devices}"
