"""Reading the log as it lies there: line by line, in constant memory, whatever it holds."""

import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from wai_ops.control.decisions.record import MAX_RECORD_BYTES
from wai_ops.control.decisions.tail import WINDOW_BYTES, read_tail
from wai_ops.core.errors import DataError

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Extent:
    """How much of a log file is whole records, and how much a dead or busy writer's beginning."""

    whole_bytes: int
    torn_bytes: int


def measure(path: Path) -> Extent:
    """Look at the end of the file. A missing file is an empty log. Raises DataError."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            start = file.seek(max(0, size - WINDOW_BYTES))
            window = file.read(size - start)
    except FileNotFoundError:
        return Extent(0, 0)
    except OSError as error:
        raise unreadable(path, error) from error
    if start:
        skipped = window.find(b"\n") + 1
        start, window = start + skipped, window[skipped:]
    tail = read_tail(window)
    if tail is None:  # something is wrong with it: whoever reads the lines says what
        return Extent(size, 0)
    whole = start + tail.end
    return Extent(whole, size - whole)


def settle(path: Path) -> Extent:
    """As `measure`, of what is on disk to stay: no writer is within a batch, all of it is synced.

    The beginning that this counts is never cut again, so it may be signed. Raises DataError.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return Extent(0, 0)
    except OSError as error:
        raise unreadable(path, error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.fsync(descriptor)
        return measure(path)
    except OSError as error:
        raise unreadable(path, error) from error
    finally:
        os.close(descriptor)


def read_lines(path: Path, end: int) -> Iterator[bytes]:
    """Yield the lines of the first `end` bytes without their newlines.

    Of a line that is too long for a record only a beginning comes, which is too long as well; one
    that does not end is a line, too. Raises DataError.
    """
    try:
        with path.open("rb") as file:
            rest = b""
            left = end
            while left > 0:
                chunk = file.read(min(_CHUNK, left))
                if not chunk:
                    break
                left -= len(chunk)
                lines = (rest + chunk).split(b"\n")
                rest = lines.pop()
                yield from lines
                if len(rest) > _CHUNK:
                    rest = rest[: MAX_RECORD_BYTES + 1]
            if rest:
                yield rest
    except FileNotFoundError:
        return
    except OSError as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: OSError) -> DataError:
    """A file of the log cannot be read at all."""
    return DataError(
        f"cannot read the decision log: {error.strerror or error}",
        where=str(path),
        hint="give a folder with decisions.jsonl, or an export of tiles",
    )
