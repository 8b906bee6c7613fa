"""Lines of a file, plain or gzip, one at a time: memory stays small whatever it unpacks to."""

import gzip
import hashlib
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from wai_ops.core.errors import DataError

MAX_LINE_BYTES = 16 * 1024 * 1024
"""The gateway stores no row above 10 MB."""
BOM = b"\xef\xbb\xbf"
HEAD_BYTES = 256 * 1024
_GZIP = b"\x1f\x8b"
_CHUNK = 1024 * 1024
_DAMAGED = (EOFError, gzip.BadGzipFile, zlib.error)
UNREADABLE_TEXT = "the line is not UTF-8 text"


class DamagedFileError(Exception):
    """The file ends before it should, or does not unpack: what came before is still good."""


def is_gzip(path: Path) -> bool:
    """Told from the content; names lie."""
    with path.open("rb") as file:
        return file.read(2) == _GZIP


def open_unpacked(path: Path) -> BinaryIO:
    """Open for reading, unpacked where it is gzip."""
    if is_gzip(path):
        return gzip.open(path, "rb")  # type: ignore[return-value]  # a GzipFile reads alike
    return path.open("rb")


def read_head(path: Path) -> bytes:
    """The first bytes, unpacked; as many as there are when the file is damaged."""
    head = b""
    with open_unpacked(path) as file:
        try:
            while len(head) < HEAD_BYTES and (chunk := file.read(HEAD_BYTES - len(head))):
                head += chunk
        except _DAMAGED:
            pass
    return head


def read_lines(path: Path) -> Iterator[tuple[int, bytes | None]]:
    """Yield (line number from 1, its bytes without the end); None for a line that is too long.

    A byte order mark is dropped. Raises DamagedFileError after the last whole line.
    """
    number = 0
    with open_unpacked(path) as file:
        while True:
            try:
                line = file.readline(MAX_LINE_BYTES + 1)
                is_long = len(line) > MAX_LINE_BYTES and not line.endswith(b"\n")
                rest = line
                while is_long and rest and not rest.endswith(b"\n"):
                    rest = file.readline(_CHUNK)
            except _DAMAGED as error:
                raise DamagedFileError(str(error) or type(error).__name__) from error
            if not line:
                return
            number += 1
            if number == 1:
                line = line.removeprefix(BOM)
            yield number, None if is_long else line.rstrip(b"\r\n")


def fingerprint(path: Path, name: str) -> str:
    """The SHA-256 of a file's bytes. Raises DataError when the file changes while it is read."""
    before = path.stat()
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    after = path.stat()
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise DataError(f"{name} changes while it is read", hint="import it when it is complete")
    return digest.hexdigest()
