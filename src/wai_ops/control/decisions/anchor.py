"""Anchors: a checkpoint kept where whoever can change the log cannot change it without being seen.

A file, an object in R2 or another store of its kind, or a time stamp. What is there already is
replaced only by a checkpoint of the same log that has grown.
"""

import fcntl
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from wai_ops.control.decisions.checkpoint import Checkpoint, open_checkpoint
from wai_ops.control.decisions.lines import measure, read_lines
from wai_ops.control.decisions.log import FILE_NAME
from wai_ops.control.decisions.note import BadNoteError, VerifierKey
from wai_ops.control.decisions.timestamp import Stamp
from wai_ops.control.decisions.verify import verify_lines
from wai_ops.core.errors import DataError, UsageError

MAX_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchored:
    """What came of anchoring."""

    place: str
    size: int
    """Records that the checkpoint there vouches for."""
    was: int | None
    """Of the checkpoint that was there before; None: none was."""
    stamp: Stamp | None = None

    @property
    def is_new(self) -> bool:
        """Whether anything was written."""
        return self.was is None or self.was < self.size


def anchor_file(
    path: Path, folder: Path, newer: tuple[Checkpoint, bytes], keys: Collection[VerifierKey]
) -> Anchored:
    """Keep a checkpoint in a file. Raises DataError when what is there is no beginning of it."""
    from wai_ops.config.files import write_atomically

    at, note = newer
    try:
        with _locked(path.parent):
            old = path.read_bytes() if path.exists() else None
            was = None if old is None else grown(str(path), old, folder, at, keys)
            if was is None or was < at.size:
                write_atomically(path, note)
    except OSError as error:
        raise DataError(
            f"cannot keep the checkpoint: {error.strerror or error}", where=str(path)
        ) from error
    return Anchored(place=str(path), size=at.size, was=was)


def read_anchor_file(path: Path) -> bytes:
    """The content of an anchor. Raises UsageError."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", where=str(path)) from error


def grown(
    place: str, old: bytes, folder: Path, at: Checkpoint, keys: Collection[VerifierKey]
) -> int:
    """The size in an anchor that the log and a checkpoint of it have grown from.

    Raises DataError when the anchor says anything else than they do.
    """
    try:
        was = open_checkpoint(old, keys)
    except BadNoteError as error:
        raise DataError(
            f"what is there is no checkpoint of this log: {error}",
            where=place,
            hint="name another place, or move it away",
        ) from error
    if was.size > at.size:
        raise DataError(
            f"what is there vouches for {was.size:,} records, more than the {at.size:,} here",
            where=place,
            hint="records were lost, or this is an old copy; see: wai audit verify",
        )
    path = folder / FILE_NAME
    seen = verify_lines(islice(read_lines(path, measure(path).whole_bytes), at.size), [was, at])
    if seen.findings:
        raise DataError(
            f"the log is not the one that was anchored: {seen.findings[0].message}",
            where=place,
            hint="see: wai audit verify",
        )
    return was.size


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold a folder against others who anchor there."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
