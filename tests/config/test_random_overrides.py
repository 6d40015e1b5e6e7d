"""500 random overrides that are right arrive as they were typed; 500 that are wrong are refused in one sentence."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from vall_e.config.complaints import complaints
from vall_e.config.composing import compose_config
from vall_e.config.explain import explain
from vall_e.config.fault import is_users
from vall_e.config.nearest import groups, options
from vall_e.config.schema import Config
from vall_e.config.seal import seal

from .drawn_mistakes import (
    BROKEN,
    Mistake,
    conflict,
    new_key,
    out_of_range,
    unknown_key,
    unknown_option,
    wrong_type,
)
from .drawn_settings import LEAVES, at, changed, is_right, override
from .launching import launched, messages
from .test_apps import app

BATCH = 10


def times(examples: int) -> settings:
    """The same examples every time; no shrinking of what takes 0.2 s to compose."""
    return settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


@cache
def composed(*choices: str) -> Config | None:
    """Sealed settings with options chosen; None where one needs what is missing, or they do not go together."""
    try:
        return seal(compose_config("train", choices), Config)
    except Exception as error:
        assert is_users(error), error
        return None


@st.composite
def choices(draw: st.DrawFn) -> tuple[str, ...]:
    """Options of some groups, which work alone."""
    chosen = draw(st.lists(st.sampled_from([g for g in groups() if g != "lora"]), max_size=4, unique=True))
    drawn = [f"{group}={draw(st.sampled_from(options(group)))}" for group in sorted(chosen)]
    return tuple(choice for choice in drawn if composed(choice))


@times(25)
@given(st.data())
def test_right_settings_arrive_as_they_were_typed(data: DataObject) -> None:
    chosen = data.draw(choices())
    base = composed(*chosen)
    if base is None:
        chosen, base = (), composed()
    values: dict[str, Any] = {}
    for leaf in data.draw(st.permutations(LEAVES)):
        more = values | {leaf.key: data.draw(leaf.valid())}
        values = more if is_right(changed(base, more)) else values
        if len(values) == 20:
            break
    sealed = seal(compose_config("train", [*chosen, *(override(*pair) for pair in values.items())]), Config)
    expected = changed(base, values)
    assert {key: at(sealed, key) for key in values} == {key: at(expected, key) for key in values}


def told(*overrides: str) -> list[str]:
    """What a user is told of overrides that must be refused."""
    try:
        seal(compose_config("train", overrides), Config)
    except Exception as error:
        assert is_users(error), error
        return explain(error).splitlines()
    pytest.fail(f"{overrides} passed")


TOGETHER = {
    "unknown +": (5, unknown_key("+")),
    "unknown ++": (5, unknown_key("++")),
    "new": (5, new_key()),
    "beyond": (10, out_of_range()),
}


@pytest.mark.parametrize("kind", TOGETHER)
def test_all_of_several_mistakes_are_told(kind: str) -> None:
    examples, mistakes = TOGETHER[kind]

    @times(examples)
    @given(st.lists(mistakes, min_size=BATCH, max_size=BATCH, unique_by=lambda mistake: mistake.names))
    def check(made: list[Mistake]) -> None:
        lines = told(*(text for mistake in made for text in mistake.overrides))
        for mistake in made:
            assert [line for line in lines if line.startswith((f"{mistake.names}=", f"{mistake.names}:"))], lines

    check()


ALONE = {
    "unknown": (70, unknown_key()),
    "type": (70, wrong_type()),
    "option": (40, unknown_option()),
    "conflict": (30, conflict()),
}


@pytest.mark.parametrize("kind", ALONE)
def test_a_mistake_is_told_in_one_sentence_that_names_it(kind: str) -> None:
    examples, mistakes = ALONE[kind]

    @times(examples)
    @given(mistakes)
    def check(mistake: Mistake) -> None:
        assert len(one_sentence_on(mistake.names, *mistake.overrides)) == 1

    check()


def test_a_fragment_that_is_no_yaml_is_told_in_one_sentence_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()

    @times(40)
    @given(BROKEN)
    def check(content: bytes) -> None:
        (tmp_path / "model" / "mine.yaml").write_bytes(content)
        assert len(one_sentence_on("mine", f"hydra.searchpath=[file://{tmp_path}]", "model=mine")) == 1

    check()


def one_sentence_on(name: str, *overrides: str) -> list[str]:
    """What is told of overrides; `complaints` names the override where Hydra itself does not."""
    lines = told(*overrides)
    lines = lines if name in lines[0] else complaints("train", overrides)
    assert name in lines[0]
    return lines


@pytest.mark.parametrize(("through", "examples"), [("launch", 14), ("a process", 20)])
def test_a_mistake_ends_an_app_with_status_2_and_one_sentence(through: str, examples: int, tmp_path: Path) -> None:
    @times(examples)
    @given(st.one_of(new_key(), out_of_range(), unknown_key("+"), *(mistakes for _, mistakes in ALONE.values())))
    def check(mistake: Mistake) -> None:
        if through == "launch":
            done = launched(*mistake.overrides, folder=tmp_path)
            status, lines = done.status, done.told
        else:
            started = app("train", *mistake.overrides, folder=tmp_path)
            status, lines = started.returncode, messages(started.stderr)
        assert status == 2 and len(lines) == 1 and mistake.names in lines[0], lines

    check()
