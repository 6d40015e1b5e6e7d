"""Code files of the reference system, `.enc` and `.dac`: a NumPy file that holds one pickled dictionary.

A pickle can call anything. This one may name nothing but NumPy's arrays and numbers, and even these are not NumPy's own
here: stand-ins collect shape, type and bytes, of which an array is then made with all lengths checked.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.lib.format
import numpy.typing as npt

from vall_e.errors import DataError

LARGEST_FILE = 64 * 2**20
PLAIN_TYPES = frozenset(("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"))


def load_artifact(path: Path) -> dict[str, Any]:
    """The dictionary in a code file, of arrays, numbers, texts, lists and dictionaries.

    DataError names the file and why it is refused: foreign, damaged, or asking for something else.
    """
    try:
        content = _checked(path)
        header, body = _parts(content)
        if header != np.dtype(object):
            raise ValueError(f"it holds an array of {header}, not a pickled dictionary")
        value = _plain(_Reader(io.BytesIO(body)).load())
        if isinstance(value, np.ndarray) and value.size == 1:
            value = value.reshape(-1)[0]
        if not isinstance(value, dict):
            raise ValueError(f"it holds a {type(value).__name__}, not a dictionary")
    except Exception as error:  # a damaged pickle makes the reader raise anything
        raise DataError(f"{path} is no code file that can be read: {error or type(error).__name__}") from error
    return value


def _checked(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(LARGEST_FILE + 1)
    if len(content) > LARGEST_FILE:
        raise ValueError(f"it is larger than {LARGEST_FILE} bytes")
    return content


def _parts(content: bytes) -> tuple[np.dtype[Any], bytes]:
    """Type of the array and what follows the header."""
    file = io.BytesIO(content)
    version = numpy.lib.format.read_magic(file)
    read = numpy.lib.format.read_array_header_1_0 if version == (1, 0) else numpy.lib.format.read_array_header_2_0
    _, _, dtype = read(file)
    return dtype, file.read()


class _Dtype:
    """Stands for numpy.dtype: the letters of a plain type, the byte order of its state."""

    def __init__(self, letters: str, *_: object) -> None:
        if letters not in PLAIN_TYPES | {"O8"}:
            raise ValueError(f"it holds an array of type {letters!r}")
        self.letters, self.order = letters, "<"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] not in ("<", ">", "|", "="):
            raise ValueError(f"it holds an array of byte order {state[1]!r}")
        self.order = state[1]

    def numpy(self) -> np.dtype[Any]:
        """NumPy's type."""
        return np.dtype(f"{self.order}{self.letters}")


class _Array:
    """Stands for numpy.ndarray, until its state is known."""

    def __init__(self) -> None:
        self.value: Any = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        shape, dtype, fortran, data = state[-4:]
        if dtype.letters == "O8":
            if not isinstance(data, list) or len(data) != 1:
                raise ValueError("it holds several objects, not one dictionary")
            self.value = data[0]
        else:
            self.value = _array(data, dtype.numpy(), shape, "F" if fortran else "C")


def _array(data: bytes | str, dtype: np.dtype[Any], shape: tuple[int, ...], order: Any) -> npt.NDArray[Any]:
    # Python 2 wrote bytes as latin-1 text.
    raw = data.encode("latin-1") if isinstance(data, str) else bytes(data)
    found = np.frombuffer(raw, dtype).reshape(tuple(int(side) for side in shape), order=order)
    return np.array(found)


def _reconstruct(*_: object) -> _Array:
    return _Array()


def _scalar(dtype: _Dtype, data: bytes | str) -> Any:
    return _array(data, dtype.numpy(), (), "C").item()


def _from_buffer(data: bytes, dtype: _Dtype, shape: tuple[int, ...], order: str) -> npt.NDArray[Any]:
    return _array(data, dtype.numpy(), shape, "F" if order == "F" else "C")


def _latin1(text: str, encoding: str) -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise ValueError(f"it asks for the encoding {encoding!r}")
    return text.encode("latin-1")


class _NdarrayName:
    """Stands for the name numpy.ndarray, which is an argument of `_reconstruct` and never called."""


_ADMITTED: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): _NdarrayName,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _latin1,
    **{
        (f"{core}.{module}", name): stand_in
        for core in ("numpy.core", "numpy._core")
        for module, name, stand_in in (
            ("multiarray", "_reconstruct", _reconstruct),
            ("multiarray", "scalar", _scalar),
            ("numeric", "_frombuffer", _from_buffer),
        )
    },
}


class _Reader(pickle._Unpickler):
    """The unpickler written in Python: the one in C can be made to reserve any amount of memory."""

    def find_class(self, module: str, name: str) -> Any:
        """A stand-in; anything else is refused."""
        if (module, name) not in _ADMITTED:
            raise ValueError(f"it asks for {module}.{name}, and only arrays and plain values are admitted")
        return _ADMITTED[module, name]

    def persistent_load(self, pid: object) -> Any:
        """There is nothing outside the file."""
        raise ValueError("it refers to an object outside the file")


def _plain(value: Any) -> Any:
    """The value with arrays in place of their stand-ins."""
    if isinstance(value, _Array):
        return _plain(value.value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, (str, bytes, bool, int, float, np.ndarray)):
        return value
    raise ValueError(f"it holds a {type(value).__name__}")
