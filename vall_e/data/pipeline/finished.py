"""Utterances that earlier runs of the preparation have encoded: in the store itself, and in parts beside it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vall_e.data.store.store import Store
from vall_e.data.utterance import Utterance
from vall_e.errors import DataError

log = logging.getLogger(__name__)


class FinishedWork:
    """Finds finished utterances by fingerprint, in the store `path` and in the small stores of the folder `parts`.

    A store that cannot be read is a DataError: it is not overwritten. A part that cannot be read is left out with a
    warning. Only one file is open at a time, however many parts there are.
    """

    def __init__(self, path: Path, parts: Path, writer: str) -> None:
        self._path, self._folder, self._writer = path, parts, writer
        self._places: dict[int, tuple[Store, int, int]] = {}
        self._known: set[Path] = set()
        self._next_number = 0
        self._current: Store | None = None
        self.reload()

    def reload(self) -> None:
        """Take in what other jobs have finished."""
        if self._path.exists():
            self._add(Store(self._path))
        for part in sorted(self._folder.glob("*.h5")):
            if part not in self._known:
                self._add_old_part(part)

    def __contains__(self, fingerprint: int) -> bool:
        return fingerprint in self._places

    def utterance(self, fingerprint: int) -> Utterance:
        """Read one finished utterance."""
        store, row, _ = self._places[fingerprint]
        if self._current is not None and self._current is not store:
            self._current.close()
        self._current = store
        return store.utterance(row)

    def frames(self, fingerprint: int) -> int:
        """How many code frames a finished utterance has."""
        return self._places[fingerprint][2]

    def next_part(self) -> Path:
        """A name that no part has yet."""
        return self._folder / f"{self._writer}-{self._next_number:06d}.h5"

    def add_part(self, path: Path) -> None:
        """Take in a part just written."""
        self._know(path)
        self._add(Store(path))

    def store_holds(self, fingerprints: Sequence[int], each: int) -> bool:
        """Whether the store itself holds exactly these utterances in this order, `each` to a file, or all in one if
        `each` is 0."""
        if not self._path.exists():
            return False
        total = len(fingerprints)
        with Store(self._path) as store:
            files = [shard.utterances for shard in store.info.shards]
            if files != ([min(each, total - start) for start in range(0, total, each)] if each else []):
                return False
            return np.array_equal(store.column("fingerprint"), np.array(fingerprints, np.uint64))

    def close(self) -> None:
        """Close what is open."""
        if self._current is not None:
            self._current.close()

    def __enter__(self) -> FinishedWork:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.close()

    def _know(self, part: Path) -> None:
        self._known.add(part)
        writer, _, number = part.stem.rpartition("-")
        if writer == self._writer:
            self._next_number = max(self._next_number, int(number) + 1)

    def _add(self, store: Store) -> None:
        with store:
            marks = store.column("fingerprint").tolist()
            for row, (fingerprint, frames) in enumerate(zip(marks, store.frames.tolist(), strict=True)):
                self._places[fingerprint] = (store, row, frames)

    def _add_old_part(self, part: Path) -> None:
        self._know(part)
        try:
            self._add(Store(part))
        except (DataError, ValueError) as error:
            log.warning("Part %s of an earlier run is left out: %s", part, error)
