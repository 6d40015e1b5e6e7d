"""Imports go downwards only."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "vall_e"

# Packages of a level may import those of lower levels and each other's none; `optim` sits beside `models`.
LEVELS = {
    "config": 0,
    "text": 1,
    "audio": 1,
    "data": 2,
    "models": 3,
    "optim": 3,
    "engines": 4,
    "decoding": 4,
    "training": 5,
    "codec_training": 5,
    "evaluation": 5,
    "sweeping": 5,
    "apps": 6,
}
BESIDE = {
    ("training", "evaluation"),
    ("codec_training", "training"),
    ("audio", "text"),
    ("engines", "decoding"),
    ("models", "optim"),
}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def imported(path: Path, *, module_level_only: bool = False) -> Iterator[str]:
    """Absolute names of what a file imports; with `module_level_only` not what its functions import when they run."""
    package = path.relative_to(PACKAGE.parent).with_suffix("").parts[:-1]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in _visited(tree, module_level_only):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            source = ".".join(part for part in (base, node.module) if part)
            yield from (f"{source}.{alias.name}" for alias in node.names)


def _visited(node: ast.AST, module_level_only: bool) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if module_level_only and isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        yield child
        yield from _visited(child, module_level_only)


def level_of(name: str) -> str | None:
    """`models` of `vall_e.models.layout`, `apps` of `vall_e.train`, None of what every level may import."""
    parts = name.split(".")
    if parts[0] != "vall_e" or len(parts) < 2 or parts[1] in ("errors", "atomic", "device", "page", "precision"):
        return None
    return parts[1] if (PACKAGE / parts[1]).is_dir() and parts[-1] != "__main__" else "apps"


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)


BELOW_THE_APPS = [path for path in modules() if level_of(dotted(path)) not in ("apps", "config", None)]


@pytest.mark.parametrize("path", modules(), ids=dotted)
def test_a_module_imports_only_what_lies_below_it(path: Path) -> None:
    own = level_of(dotted(path))
    if own is None:
        return
    for name in imported(path):
        other = level_of(name)
        if other is None or other == own:
            continue
        assert LEVELS[other] < LEVELS[own] or (own, other) in BESIDE, f"{dotted(path)} imports {name}"


@pytest.mark.parametrize("path", sorted((PACKAGE / "config").rglob("*.py")), ids=dotted)
def test_the_configuration_imports_nothing_slow(path: Path) -> None:
    heavy = {"torch", "h5py", "numpy", "tokenizers", "soundfile", "librosa", "matplotlib"}
    assert not {name.partition(".")[0] for name in imported(path, module_level_only=True)} & heavy


@pytest.mark.parametrize("path", BELOW_THE_APPS, ids=dotted)
def test_below_the_apps_nobody_sees_the_composed_tree(path: Path) -> None:
    assert not {name.partition(".")[0] for name in imported(path)} & {"hydra", "omegaconf"}
