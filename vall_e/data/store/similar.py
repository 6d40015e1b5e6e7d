"""Keeping which utterances of a store sound alike."""

from __future__ import annotations

from pathlib import Path

from .column_writer import writing_columns
from .similar_file import FORMAT, VERSION, Indices, Scores, similar_path
from .store import Store


def write_similar(store_path: Path, indices: Indices, scores: Scores) -> None:
    """Keep `indices` int32 [N, k] and `scores` float16 [N, k] for the store of N utterances, in place of earlier ones.

    ValueError if shapes do not fit the store or an index is neither one of its rows nor -1.
    """
    with Store(store_path) as store:
        rows, content = len(store), store.content_crc32
    if indices.shape != scores.shape or indices.ndim != 2 or len(indices) != rows:
        raise ValueError(f"indices {indices.shape} and scores {scores.shape} must both be [{rows}, k]")
    if indices.size and (indices.min() < -1 or indices.max() >= rows):
        raise ValueError(f"indices must be rows of the store, 0 to {rows - 1}, or -1")
    width = (indices.shape[1],)
    columns = {"indices": ("int32", width), "scores": ("float16", width)}
    with writing_columns(similar_path(store_path), columns) as writer:
        writer.columns["indices"].extend(indices)
        writer.columns["scores"].extend(scores)
        writer.commit({"format": FORMAT, "version": VERSION, "store": content})
