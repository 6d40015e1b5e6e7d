"""Which adapters speak at the RVQ level that is being decoded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from vall_e.models.vall_e import VallE


@contextmanager
def at_level(model: VallE, level: int, use_lora: bool | None = None) -> Iterator[None]:
    """Inside the block those adapters speak that have `level` among theirs; true has all speak, false none.

    An adapter that is not enabled is silent whatever is asked.
    """
    before = {adapter: adapter.here for adapter in model.adapters.values()}
    for adapter in before:
        adapter.here = (not adapter.levels or level in adapter.levels) if use_lora is None else use_lora
    try:
        yield
    finally:
        for adapter, here in before.items():
            adapter.here = here
