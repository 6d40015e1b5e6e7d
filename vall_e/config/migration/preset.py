"""Writes settings as a Hydra preset of the group `experiment`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from vall_e.config.nearest import settings
from vall_e.config.schema import Config

from .composed import model_fragment, preset_values
from .outcome import Keys
from .place import nested
from .result import Migration

ORDER = {name: number for number, name in enumerate(settings(Config))}


def preset_name(old: Path) -> str:
    """The name of the file without its suffix, in characters that `experiment=NAME` takes."""
    return re.sub(r"[^A-Za-z0-9_+.-]+", "-", old.stem).strip("-.") or "imported"


def preset(done: Migration, old: Path) -> str:
    """The text of the preset."""
    fragment = model_fragment(done.config)
    values = preset_values(done.values, fragment)
    tree: dict[str, Any] = {"defaults": [{"override /model": fragment}]} if fragment else {}
    tree |= nested({keys: values[keys] for keys in sorted(values, key=_rank)})
    tree |= {"hydra": {"run": {"dir": f"runs/{preset_name(old)}"}}}
    needs = " Needs components that are not available yet." if done.report.unavailable else ""
    about = f"Imported from {preset_name(old)}{old.suffix} by python -m vall_e.migrate."
    return f"# @package _global_\n# {about}{needs}\n{OmegaConf.to_yaml(OmegaConf.create(tree))}"


def _rank(keys: Keys) -> int:
    """Settings stand in the order of the schema; entries of a mapping where it stands, as they were given."""
    known = (".".join(keys[:depth]) for depth in range(len(keys), 0, -1))
    return next(ORDER[name] for name in known if name in ORDER)
