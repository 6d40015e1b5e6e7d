"""The numbers of a run, line by line."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from vall_e.atomic import replacing

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

log = logging.getLogger(__name__)

FILE = "metrics.jsonl"


class MetricsLog:
    """Appends to `metrics.jsonl` in a run's folder, and to TensorBoard's files in `tensorboard/` if wanted.

    A line is {"step": ..., "time": seconds since 1970, name: value, ...}, written at once; what is not finite is null.
    A run that is resumed goes on in the same files: call `truncate` first.
    """

    def __init__(self, folder: Path, tensorboard: bool) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path, self._tensorboard = folder / FILE, tensorboard
        self._writer: SummaryWriter | None = None
        self._purge_step: int | None = None
        _end_last_line(self.path)
        self._file = self.path.open("a", encoding="utf-8", buffering=1)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Keep the values of a step; several calls a step make several lines."""
        kept = {name: value if math.isfinite(value) else None for name, value in values.items()}
        self._file.write(json.dumps({"step": step, "time": round(time.time(), 3), **kept}) + "\n")
        if self._tensorboard:
            writer = self._open_writer()
            for name, value in values.items():
                writer.add_scalar(name, value, step)

    def truncate(self, step: int) -> None:
        """Drop what was logged after `step`: a run resumed there will log it again, and curves shall have no doubles.

        To be called before the first `log`.
        """
        self._file.close()
        with replacing(self.path) as partial, partial.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in read_metrics(self.path) if row["step"] <= step)
        self._file = self.path.open("a", encoding="utf-8", buffering=1)
        self._purge_step = step + 1

    def close(self) -> None:
        """Write out what is pending; nothing can be logged afterwards."""
        self._file.close()
        if self._writer is not None:
            self._writer.close()

    def __enter__(self) -> MetricsLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open_writer(self) -> SummaryWriter:
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter  # slow to import, and not every run wants it

            self._writer = SummaryWriter(str(self.path.parent / "tensorboard"), purge_step=self._purge_step)
        return self._writer


def read_metrics(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a `metrics.jsonl`; one that a crash left unfinished is told of and left out."""
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                row = json.loads(line)
                row["step"] = int(row["step"])
            except (ValueError, TypeError, KeyError):
                log.warning("%s: line %d is damaged and left out", path, number)
            else:
                yield row


def _end_last_line(path: Path) -> None:
    """After a crash the last line may lack its end; the next one shall not be lost with it."""
    if path.is_file() and (content := path.read_bytes()) and not content.endswith(b"\n"):
        with path.open("ab") as file:
            file.write(b"\n")
