"""What a migration makes, while it is being made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from vall_e.config.schema import Config

from .outcome import Keys
from .report import Report


@dataclass(kw_only=True)
class Migration:
    """Settings that mean what an old configuration meant."""

    values: dict[Keys, Any] = field(default_factory=dict)
    """The settings here."""
    given: dict[Keys, str] = field(default_factory=dict)
    """Old names of the settings that the old file speaks of; of the others the reference's defaults are meant."""
    config: Config = field(default_factory=Config)
    """The settings as a run will get them."""
    report: Report = field(default_factory=Report)
