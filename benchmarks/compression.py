"""What reading one utterance's codes costs, and what they take on the disk, by how they lie in HDF5."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from vall_e.data.store.column_file import ColumnFile
from vall_e.data.store.column_writer import writing_columns

FRAMES, COUNT, LEVELS, READS = 300, 4_000, 8, 500
CHUNK = 256


def compare_layouts(folder: Path) -> None:
    """Print size and time of a read for each layout, alternating between them; the plain column is the store's own."""
    codes = np.random.default_rng(0).integers(0, 1024, (COUNT * FRAMES, LEVELS)).astype(np.int16)
    path = folder / "plain.h5"
    with writing_columns(path, {"codes": ("int16", (LEVELS,))}) as writer:
        writer.columns["codes"].extend(codes)
        writer.commit({})
    plain = ColumnFile(path)
    readers: dict[str, tuple[Path, Callable[[int, int], Any]]] = {
        "plain column, past the library": (path, lambda start, stop: plain.read("codes", start, stop))
    }
    for name, options in layouts().items():
        readers[name] = _written(folder / f"{len(readers)}.h5", codes, options)
    draw = np.random.default_rng(1)
    seconds: dict[str, list[float]] = {name: [] for name in readers}
    for _ in range(5):
        rows = draw.integers(0, COUNT, READS).tolist()
        for name, (_, read) in readers.items():
            seconds[name].append(_timed(read, rows))
    for name, (path, _) in readers.items():
        size = path.stat().st_size / codes.nbytes
        print(f"{name}: {statistics.median(seconds[name]) * 1e6:.1f} µs an utterance, {size:.2f} of the plain size")


def layouts() -> dict[str, dict[str, Any]]:
    """Options of a dataset by name; those of hdf5plugin only where it is installed."""
    chunked = {"chunks": (CHUNK, LEVELS), "fletcher32": True}
    found: dict[str, dict[str, Any]] = {
        "one piece": {},
        "chunks": chunked,
        "chunks, lzf": chunked | {"compression": "lzf"},
        "chunks, lzf, shuffle": chunked | {"compression": "lzf", "shuffle": True},
        "chunks, gzip, shuffle": chunked | {"compression": "gzip", "shuffle": True},
    }
    try:
        import hdf5plugin
    except ImportError:
        return found
    return found | {
        "chunks, lz4": chunked | dict(hdf5plugin.LZ4()),
        "chunks, lz4, bitshuffle": chunked | dict(hdf5plugin.Bitshuffle()),
        "chunks, zstd, shuffle": chunked | {"shuffle": True, **hdf5plugin.Zstd()},
    }


def _written(path: Path, codes: np.ndarray, options: dict[str, Any]) -> tuple[Path, Callable[[int, int], Any]]:
    with h5py.File(path, "w") as file:
        file.create_dataset("codes", data=codes, **options)
    dataset = h5py.File(path, "r")["codes"]
    return path, lambda start, stop: dataset[start:stop]


def _timed(read: Callable[[int, int], Any], rows: list[int]) -> float:
    began = time.perf_counter()
    for row in rows:
        read(row * FRAMES, (row + 1) * FRAMES)
    return (time.perf_counter() - began) / len(rows)
