"""A bar for each step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")


def progress(step: str, items: Iterable[T], pending: int, total: int) -> Iterator[T]:
    """The items, while a bar tells how many of `total` are done; none where nothing is left to do or nobody looks."""
    bar = tqdm(items, desc=step, unit="utt", total=total, initial=total - pending, disable=None if pending else True)
    yield from bar
