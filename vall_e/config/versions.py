"""What Hydra 1.4 and OmegaConf 2.4 call otherwise than 1.3 and 2.3."""

from __future__ import annotations

from typing import Any

import hydra
import omegaconf
from omegaconf import OmegaConf

VERSION_BASE: dict[str, str] = {"version_base": "1.3"} if hydra.__version__.startswith("1.3.") else {}
"""Keyword of `hydra.main` and of `initialize_config_dir`, which 1.4 warns of."""

register_resolver: Any = (
    OmegaConf.register_new_resolver if omegaconf.__version__.startswith("2.3.") else OmegaConf.register_resolver
)
"""Makes a resolver known. 2.4 warns of its name in 2.3, where the name of 2.4 stands for an older one."""
