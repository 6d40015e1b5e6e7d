"""The numbers of a run as TensorBoard's event files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class TensorBoard:
    """Writes scalars into a folder, which it makes when the first is logged."""

    name = "TensorBoard"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writer: SummaryWriter | None = None
        self._purge_step: int | None = None

    def truncate(self, step: int) -> None:
        """Have TensorBoard hide what earlier files hold of later steps."""
        self._purge_step = step + 1

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Add a scalar for each value."""
        writer = self._open_writer()
        for name, value in values.items():
            writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Write out what is pending."""
        if self._writer is not None:
            self._writer.close()

    def _open_writer(self) -> SummaryWriter:
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter  # slow to import, and not every run wants it

            self._writer = SummaryWriter(str(self._folder), purge_step=self._purge_step)
        return self._writer
