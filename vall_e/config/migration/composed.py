"""Settings as a preset over the fragments that every run begins with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, get_type_hints

from omegaconf import DictConfig, OmegaConf

from vall_e.config.composing import compose_config
from vall_e.config.derive import derive
from vall_e.config.nearest import options
from vall_e.config.schema import Config

from .outcome import Keys
from .place import nested, values_of

Values = Mapping[Keys, Any]


def composed(values: Values) -> Config:
    """The typed settings of a run that a preset of `values` makes, with everything derived that follows from them."""
    base = _base()
    merged = OmegaConf.merge(base, nested(filled({}, base)), nested(values))
    config: Config = OmegaConf.to_object(merged)  # type: ignore[assignment]
    derive(config)
    return config


def model_fragment(config: Config) -> str | None:
    """The fragment of the group `model` with the full name of the model, if a preset over it can say all of the model.

    It cannot take entries out of a mapping.
    """
    name = config.model.full_name
    if name not in options("model"):
        return None
    return name if set(_base(name).model.loss_factors) <= set(config.model.loss_factors) else None


def preset_values(values: Values, fragment: str | None) -> Values:
    """`values`, and the schema's default of every other setting that the fragments of a run set otherwise."""
    return filled(values, _base(fragment))


def filled(values: Values, base: DictConfig) -> Values:
    """`values`, and the schema's default of every other setting that `base` sets otherwise; links are left."""
    tree = OmegaConf.to_container(base, enum_to_str=True)
    defaults = {keys: default for keys, default in _leaves(Config) if keys not in values}
    return {**values, **{keys: default for keys, default in defaults.items() if _differs(_at(tree, keys), default)}}


@cache
def _base(model: str | None = None) -> DictConfig:
    base = compose_config("train", [f"model={model}"] if model else [])
    OmegaConf.set_struct(base, False)  # mappings take new entries, as from a preset
    return base


def _leaves(kind: Any, above: Keys = ()) -> Iterator[tuple[Keys, Any]]:
    """Keys and defaults of all settings but mappings, which begin empty."""
    hints = get_type_hints(kind)
    for f in fields(kind):
        if is_dataclass(hints[f.name]):
            yield from _leaves(hints[f.name], (*above, f.name))
        elif values_of(hints[f.name]) is None:
            default = f.metadata["rule"].default
            yield (*above, f.name), default.name if isinstance(default, Enum) else default


def _at(tree: Any, keys: Keys) -> Any:
    for key in keys:
        tree = tree[key]
    return tree


def _differs(value: Any, default: Any) -> bool:
    return value != default and not (isinstance(value, str) and "${" in value)
