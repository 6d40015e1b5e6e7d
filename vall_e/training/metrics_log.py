"""All that records the numbers of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType

from vall_e.config.schema import Config

from .trackers.json_lines import FILE, JsonLines
from .trackers.tensorboard import TensorBoard
from .trackers.tolerant import Tolerant
from .trackers.tracker import Tracker
from .trackers.weights_and_biases import WeightsAndBiases, plain_settings


class MetricsLog:
    """Keeps `metrics.jsonl` in a run's folder, TensorBoard's files in `tensorboard/` if wanted, and tells `others`.

    `metrics.jsonl` is the record of the run, which reads it. The rest is there to be looked at: if it fails, the run
    goes on without it.
    """

    def __init__(self, folder: Path, tensorboard: bool, *others: Tracker) -> None:
        self.path = folder / FILE
        self._trackers: list[Tracker] = [JsonLines(self.path)]
        beside: list[Tracker] = [TensorBoard(folder / "tensorboard")] if tensorboard else []
        self._trackers += map(Tolerant, [*beside, *others])

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Keep the values of a step; several calls a step make several lines."""
        for tracker in self._trackers:
            tracker.log(step, values)

    def truncate(self, step: int) -> None:
        """Drop what was logged after `step`: a run resumed there will log it again, and curves shall have no doubles.

        To be called before the first `log`.
        """
        for tracker in self._trackers:
            tracker.truncate(step)

    def close(self) -> None:
        """Write out what is pending; nothing can be logged afterwards."""
        for tracker in self._trackers:
            tracker.close()

    def __enter__(self) -> MetricsLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_metrics_log(cfg: Config, folder: Path, project: str) -> MetricsLog:
    """The log of a run in `folder`, with the trackers that its settings name; `project` is the model in training.

    MissingExtra if the package of a tracker is not installed.
    """
    return MetricsLog(folder, cfg.trainer.tensorboard, *_others(cfg, folder, project))


def _others(cfg: Config, folder: Path, project: str) -> Iterator[Tracker]:
    if cfg.trainer.wandb:
        yield WeightsAndBiases(folder, project, plain_settings(cfg))
