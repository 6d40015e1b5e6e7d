"""Draws what a user may get wrong, from the schema: each mistake with the words that its message must hold."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import Enum
from math import inf, nan
from typing import Any, get_args, get_origin, get_type_hints

import yaml
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from vall_e.config.nearest import groups, options
from vall_e.config.schema import Config

from .drawn_settings import LEAVES, Leaf, typed

LETTERS = "abcdefghijklmnopqrstuvwxyz_"


@dataclass(frozen=True)
class Mistake:
    """Overrides that must be refused, and what the message must name."""

    overrides: tuple[str, ...]
    names: str


@st.composite
def misspelt(draw: DrawFn, name: str) -> str:
    """`name` with one letter more, less, other, or two of them swapped."""
    i = draw(st.integers(0, len(name) - 1))
    letter = draw(st.sampled_from(LETTERS))
    ways = (name[:i] + name[i + 1 :], name[:i] + letter + name[i:], name[:i] + letter + name[i + 1 :])
    return draw(st.sampled_from([*ways, name[:i] + name[i : i + 2][::-1] + name[i + 2 :]]))


@st.composite
def unknown_key(draw: DrawFn, sign: str = "") -> Mistake:
    """A setting one part of whose key is misspelt."""
    leaf = draw(st.sampled_from(LEAVES))
    parts = leaf.key.split(".")
    place = draw(st.integers(0, len(parts) - 1))
    known = siblings(".".join(parts[:place]))
    parts[place] = draw(misspelt(parts[place]).filter(lambda name: name.isidentifier() and name not in known))
    return Mistake((f"{sign}{'.'.join(parts)}=1",), ".".join(parts[: place + 1]))


def siblings(key: str) -> set[str]:
    """Names of the settings in a section, and of the groups at the root."""
    kind: Any = Config
    for name in filter(None, key.split(".")):
        kind = get_type_hints(kind)[name]
    return {f.name for f in fields(kind)} | (set() if key else {*groups(), "hydra", "schema"})


@st.composite
def new_key(draw: DrawFn) -> Mistake:
    """A key that is declared nowhere, added with a plus sign."""
    section = draw(st.sampled_from(sorted({leaf.key.rpartition(".")[0] for leaf in LEAVES})))
    name = draw(st.from_regex("new_[a-z]{1,6}", fullmatch=True))
    key = f"{section}.{name}".lstrip(".")
    return Mistake((f"+{key}{draw(st.sampled_from(['=', '=1', '.deep=x', '=[]', '={a:1}']))}",), key)


@st.composite
def wrong_type(draw: DrawFn) -> Mistake:
    """A setting with a value of another type."""
    leaf = draw(st.sampled_from([leaf for leaf in LEAVES if wrong_values(leaf.kind)]))
    return Mistake((f"{leaf.key}={draw(st.sampled_from(wrong_values(leaf.kind)))}",), leaf.key)


def wrong_values(kind: Any) -> list[str]:
    kinds = get_args(kind) if get_origin(kind) not in (list, dict) and get_args(kind) else (kind,)
    if Any in kinds:
        return []
    null = [] if type(None) in kinds else ["null"]
    if any(get_origin(k) is list for k in kinds):
        return ["abc", "3", "true", *null]
    if any(get_origin(k) is dict for k in kinds):
        return ["abc", "3", "[1]", *null]
    words = [] if str in kinds else ["abc", "'1,5'", "1-2"]
    return [*words, "[1]", "[a,b]", *null]


@st.composite
def out_of_range(draw: DrawFn) -> Mistake:
    """A setting beyond its range, that is none of the names allowed, or that needs what is missing."""
    leaf = draw(st.sampled_from([leaf for leaf in LEAVES if values_beyond(leaf)]))
    value = draw(st.sampled_from(values_beyond(leaf)))
    return Mistake((f"{leaf.key}={typed([value] if get_origin(leaf.kind) is list else value)}",), leaf.key)


def values_beyond(leaf: Leaf) -> list[Any]:
    rule = leaf.rule
    kinds = {leaf.kind, *(() if get_origin(leaf.kind) is dict else get_args(leaf.kind))}
    found: list[Any] = [2**63, -(2**70)] if int in kinds else [nan, inf, -inf] if float in kinds else []
    if {int, float} & kinds:
        found += [] if rule.at_least is None else [type(rule.at_least)(rule.at_least - 1)]
        found += [] if rule.above is None else [rule.above]
        found += [] if rule.at_most is None else [rule.at_most + 1]
        found += [] if rule.below is None else [rule.below]
    if rule.allowed:
        found += ["nosuch", *(name for name in rule.allowed if name.lower() in rule.options_need)]
    enums = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Enum)]
    return found + [member for kind in enums for member in kind if member.name in rule.options_need]


@st.composite
def unknown_option(draw: DrawFn) -> Mistake:
    """A group with an option that does not exist."""
    group = draw(st.sampled_from([name for name in groups() if name != "lora"]))
    option = draw(st.sampled_from(options(group)))
    folder, slash, name = option.rpartition("/")
    wrong = draw(misspelt(name).map(lambda name: folder + slash + name).filter(lambda name: name not in options(group)))
    return Mistake((f"{group}={wrong}",), f"{group}={wrong}")


CONFLICTS = (
    ("trainer.amp=true", "trainer.weight_dtype=float32"),
    ("inference.amp=true", "inference.weight_dtype=float32"),
    ("trainer.load_tag=newest", "trainer.load_state_dict=true"),
    ("tokenizer=naive", "tokenizer_path=x.json"),
    ("model.attention=mem_efficient", "device=cpu"),
    ("hyperparameters.scheduler_type=WarmupLR", "hyperparameters.scheduler=WarmupDecayLR"),
    ("model.resp_levels=9", "audio_backend=builtin"),
    ("codec.levels=16", "audio_backend=builtin"),
    ("codec.sample_rate=16000", "audio_backend=encodec"),
    ("model.audio_tokens=512", "model.langs=2"),
    ("sample_rate=16000", "codec=builtin"),
    ("dataset.sample_max_duration_batch=1", "dataset.duration_range=[1,12]"),
    ("dataset.duration_range=[5,1]", "dataset.validate=true"),
    ("model.experimental.rvq_levels_p=[0,9]", "model.resp_levels=8"),
    ("model.experimental.rvq_level_range=[0,9]", "model.resp_levels=8"),
)


@st.composite
def conflict(draw: DrawFn) -> Mistake:
    """Two settings that are right alone, among others that are right, in any order."""
    pair = draw(st.sampled_from(CONFLICTS))
    keys = {part.partition("=")[0].partition(".")[0] for part in pair}
    free = [leaf for leaf in LEAVES if leaf.key in ("seed", "weights_name", "trainer.iterations", "evaluation.size")]
    others = [f"{leaf.key}={typed(draw(leaf.valid()))}" for leaf in free if leaf.key.partition(".")[0] not in keys]
    return Mistake(tuple(draw(st.permutations([*pair, *others]))), pair[0].partition("=")[0])


FRAGMENTS = (
    "defaults:\n  - /schema/model@_here_\n  - _self_\n\nname: ar+nar\nsize: half\nlangs: 4\n",
    "dropout: 0.2\nloss_factors: {text: 0.1, resp: 1.0}\ncapabilities:\n  - ar\n  - nar\n",
)
SPLINTERS = (
    b"[",
    b"{",
    b'"',
    b"'",
    b"\t",
    b"@",
    b"%",
    b": :",
    b"- ",
    b"&",
    b"*",
    b"!",
    b"\xff",
    b"\x00",
    b"}",
    b"\n? ",
    b"\n---\n",
)


@st.composite
def broken_yaml(draw: DrawFn) -> bytes:
    """A fragment with splinters in it, so that no YAML can be read from it."""
    text = draw(st.sampled_from(FRAGMENTS)).encode()
    for splinter in draw(st.lists(st.sampled_from(SPLINTERS), min_size=1, max_size=3)):
        place = draw(st.integers(0, len(text)))
        text = text[:place] + splinter + text[place:]
    return text


def is_yaml(text: bytes) -> bool:
    try:
        yaml.safe_load(text.decode("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        return False
    return True


BROKEN: SearchStrategy[bytes] = broken_yaml().filter(lambda text: not is_yaml(text))
