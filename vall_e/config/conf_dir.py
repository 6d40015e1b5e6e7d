"""Where the YAML fragments lie: inside an installed package, or beside it in a checkout."""

from __future__ import annotations

from pathlib import Path

from vall_e.errors import ConfigError


def conf_dir() -> str:
    """Absolute path of the folder that holds `config.yaml`; ConfigError if the installation lacks it."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "conf", package.parent / "conf"):
        if (folder / "config.yaml").is_file():
            return str(folder)
    raise ConfigError(
        f"the settings are missing: neither {package / 'conf'} nor {package.parent / 'conf'} holds config.yaml"
    )
