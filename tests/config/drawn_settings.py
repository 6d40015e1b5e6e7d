"""Draws settings from the schema: for each field values within its type and rule, as a user types them."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from math import inf, nextafter
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from hydra.core.override_parser.types import Quote, QuotedString
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from vall_e.config.derive import derive
from vall_e.config.hyperparameters import SCHEDULER_PARAMS
from vall_e.config.model import SEGMENTS
from vall_e.config.nearest import groups
from vall_e.config.optimizations import BACKENDS
from vall_e.config.schema import Config
from vall_e.config.seal import problems, unavailable
from vall_e.config.setting import Rule, shown

TEXT = st.text(st.characters(exclude_categories=["C", "Zl", "Zp"], exclude_characters="$"), min_size=1, max_size=12)
UNTYPED: dict[str, SearchStrategy[Any]] = {
    "model.size": st.sampled_from(["tiny", "half", "full", 0.5, 2, {"dim": 64, "heads": 2, "layers": 1}]),
    "model.experimental.rvq_levels_p": st.sampled_from(["auto", "equal"]) | st.lists(st.integers(0, 7), min_size=1),
    "model.experimental.masking_ratio": st.sampled_from(["random", "rand"]) | st.floats(0, 1),
    "optimizations.compile": st.sampled_from([True, False, *BACKENDS]),
}
"""Fields that take several types; OmegaConf has no word for them, so that `problems` judges them."""
ENTRIES = {"model.loss_factors": SEGMENTS, "hyperparameters.scheduler_params": SCHEDULER_PARAMS}
"""Names that entries of a mapping may have, where not all are allowed."""


@dataclass(frozen=True)
class Leaf:
    """A setting that holds a value, not a group of settings."""

    key: str
    kind: Any
    rule: Rule

    def valid(self) -> SearchStrategy[Any]:
        """Values within type and rule, for which no component is missing."""
        if self.rule.needs:
            return st.just(self.rule.default)
        return UNTYPED[self.key] if self.kind is Any else self._of(self.kind)

    def _of(self, kind: Any) -> SearchStrategy[Any]:
        if get_origin(kind) in (Union, UnionType):
            return st.one_of(*map(self._of, get_args(kind)))
        if get_origin(kind) is list:
            return st.lists(self._of(get_args(kind)[0]), max_size=4)
        if get_origin(kind) is dict:
            names = (
                st.sampled_from(ENTRIES[self.key])
                if self.key in ENTRIES
                else st.from_regex("[a-z]{1,5}", fullmatch=True)
            )
            return st.dictionaries(names, self._of(get_args(kind)[1]), min_size=1, max_size=3)
        if isinstance(kind, type) and issubclass(kind, Enum):
            return st.sampled_from([member for member in kind if member.name not in self.rule.options_need])
        if kind is str and self.rule.allowed:
            return st.sampled_from([name for name in self.rule.allowed if name.lower() not in self.rule.options_need])
        low, high = self.bounds()
        return {
            bool: st.booleans(),
            int: st.integers(int(low), int(high)).filter(lambda value: str(value) not in self.rule.options_need),
            float: st.floats(low, high),
            str: TEXT,
            type(None): st.none(),
        }.get(kind, st.integers(0, 9) | st.booleans())

    def bounds(self) -> tuple[float, float]:
        """The lowest and the highest number allowed; 1000 apart at most where the rule leaves them open."""
        rule = self.rule
        low = nextafter(rule.above, inf) if rule.above is not None else rule.at_least
        high = nextafter(rule.below, -inf) if rule.below is not None else rule.at_most
        low = (0.0 if high is None else min(0.0, high)) if low is None else low
        return low, low + 1000 if high is None else high


def leaves(kind: type = Config, at: str = "") -> Iterator[Leaf]:
    """All settings of the schema that hold values, except those of entries of mappings."""
    hints = get_type_hints(kind)
    for f in fields(kind):
        if is_dataclass(hints[f.name]):
            yield from leaves(hints[f.name], f"{at}{f.name}.")
        elif not any(map(is_dataclass, get_args(hints[f.name]))):
            yield Leaf(at + f.name, hints[f.name], f.metadata["rule"])


LEAVES = [leaf for leaf in leaves() if leaf.key not in groups()]  # `tokenizer` chooses from its group


def typed(value: Any) -> str:
    """A value as it is typed on the command line."""
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, list):
        return f"[{','.join(map(typed, value))}]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{name}:{typed(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, str):
        return QuotedString(value, Quote.single).with_quotes()
    return shown(value)


def override(key: str, value: Any) -> str:
    """`key=value`; an entry that a mapping does not have yet needs plus signs."""
    return f"{'++' if isinstance(value, dict) and value else ''}{key}={typed(value)}"


def changed(config: Config, values: dict[str, Any]) -> Config:
    """A copy with `values` by dotted key, and what follows from them."""
    copy = deepcopy(config)
    for key, value in values.items():
        above, _, name = key.rpartition(".")
        setattr(at(copy, above), name, deepcopy(value))
    derive(copy)
    return copy


def at(config: Any, key: str) -> Any:
    """The value at a dotted key."""
    for name in filter(None, key.split(".")):
        config = getattr(config, name)
    return config


def is_right(config: Config) -> bool:
    """Whether no rule and no relation is broken and nothing is missing."""
    return not [*problems(config), *unavailable(config)]
