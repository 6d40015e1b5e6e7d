"""`python -m vall_e.data [PATH ...] [key=value ...]`: show what a dataset holds, and what the tasks make of it.

`python -m vall_e.data check PATH ...` looks for damage.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig

from vall_e.config.conf_dir import conf_dir
from vall_e.config.schema import Config
from vall_e.config.startup import starts
from vall_e.config.versions import VERSION_BASE
from vall_e.launch import launch

STORE = "dataset.hdf5_name"
SUFFIXES = (".h5", ".hdf5")


@hydra.main(config_path=conf_dir(), config_name="data", **VERSION_BASE)
@starts(needs=("tokenizer", "dataset"))
def run(cfg: Config) -> None:
    """Show one dataset."""
    from vall_e.audio import open_codec
    from vall_e.data.looking.look import look

    codec = open_codec(cfg.audio_backend, cfg.codec, cfg.device)
    look(cfg, codec, Path(HydraConfig.get().runtime.output_dir))


def with_paths(arguments: Sequence[str]) -> list[str]:
    """The command line with paths of datasets as the settings they stand for; several are a job each."""
    paths = [argument for argument in arguments if _is_path(argument)]
    if not paths:
        return list(arguments)
    named = ",".join("'" + path.replace("'", "\\'") + "'" for path in paths)
    first = arguments.index(paths[0])
    before, after = ([one for one in part if one not in paths] for part in (arguments[:first], arguments[first:]))
    # Hydra wants all overrides before the options or all after them.
    return [*before, f"{STORE}={named}", *after, *(["--multirun"] if len(paths) > 1 else [])]


def _is_path(argument: str) -> bool:
    return "=" not in argument and (Path(argument).suffix in SUFFIXES or Path(argument).is_file())


def main() -> None:
    """Entry point of `vall-e-data`; `check PATH ...` looks for damage instead."""
    if sys.argv[1:2] == ["check"]:
        from vall_e.data.store.check import main as check

        sys.exit(check(sys.argv[2:]))
    sys.argv[1:] = with_paths(sys.argv[1:])
    launch(run, "data")


if __name__ == "__main__":
    main()
