"""Where modules go, whatever devices a machine has."""

from __future__ import annotations

from typing import Any

import pytest

from vall_e.errors import ConfigError
from vall_e.optim.offload_plan import chosen, plan

MIB = 2**20
SIZES = {"layers.0": 30 * MIB, "layers.1": 30 * MIB, "layers.2": 30 * MIB, "norm": 10 * MIB}
PLENTY = 2**60


def devices_of(names: str, free: tuple[int, ...] = (), **settings: Any) -> str:
    """The devices of the four modules, each by its letter."""
    return "".join(plan(SIZES, names, free or (PLENTY,) * len(names), **settings).values())


def test_modules_fill_one_device_after_another() -> None:
    assert devices_of("abc", (60 * MIB, 35 * MIB, PLENTY)) == "aabc"
    assert devices_of("ab") == "aaaa"


def test_a_device_that_was_left_is_not_gone_back_to() -> None:
    assert devices_of("ab", (40 * MIB, PLENTY)) == "abbb"


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ([30 * MIB], "abbb"),
        ([30 * MIB - 1], "bbbb"),
        ([0, 30 * MIB], "aaaa"),
        ([-1], "aaaa"),
        ([0.3, 0.3], "abcc"),
        ([0.5, 0.5], "aabb"),
        ([60 * MIB, 0.3], "aabc"),
    ],
)
def test_limits_are_bytes_or_shares_or_none(limits: list[float], expected: str) -> None:
    assert devices_of("abc", limits=limits) == expected


def test_a_limit_above_what_is_free_does_not_count() -> None:
    assert devices_of("ab", (35 * MIB, PLENTY), limits=[90 * MIB]) == "abbb"
    assert devices_of("ab", (35 * MIB, PLENTY), limits=[0.9]) == "abbb"


def test_what_is_assigned_goes_first_and_the_others_fill_up() -> None:
    assert devices_of("ab", assign=[["layers.2"], ["layers.0"]]) == "baaa"
    assert devices_of("ab", assign=[[], ["layers.", "norm"]]) == "bbbb"
    assert devices_of("ab", (40 * MIB, PLENTY), assign=[["norm"]]) == "abba"


def test_a_module_that_two_devices_want_goes_to_the_first() -> None:
    assert devices_of("ab", assign=[["layers.0"], ["layers."]]) == "abba"


def test_a_device_that_cannot_hold_its_list_gives_all_of_it_back() -> None:
    assert devices_of("ab", (50 * MIB, PLENTY), assign=[["layers.1", "layers.2"]]) == "abbb"


@pytest.mark.parametrize("assign", [[["layers.1"]], [["nothing"]], []])
def test_no_module_is_lost(assign: list[list[str]]) -> None:
    assert list(plan(SIZES, "ab", (PLENTY, PLENTY), assign=assign)) == list(SIZES)


def test_what_fits_nowhere_is_named_with_what_is_missing() -> None:
    with pytest.raises(ConfigError) as refused:
        devices_of("ab", (30 * MIB, 30 * MIB))
    assert str(refused.value).startswith(
        "optimizations.model_offloading leaves no room for layers.2 and the 1 modules after it: 40.00 MiB are missing"
    )
    assert "a has taken 30.00, b has taken 30.00 MiB" in str(refused.value)
    with pytest.raises(ConfigError, match=r"no room for norm: 10\.00 MiB are missing"):
        devices_of("a", limits=[90 * MIB])


def test_modules_are_chosen_by_parts_of_their_names() -> None:
    names = ["text_emb", "model.layers.0.mlp", "model.layers.1.mlp", "model.norm"]
    assert chosen(names, ["model"], []) == names[1:]
    assert chosen(names, ["model"], ["layers.1"]) == ["model.layers.0.mlp", "model.norm"]
    assert chosen(names, ["emb", "norm"], []) == ["text_emb", "model.norm"]
