"""Nothing that a file holds is executed: not by the code, and not by the fragments under conf/."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from .test_imports import PACKAGE, dotted, imported, modules

CONF = PACKAGE.parent / "conf"
STAND_INS = {"vall_e.data.recipes.artifact_pickle": {"pickle"}}
"""A module that reads the opcodes of pickles, but gives them stand-ins to call and nothing else; its tests say so."""
UNPICKLERS = {"pickle", "dill", "marshal", "shelve", "cloudpickle", "joblib", "jsonpickle"}
NEVER_CALLED = {"eval", "exec", "__import__", "os.system", "os.popen", "subprocess.getoutput"}
UNSAFE_YAML = {"load", "load_all", "full_load", "full_load_all", "unsafe_load", "unsafe_load_all"}
INSTANTIATORS = {f"hydra.utils.{name}" for name in ("instantiate", "call", "get_class", "get_method", "get_object")}
KEYWORDS = {"allow_pickle", "shell"}


def dangers(source: str) -> Iterator[str]:
    """What a module calls that would execute text or data."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name, given = ast.unparse(node.func), {k.arg: k.value for k in node.keywords}
            if name in NEVER_CALLED or (name.partition(".")[0] == "yaml" and name.partition(".")[2] in UNSAFE_YAML):
                yield name
            if name.endswith("torch.load") and not is_true(given.get("weights_only")):
                yield f"{name} without weights_only=True"
            yield from (f"{key}=" for key in KEYWORDS & set(given) if not is_false(given[key]))
        elif isinstance(node, ast.Attribute) and ast.unparse(node) in INSTANTIATORS:
            yield ast.unparse(node)
        elif isinstance(node, ast.ImportFrom):
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            yield from names & (INSTANTIATORS | {f"yaml.{name}" for name in UNSAFE_YAML} | {"torch.load", "os.system"})


def is_true(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is True


def is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


def targets(node: Any, at: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Where in a tree keys named `_target_` stand."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        if key == "_target_":
            yield at
        yield from targets(value, (*at, str(key)))


def place(file: Path) -> tuple[str, ...]:
    """The package a fragment is laid into: its folder, or the root for a preset or an app."""
    is_global = "# @package _global_" in file.read_text(encoding="utf-8")
    return () if is_global else file.relative_to(CONF).parts[:-1]


@pytest.mark.parametrize("path", modules(), ids=dotted)
def test_nothing_unpickles_or_evaluates(path: Path) -> None:
    assert list(dangers(path.read_text(encoding="utf-8"))) == []
    unpicklers = UNPICKLERS - STAND_INS.get(dotted(path), set())
    assert not {name.partition(".")[0] for name in imported(path)} & unpicklers


@pytest.mark.parametrize("path", sorted(CONF.rglob("*.yaml")), ids=lambda path: path.relative_to(CONF).as_posix())
def test_a_fragment_names_no_code_but_hydras_own_callbacks(path: Path) -> None:
    tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert [at for at in targets(tree, place(path)) if at[:2] != ("hydra", "callbacks")] == []


DANGEROUS = (
    "eval('1')",
    "exec(text)",
    "__import__(name)",
    "os.system(text)",
    "yaml.load(text)",
    "yaml.unsafe_load(text)",
    "from yaml import full_load",
    "numpy.load(path, allow_pickle=True)",
    "numpy.load(path, allow_pickle=trusted)",
    "torch.load(path)",
    "torch.load(path, weights_only=False)",
    "subprocess.run(text, shell=True)",
    "from hydra.utils import instantiate",
    "hydra.utils.instantiate(cfg)",
)


@pytest.mark.parametrize("source", DANGEROUS)
def test_the_guard_sees(source: str) -> None:
    assert list(dangers(source))


def test_the_guard_lets_safe_calls_pass() -> None:
    assert not list(dangers("yaml.safe_load(t); torch.load(p, weights_only=True); run(a, shell=False); model.eval()"))


def test_the_guard_sees_a_target_outside_the_callbacks() -> None:
    tree = {"hydra": {"callbacks": {"a": {"_target_": "x"}}}, "model": {"list": [{"_target_": "y"}]}}
    assert list(targets(tree, ())) == [("hydra", "callbacks", "a"), ("model", "list", "0")]
