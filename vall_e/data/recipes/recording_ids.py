"""Names of recordings that no two share."""

from __future__ import annotations

from pathlib import PurePath

from vall_e.errors import DataError


class RecordingIds:
    """The id of a recording is its speaker and its file's stem, or its whole path if the stem is taken by another file.

    Files take theirs in the order of the corpus, whoever prepares them and whether or not they can be used: so jobs
    that read a share each give the same ids as one that reads all.
    """

    def __init__(self) -> None:
        self._paths: dict[str, str] = {}

    def of(self, path: str, speaker: str) -> str:
        """The id of the recording at a path of the corpus; DataError if others have both."""
        parts = PurePath(path)
        plain, full = f"{speaker}/{parts.stem}", f"{speaker}/{'_'.join(parts.parts)}"
        for name in (plain, full):
            if self._paths.setdefault(name, path) == path:
                return name
        raise DataError(f"utterance {plain!r} already stands in {self._paths[full]}")
