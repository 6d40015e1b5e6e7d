"""Checkpoint folders: complete or not there, every file with its hash.

ckpt/<model>/latest                  tag of the newest complete checkpoint
ckpt/<model>/<tag>/weights.safetensors    usable by itself, as an export is
ckpt/<model>/<tag>/states.safetensors     optimizer and random states
ckpt/<model>/<tag>/states.json            counters, sampler positions, optimizer settings
ckpt/<model>/<tag>/manifest.json          size and SHA-256 of the files above
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from vall_e.atomic import replace_folder, sync
from vall_e.config.pretrained import CONFIG
from vall_e.errors import CheckpointError

log = logging.getLogger(__name__)

WEIGHTS, STATES, COUNTERS, MANIFEST, LATEST = (
    "weights.safetensors",
    "states.safetensors",
    "states.json",
    "manifest.json",
    "latest",
)


def save_checkpoint(
    root: Path, tag: str, write_weights: Callable[[Path], None], states: dict[str, Tensor], counters: dict[str, Any]
) -> Path:
    """Write `root/tag` under a temporary name, rename it when complete, and point `latest` at it.

    Nothing half-written stays, neither of this save if it fails nor of one whose process was killed.
    """
    partial, final = root / f".{tag}.partial", root / tag
    for left in root.glob(".*.partial"):
        shutil.rmtree(left, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        write_weights(partial / WEIGHTS)
        _write_states(partial, states, counters)
        replace_folder(partial, final)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    write_latest(root, tag)
    return final


def _write_states(partial: Path, states: dict[str, Tensor], counters: dict[str, Any]) -> None:
    save_file(states, partial / STATES)
    (partial / COUNTERS).write_text(json.dumps(counters), encoding="utf-8")
    manifest = {name: describe(partial / name) for name in (WEIGHTS, STATES, COUNTERS)}
    (partial / MANIFEST).write_text(json.dumps(manifest, indent=2), encoding="utf-8")
    for path in (*partial.iterdir(), partial):
        sync(path)


def recover_outdated(root: Path) -> None:
    """Give a checkpoint its name back that `replace_folder` had put aside when the process was killed.

    It is removed if the one that was to take its place stands already.
    """
    for outdated in root.glob(".*.outdated"):
        final = outdated.with_name(outdated.name[1:].removesuffix(".outdated"))
        if final.exists():
            shutil.rmtree(outdated, ignore_errors=True)
        else:
            os.replace(outdated, final)


def write_latest(root: Path, tag: str) -> None:
    """Let `latest` name `tag`, atomically."""
    partial = root / f".{LATEST}.partial"
    partial.write_text(tag + "\n", encoding="utf-8")
    sync(partial)
    os.replace(partial, root / LATEST)
    sync(root)


def describe(path: Path) -> dict[str, Any]:
    """Size in bytes and SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return {"bytes": path.stat().st_size, "sha256": digest.hexdigest()}


def damage(folder: Path) -> str | None:
    """What is wrong with a checkpoint folder, or None."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        for name in (WEIGHTS, STATES, COUNTERS):
            if describe(folder / name) != manifest[name]:
                return f"{name} is not what its manifest says"
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"{type(error).__name__}: {error}"
    return None


def checkpoints(root: Path) -> list[Path]:
    """Checkpoint folders, oldest first; beside them may lie folders that were exported, which have a `config.json`."""
    if not root.is_dir():
        return []
    folders = [path for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")]
    found = [path for path in folders if not (path / CONFIG).exists()]
    return sorted(found, key=lambda path: path.stat().st_mtime_ns)


def find_checkpoint(root: Path, tag: str | None) -> Path | None:
    """The checkpoint called `tag`, else the newest whole one; None if there is none at all.

    A damaged one is named in the log and the one before it is taken. CheckpointError if `tag` is missing or damaged,
    or if every checkpoint is damaged.
    """
    recover_outdated(root)
    if tag is not None:
        problem = damage(root / tag) if (root / tag).is_dir() else "no such folder"
        if problem:
            raise CheckpointError(f"trainer.load_tag={tag}: {root / tag} cannot be used ({problem})")
        return root / tag
    found = newest_first(root)
    for folder in found:
        if problem := damage(folder):
            log.warning("Checkpoint %s is damaged (%s), trying the one before it", folder, problem)
        else:
            return folder
    if found:
        raise CheckpointError(f"every checkpoint below {root} is damaged: remove that folder to start anew")
    return None


def newest_first(root: Path) -> list[Path]:
    """The checkpoint that `latest` names, then the others from the newest on."""
    found = checkpoints(root)[::-1]
    try:
        latest = (root / LATEST).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return found
    return sorted(found, key=lambda path: path.name != latest)


def load_states(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """States and counters of a checkpoint."""
    return load_file(folder / STATES), load_counters(folder)


def load_counters(folder: Path) -> dict[str, Any]:
    """What a checkpoint holds beside tensors."""
    counters: dict[str, Any] = json.loads((folder / COUNTERS).read_text(encoding="utf-8"))
    return counters


def load_part(folder: Path, prefix: str) -> dict[str, Tensor]:
    """The states of a checkpoint whose names begin with `prefix`, by these names."""
    with safe_open(folder / STATES, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys() if name.startswith(prefix)}  # noqa: SIM118


def remove_oldest(root: Path, keep: int) -> None:
    """Remove all but the newest `keep` checkpoints, never the one that `latest` names; 0 keeps all."""
    for folder in newest_first(root)[keep:] if keep else []:
        shutil.rmtree(folder)
