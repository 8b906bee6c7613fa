"""`wai logs audit`: looks at everything at rest for what should never have been stored.

Each file is read as what it is: SQLite and DuckDB through queries, their write-ahead logs
included, and once more as bytes, because deleted rows stay in a file until it is rewritten;
Parquet through the ledger's reader; all others as bytes.
"""

import gzip
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from wai_ops.core.clock import Clock
from wai_ops.core.errors import DataError, UsageError
from wai_ops.core.table import Table, Unit, Verdict, col
from wai_ops.observe.ledger.lock import ledger_lock
from wai_ops.observe.ledger.texts import database_texts, parquet_texts
from wai_ops.observe.redact.engine import Redactor
from wai_ops.observe.redact.finds import WINDOW, Find, merged
from wai_ops.observe.redact.known import KEY_FILE
from wai_ops.state.texts import sqlite_texts

_LEFT_OUT = ("emulator",)
"""Folders of the state folder that play the other side: they keep tokens and logs of their own."""
_CHUNK = 1024 * 1024
_OVERLAP = 8 * 1024
_LARGE = 64 * 1024 * 1024
_SQLITE = b"SQLite format 3\x00"
_GZIP = b"\x1f\x8b"
_PARQUET = b"PAR1"
_DUCK = b"DUCK"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """One secret in one place. The mask stands for it: the secret itself is never shown."""

    place: str = col("Place")
    kind: str = col("Kind")
    found_count: int = col("Found", Unit.COUNT)
    mask: str = col("Mask")


@dataclass(slots=True)
class _Audit:
    redactor: Redactor
    state_dir: Path
    say: Callable[[str], None]
    found: Counter[tuple[str, str, str]]
    place: str = ""
    file_count: int = 0
    byte_count: int = 0

    def note(self, kind: str, mask: str) -> None:
        self.found[self.place, kind, mask] += 1


def audit(
    state_dir: Path,
    paths: Iterable[Path],
    redactor: Redactor,
    clock: Clock,
    say: Callable[[str], None] = lambda _: None,
) -> Table[AuditRow]:
    """Look at the state folder and at `paths` (files or folders); FAIL when anything is found.

    `say` is told of large files. Raises DataError for what cannot be read, UsageError for a path
    that does not exist.
    """
    run = _Audit(redactor, state_dir, say, Counter())
    redactor.on_mask = run.note
    try:
        if state_dir.is_dir():
            with ledger_lock(state_dir, clock):
                for path in _files(state_dir, skips=_LEFT_OUT):
                    if path != state_dir / KEY_FILE:
                        _look(run, path, f"{state_dir.name}/{path.relative_to(state_dir)}")
        for given in paths:
            if not given.exists():
                raise UsageError("there is no such file or folder", where=str(given))
            for path in _files(given):
                _look(run, path, str(path))
    finally:
        redactor.on_mask = None
    return _table(run)


def _table(run: _Audit) -> Table[AuditRow]:
    rows = [
        AuditRow(place=place, kind=kind, found_count=count, mask=mask)
        for (place, kind, mask), count in sorted(run.found.items())
    ]
    notes = [
        f"{run.file_count:,} files, {run.byte_count:,} bytes looked at",
        (
            "left out: the key of the masks, and the local emulator's folder, which plays the "
            "other side; name it to have it looked at"
        ),
        "a secret with no shape that this process does not know cannot be found",
    ]
    if rows:
        notes.append("revoke what was found, then remove it: a copy may exist elsewhere")
    verdict = Verdict.FAIL if rows else Verdict.PASS
    return Table(row_type=AuditRow, rows=rows, notes=tuple(notes), verdict=verdict)


def _files(root: Path, skips: tuple[str, ...] = ()) -> Iterator[Path]:
    """Regular files below a folder, in order; a link is not followed."""
    if not root.is_dir():
        yield root
        return
    for folder, names, files in os.walk(root):
        if Path(folder) == root:
            names[:] = [name for name in names if name not in skips]
        names.sort()
        for name in sorted(files):
            path = Path(folder) / name
            if path.is_file() and not path.is_symlink():
                yield path


def _look(run: _Audit, path: Path, label: str) -> None:
    run.place = "(the name of a file)"
    name = run.redactor.text(label)
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(16)
    except FileNotFoundError:
        return  # another process has just removed it
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=name) from error
    run.file_count += 1
    run.byte_count += size
    if size > _LARGE:
        run.say(f"looking at {name}, {size / 1e6:,.0f} MB")
    run.place = name
    if head.startswith(_SQLITE):
        _values(run, name, sqlite_texts(path))
        _pages(run, f"{name} (bytes)", path, _surely)
    elif head[8:12] == _DUCK:
        texts = database_texts(path, run.state_dir, run.redactor.prefilter)
        _values(run, name, ((column, text.encode()) for column, text in texts))
        _pages(run, f"{name} (bytes)", path, _known)
    elif head.startswith(_PARQUET):
        texts = parquet_texts(path, run.state_dir, run.redactor.prefilter)
        _values(run, name, ((column, text.encode()) for column, text in texts))
    elif path.suffix == ".wal":
        _pages(run, name, path, _known)
    elif path.name.endswith("-wal"):
        _pages(run, name, path, _surely)
    elif head.startswith(_GZIP):
        _bytes(run, name, path, opens=_gunzipped)
    else:
        _bytes(run, name, path)


def _values(run: _Audit, name: str, values: Iterator[tuple[str, bytes]]) -> None:
    for column, value in values:
        run.place = f"{name} {column}"
        run.redactor.raw(value)


def _plain(path: Path) -> BinaryIO:
    return path.open("rb")


def _gunzipped(path: Path) -> BinaryIO:
    return cast("BinaryIO", gzip.open(path, "rb"))


def _bytes(run: _Audit, place: str, path: Path, opens: Callable[[Path], BinaryIO] = _plain) -> None:
    """Read a file as a stream of bytes; what is found is told, what comes out is dropped."""
    run.place = place
    stream = run.redactor.stream()
    try:
        with closing(opens(path)) as file:
            while chunk := file.read(_CHUNK):
                stream.feed(chunk)
    except (OSError, EOFError) as error:
        raise DataError(f"cannot be read: {error}", where=place) from error
    stream.finish()


def _surely(redactor: Redactor, window: bytes) -> list[Find]:
    """What is known, or has a prefix that says it all: words before a value mean little in a page
    of a database, where texts are cut and joined.
    """
    return merged([found for found in redactor.find(window) if found.rank <= 1])


def _known(redactor: Redactor, window: bytes) -> list[Find]:
    return merged(list(redactor.known_in(window)))


def _pages(
    run: _Audit, place: str, path: Path, look: Callable[[Redactor, bytes], list[Find]]
) -> None:
    """Look at a file whose bytes are no running text, deleted rows included."""
    run.place = place
    rest = b""
    with path.open("rb") as file:
        while chunk := file.read(WINDOW):
            window = rest + chunk
            for found in look(run.redactor, window):
                # What ends within the overlap was told with the chunk before.
                if found.end > len(rest):
                    run.note(found.kind, run.redactor.mask(found.kind, found.secret).decode())
            rest = window[-_OVERLAP:]
