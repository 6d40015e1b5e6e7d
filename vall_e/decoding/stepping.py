"""Iterators whose steps run inside a context that who iterates is not in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TypeVar

T = TypeVar("T")


def inside(context: Callable[[], AbstractContextManager[object]], steps: Iterator[T]) -> Iterator[T]:
    """The same steps, each made inside a context of its own."""
    while True:
        with context():
            try:
                step = next(steps)
            except StopIteration:
                return
        yield step
