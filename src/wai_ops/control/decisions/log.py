"""The decision log: one file to which many processes add records, each told only once it is kept.

Every line names its place (`seq`) and the leaf hash of the line before (`prev`). A batch is one
write and one sync under a lock; whoever calls `append` acts only after it has returned. The file
is never rewritten. If the end was left by a writer that died, its bytes, of which nobody was ever
told that they are kept, are moved to `torn/` by the next one, and a `repair` record says so.
"""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wai_ops.config.files import make_state_folder
from wai_ops.control.decisions.merkle import leaf_hash
from wai_ops.control.decisions.record import (
    MAX_RECORD_BYTES,
    VERSION,
    Repair,
    encode,
    to_fields,
)
from wai_ops.control.decisions.tail import MAX_BATCH, WINDOW_BYTES, read_tail
from wai_ops.core.clock import Clock
from wai_ops.core.errors import DataError
from wai_ops.core.ids import uuid7

FOLDER_NAME = "decisions"
"""Within the state folder."""
FILE_NAME = "decisions.jsonl"
TORN_FOLDER = "torn"
FIRST_PREV = "0" * 64
"""Stands in `prev` of the first record."""
_VERIFY = "see what it is: wai audit verify"


@dataclass(frozen=True, slots=True)
class _End:
    """Where the log ends and what the next record refers to."""

    size: int
    """Bytes of whole records."""
    next_seq: int
    prev: str


class DecisionLog:
    """The log of one folder. May be shared between threads; survives a fork."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        """Nothing is made or opened before the first record."""
        self.path = folder / FILE_NAME
        self._folder = folder
        self._clock = clock
        self._thread_lock = threading.Lock()
        self._descriptor: int | None = None
        self._pid = 0
        self._known: _End | None = None

    def close(self) -> None:
        """Close the file; the next append opens it again."""
        with self._thread_lock:
            self._close()

    def append(self, *records: Mapping[str, Any]) -> None:
        """Add records, all or none; when this returns they are on disk.

        Raises DataError: then none of them counts, whatever the reason.
        """
        if not 0 < len(records) < MAX_BATCH:  # one is left for a repair
            raise ValueError(f"a batch holds 1 to {MAX_BATCH - 1} records, not {len(records)}")
        if self._pid not in (0, os.getpid()):  # the fork may have happened while it was held
            self._thread_lock = threading.Lock()
        with self._thread_lock, self._translated(), self._locked() as descriptor:
            end, repair = self._find_end(descriptor)
            self._known = None
            batch, after = self._chained(end, (*repair, *records))
            _write(descriptor, batch, end.size)
            self._known = after

    def _chained(self, end: _End, records: tuple[Mapping[str, Any], ...]) -> tuple[bytes, _End]:
        lines = []
        seq, prev = end.next_seq, end.prev
        for record in records:
            line = encode({"v": VERSION, "seq": seq, "prev": prev, **record})
            if len(line) > MAX_RECORD_BYTES:
                raise DataError(
                    f"a decision record of {len(line):,} bytes is too large",
                    hint=f"a record holds {MAX_RECORD_BYTES:,} bytes at most",
                )
            lines.append(line + b"\n")
            seq, prev = seq + 1, leaf_hash(line).hex()
        batch = b"".join(lines)
        return batch, _End(end.size + len(batch), seq, prev)

    def _find_end(self, descriptor: int) -> tuple[_End, tuple[dict[str, Any], ...]]:
        """Where to go on, and the record of a repair if one was needed."""
        size = os.fstat(descriptor).st_size
        if self._known is not None and self._known.size == size:
            return self._known, ()
        start = max(0, size - WINDOW_BYTES)
        window = _read(descriptor, start, size)
        if start:  # begin with a line
            skipped = window.find(b"\n") + 1
            start, window = start + skipped, window[skipped:]
        tail = read_tail(window)
        if tail is None:
            raise DataError(f"the end of {self.path} is damaged", hint=_VERIFY)
        end = self._after(start + tail.end, tail.last)
        torn = window[tail.end :]
        return end, (self._set_aside(descriptor, end, torn),) if torn else ()

    def _after(self, size: int, last: bytes | None) -> _End:
        if last is None:
            return _End(size, 0, FIRST_PREV)
        try:
            seq = json.loads(last)["seq"]
        except (ValueError, TypeError, KeyError) as error:
            raise DataError(f"the last line of {self.path} is no record", hint=_VERIFY) from error
        if type(seq) is not int or seq < 0:
            raise DataError(f"the last line of {self.path} has no number", hint=_VERIFY)
        return _End(size, seq + 1, leaf_hash(last).hex())

    def _set_aside(self, descriptor: int, end: _End, torn: bytes) -> dict[str, Any]:
        """Move what a dead writer left out of the way: kept first, then cut."""
        digest = hashlib.sha256(torn).hexdigest()
        folder = self._folder / TORN_FOLDER
        folder.mkdir(mode=0o700, exist_ok=True)
        name = f"{end.next_seq}-{digest[:12]}"
        kept = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            _write_all(kept, torn)
            os.fsync(kept)
        finally:
            os.close(kept)
        _sync_folder(folder)
        _sync_folder(self._folder)
        os.ftruncate(descriptor, end.size)
        now = self._clock.now()
        return to_fields(
            Repair(
                id=uuid7(now),
                at=now,
                cut_bytes=len(torn),
                cut_sha256=digest,
                kept_as=f"{TORN_FOLDER}/{name}",
            )
        )

    @contextlib.contextmanager
    def _locked(self) -> Iterator[int]:
        """The open file, held against all other writers; it is the one that has the name."""
        while True:
            descriptor = self._open()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            try:
                if self._is_current(descriptor):
                    yield descriptor
                    return
            finally:
                fcntl.flock(descriptor, fcntl.LOCK_UN)
            self._close()

    def _is_current(self, descriptor: int) -> bool:
        try:
            named = self.path.lstat()
        except FileNotFoundError:
            return False
        held = os.fstat(descriptor)
        return (named.st_dev, named.st_ino) == (held.st_dev, held.st_ino)

    def _open(self) -> int:
        if self._descriptor is not None and self._pid == os.getpid():
            return self._descriptor
        # A forked child shares the lock of its parent's descriptor: it must have its own.
        self._close()
        flags = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            self._descriptor = os.open(self.path, flags)
        except FileNotFoundError:
            self._make_folder()
            self._descriptor = os.open(self.path, flags | os.O_CREAT, 0o600)
            _sync_folder(self._folder)
        self._pid = os.getpid()
        return self._descriptor

    def _make_folder(self) -> None:
        state_dir = self._folder.parent
        is_new = not state_dir.exists()
        make_state_folder(state_dir, self._folder.name)
        _sync_folder(state_dir)
        if is_new:
            _sync_folder(state_dir.parent)

    def _close(self) -> None:
        self._known = None
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            raise DataError(
                f"cannot record a decision: {error.strerror or error}",
                where=str(self.path),
                hint="free some space: without a record nothing is done"
                if is_full
                else "make the file writable: without a record nothing is done",
            ) from error


def _write(descriptor: int, batch: bytes, start: int) -> None:
    """Add a batch and wait until it is on disk; if that fails, take back what was written."""
    try:
        _write_all(descriptor, batch)
        os.fsync(descriptor)
    except BaseException:
        # If this fails as well, what is left is a torn end, which the next writer sets aside, or
        # whole records of an action that was never done: its outcome is called unknown.
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, start)
        raise


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def _read(descriptor: int, start: int, end: int) -> bytes:
    found = bytearray()
    while start + len(found) < end:
        piece = os.pread(descriptor, end - start - len(found), start + len(found))
        if not piece:
            break
        found += piece
    return bytes(found)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
