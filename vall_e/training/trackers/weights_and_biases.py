"""The numbers of a run on the pages of Weights & Biases (wandb.ai), or on the disk for them."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vall_e.atomic import replace_text
from vall_e.config.schema import Config
from vall_e.errors import MissingExtra

if TYPE_CHECKING:
    from wandb import Run

log = logging.getLogger(__name__)

ID_FILE = "wandb.id"
FINISH_SECONDS = 60.0
"""What could not be sent this long after the end of a run stays on the disk."""


class WeightsAndBiases:
    """Logs to one run of a W&B project, whose id lies in the run's folder: a run that is resumed goes on there.

    It begins with `truncate` or the first `log`; at a terminal wandb may then ask for the key of an account. W&B cannot
    forget: steps made again are logged again, on a step axis of their own. Numbers and settings are sent, no code.
    MissingExtra without the package `wandb`.
    """

    name = "Weights & Biases"

    def __init__(self, folder: Path, project: str, settings: Mapping[str, Any]) -> None:
        try:
            from wandb import Settings, init
        except ImportError as error:
            raise MissingExtra("wandb", "wandb", "trainer.wandb=true") from error
        self._init, self._settings_of_wandb = init, Settings
        self._folder, self._project, self._settings = folder, project, settings
        self._run: Run | None = None

    def truncate(self, step: int) -> None:
        """Go on with the run of before, or begin another where nothing is kept of it (step 0)."""
        if not step:
            (self._folder / ID_FILE).unlink(missing_ok=True)
        self._open()

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Send the values of a step, in the background."""
        self._open().log({"step": step, **values})

    def close(self) -> None:
        """Send what is pending, for a minute at most."""
        if self._run is not None:
            self._run.finish()

    def _open(self) -> Run:
        if self._run is None:
            stored = _read_id(self._folder)
            place = self._folder.resolve()
            self._run = self._init(
                project=self._project,
                name=f"{place.parent.name}/{place.name}",
                id=stored,
                resume="allow" if stored else None,
                dir=str(self._folder),
                config=dict(self._settings),
                settings=self._settings_of_wandb(
                    console="off", silent=True, disable_code=True, disable_git=True, finish_timeout=FINISH_SECONDS
                ),
            )
            self._run.define_metric("*", step_metric="step")
            replace_text(self._folder / ID_FILE, self._run.id + "\n")
            log.info("Weights & Biases: %s", self._where(self._run))
        return self._run

    def _where(self, run: Run) -> str:
        return f"offline, to be sent with wandb sync {run.settings.sync_dir}" if run.offline else str(run.url)


def plain_settings(cfg: Config) -> dict[str, Any]:
    """Settings as JSON knows them: mappings, lists, text and numbers."""
    plain: dict[str, Any] = json.loads(json.dumps(asdict(cfg), default=_name))
    return plain


def _name(member: Enum) -> str:
    return member.name


def _read_id(folder: Path) -> str | None:
    path = folder / ID_FILE
    return path.read_text(encoding="utf-8").strip() or None if path.is_file() else None
