"""Gzipped files as a file system that DuckDB can read from; imported only when one is to be read.

They are unpacked as they are read, in pieces: nothing unpacked is ever on a disk, and no more than
a piece is in memory.
"""

from collections.abc import Sequence
from gzip import GzipFile
from pathlib import Path
from typing import Any

import fsspec
from isal import igzip, isal_zlib

PROTOCOL = "wai-gzip"
_PIECE = 1024 * 1024
"""Bytes of text that stay in the processor's cache until DuckDB has copied them."""
_ENDLESS = 2**62
_DAMAGED: Any = (OSError, EOFError, isal_zlib.error)  # whose type is not published right


class GzipFiles(fsspec.AbstractFileSystem):  # type: ignore[misc]  # no types are published
    """Some files under names of their own, for a connection with one thread.

    A damaged file ends early, and `damage` says so: DuckDB would hide an exception in its own.
    """

    protocol = PROTOCOL
    cachable = False

    def __init__(self, paths: Sequence[Path]) -> None:
        """Nothing is opened yet."""
        super().__init__()
        self._paths = {f"{PROTOCOL}://{number}": path for number, path in enumerate(paths)}
        self.damage: dict[Path, Exception] = {}
        """Why a file could not be read to its end."""

    @property
    def names(self) -> list[str]:
        """What DuckDB is to read, in the order of the paths."""
        return list(self._paths)

    def open(self, path: str, mode: str = "rb") -> "_Unpacked":  # noqa: ARG002 - DuckDB's call
        """Begin to read a file."""
        return _Unpacked(self._paths[path], self.damage)

    def glob(self, path: str) -> list[str]:
        """Names are no patterns."""
        return [path]

    def unstrip_protocol(self, name: str) -> str:
        """Names are whole."""
        return name

    def size(self, path: str) -> int:  # noqa: ARG002 - DuckDB's call
        """Nobody knows. With several threads DuckDB would go by it, and must not stop too early:
        past the end of a file it raises an error.
        """
        return _ENDLESS


class _Unpacked:
    """One file, from front to end."""

    def __init__(self, path: Path, damage: dict[Path, Exception]) -> None:
        self._path = path
        self._damage = damage
        self._stream: GzipFile = igzip.IGzipFile(path, "rb")  # type: ignore[no-untyped-call]

    def read(self, size: int) -> bytes:
        if self._path in self._damage:
            return b""
        try:
            return self._stream.read(min(size, _PIECE))
        except _DAMAGED as error:
            self._damage[self._path] = error
            return b""

    def seek(self, place: int) -> None:
        self._stream.seek(place)

    def close(self) -> None:
        self._stream.close()
