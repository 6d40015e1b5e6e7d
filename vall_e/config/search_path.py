"""Where fragments lie: in our `conf/`, in packages that name theirs by an entry point, in folders that a user adds."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib import resources
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.hydra_config import HydraConfig
from hydra.plugins.search_path_plugin import SearchPathPlugin

from vall_e.errors import ConfigError

from .conf_dir import conf_dir

ENTRY_POINTS = "vall_e.conf"
"""Group of the entry points; the value of each is a package whose folder holds `model/*.yaml` and the like."""


class InstalledFragments(SearchPathPlugin):
    """Makes Hydra look into installed packages, after our own fragments."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append every package; ConfigError for one that cannot be used."""
        for package in installed():
            search_path.append(provider=ENTRY_POINTS, path=f"pkg://{package}")


@cache
def installed() -> dict[str, Path]:
    """{package: its folder} of every entry point; ConfigError for one that cannot be used."""
    return {entry.value: _folder(entry) for entry in sorted(entry_points(group=ENTRY_POINTS))}


def _folder(entry: EntryPoint) -> Path:
    named = f"the entry point {entry.name} = {entry.value} of the installed package {entry.dist and entry.dist.name}"
    try:
        folder = Path(str(resources.files(entry.value)))
    except Exception as error:  # the package is foreign code, which may fail in any way while it is imported
        raise ConfigError(f"{named} brings no settings: {error}") from error
    if not (folder / "__init__.py").is_file():
        raise ConfigError(f"{named} brings no settings: {entry.value} is no package with an __init__.py")
    return folder


def folders() -> list[Path]:
    """All folders of fragments, ours first; within a job also those of `--config-dir` and `hydra.searchpath`."""
    found = [Path(conf_dir()), *installed().values()]
    if HydraConfig.initialized():
        sources = HydraConfig.get().runtime.config_sources
        found += [Path(source.path) for source in sources if source.schema == "file"]
    return list(dict.fromkeys(folder.resolve() for folder in found))


def ambiguous() -> Iterator[str]:
    """Sentences on the job's fragments that lie in several folders, of which Hydra takes the first without a word."""
    choices = HydraConfig.get().runtime.choices if HydraConfig.initialized() else {}
    for group, chosen in choices.items():
        for option in [chosen] if isinstance(chosen, str) else chosen or ():
            files = [folder / group.partition("@")[0] / f"{option}.yaml" for folder in folders()]
            if len(found := [str(file) for file in files if file.is_file()]) > 1:
                yield f"{group}={option} lies in {' and in '.join(found)}: give one of them another name"
