"""Settings that name files: there relative to the folder of the YAML file, here to the working folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from vall_e.config.deviations import DEVIATIONS

from .outcome import Dropped, Item, Old, Outcome, Placed, Refused, Translator

BESIDE = "paths are relative to the working folder here, no longer to the YAML file"
DEEPSPEED_FILES = ("data/ds_config.json", "ds_config.json")


def deepspeed_file(folder: Path) -> Path | None:
    """The JSON file of DeepSpeed's settings that lies beside the YAML file, if one does."""
    return next((folder / name for name in DEEPSPEED_FILES if (folder / name).is_file()), None)


def _tokenizer_path(item: Item, old: Old) -> Iterator[Outcome]:
    if old.tree.get("tokenizer") == "naive":
        yield Dropped("tokenizer=naive has no file")
    elif not isinstance(item.value, str):
        yield Placed(item.keys, item.value)
    elif found := next((f for f in (old.folder / item.value, Path("data") / item.value) if f.is_file()), None):
        yield Placed(item.keys, found.as_posix(), "" if found.as_posix() == item.value else BESIDE)
    elif item.value == DEVIATIONS["tokenizer_path"].reference:
        yield Dropped("no such file lies beside it; the tokenizer that ships with vall_e stands in")
    else:
        yield from _beside(item, old)


def _beside(item: Item, old: Old) -> Iterator[Outcome]:
    """A path that was relative to the folder of the YAML file."""
    if isinstance(item.value, str) and item.value:
        path = (old.folder / item.value).as_posix()
        yield Placed(item.keys, path, "" if path == item.value else BESIDE)
    else:
        yield Placed(item.keys, item.value)


def _weights(item: Item, old: Old) -> Iterator[Outcome]:
    """A weights file, which may lie beside the YAML file or be named from the working folder."""
    if isinstance(item.value, str) and (old.folder / item.value).is_file():
        yield from _beside(item, old)
    else:
        yield Placed(item.keys, item.value)


def _deepspeed_config(item: Item, old: Old) -> Iterator[Outcome]:
    if file := deepspeed_file(old.folder):
        yield Dropped(f"{file.as_posix()}, which lies beside, was used in its place")
    elif not isinstance(item.value, Mapping):
        yield Placed(item.keys, item.value)
    else:
        for key, value in item.value.items():
            yield Placed((*item.keys, key), value) if isinstance(key, str) else Refused(f"{key} is not text")


FILES: dict[str, Translator] = {
    "tokenizer_path": _tokenizer_path,
    "weights": _weights,
    "teacher": _weights,
    "loras.*.path": _weights,
    "dataset.hdf5_name": _beside,
    "trainer.deepspeed.config": _deepspeed_config,
}
