"""Opening the live-state database, and turning SQLite's errors into words with a next step."""

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from wai_ops.core.errors import DataError

FILE_NAME = "state.sqlite"
APPLICATION_ID = 0x57414931
"""Marks the file as ours ("WAI1"), so that a foreign database is never written to."""
MIGRATIONS = (
    "001_initial",
    "002_masked_turns",
    "003_openings",
    "004_reservations",
    "005_checkpoints",
)
BUSY_TIMEOUT_S = 60.0
"""How long a writer waits for the others; a write takes about a millisecond."""


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn any SQLite or file-system error inside the block into a DataError about `path`."""
    try:
        yield
    except sqlite3.Error as error:
        raise DataError(_message(path, error), hint=_hint(path, error)) from error
    except OSError as error:
        raise DataError(
            f"cannot use the state folder {path.parent}: {error.strerror or error}",
            hint="make it writable, or set WAI_STATE_DIR to another folder",
        ) from error


def open_database(
    path: Path, initialise: Callable[[sqlite3.Connection], None]
) -> sqlite3.Connection:
    """Open the database, creating or migrating it first if needed. Raises DataError."""
    with translated(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            _create_private(path)
        connection = _connect(path)
        if _version(connection, path) < len(MIGRATIONS):
            _migrate(connection, path, initialise)
        return connection


def _create_private(path: Path) -> None:
    # SQLite would create the file with the umask's rights; prompts are nobody else's business.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
    # NORMAL in WAL mode: a commit survives the death of the process at any point. A power cut may
    # lose the last commits but never damages the file.
    connection.execute("pragma synchronous = normal")
    return connection


def _version(connection: sqlite3.Connection, path: Path) -> int:
    """Return the schema version; refuse what is not ours or comes from the future."""
    # In this order, because another process may be setting the file up between two of these, in
    # one transaction: whoever has seen its tables then sees its mark, too.
    version: int = connection.execute("pragma user_version").fetchone()[0]
    tables: int = connection.execute("select count(*) from sqlite_schema").fetchone()[0]
    application: int = connection.execute("pragma application_id").fetchone()[0]
    if application == 0 and version == 0 and tables == 0:
        return 0
    if application != APPLICATION_ID:
        raise DataError(
            f"{path} is a database of another program",
            hint="move it away, or set WAI_STATE_DIR to another folder",
        )
    if version > len(MIGRATIONS):
        raise DataError(
            f"{path} was written by a newer wai (schema {version}, this one knows "
            f"{len(MIGRATIONS)})",
            hint="upgrade wai",
        )
    return version


def _migrate(
    connection: sqlite3.Connection, path: Path, initialise: Callable[[sqlite3.Connection], None]
) -> None:
    # Many processes may start at once on a new folder. Switching to WAL ignores the busy timeout,
    # so the first ones queue on a lock of their own.
    lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        version = _version(connection, path)
        if version == 0:
            connection.execute("pragma journal_mode = wal")
        for number, name in enumerate(MIGRATIONS[version:], start=version + 1):
            script = (Path(__file__).parent / "sql" / f"{name}.sql").read_text("utf-8")
            connection.execute("begin immediate")
            try:
                for statement in _statements(script):
                    connection.execute(statement)
                if number == 1:
                    initialise(connection)
                connection.execute(f"pragma application_id = {APPLICATION_ID:d}")
                connection.execute(f"pragma user_version = {number:d}")
            except BaseException:
                connection.execute("rollback")
                raise
            connection.execute("commit")
    finally:
        os.close(lock)


def _statements(script: str) -> Iterator[str]:
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _message(path: Path, error: sqlite3.Error) -> str:
    name = getattr(error, "sqlite_errorname", "")
    if name in {"SQLITE_NOTADB", "SQLITE_CORRUPT"} or name.startswith("SQLITE_CORRUPT_"):
        return f"{path} is damaged or not a database ({error})"
    if name.startswith("SQLITE_BUSY"):
        return f"{path} stayed locked for {BUSY_TIMEOUT_S:.0f} s"
    if name == "SQLITE_FULL":
        return f"{path} cannot grow: the disk is full"
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
        return f"cannot write {path}: {error}"
    return f"cannot use {path}: {error}"


def _hint(path: Path, error: sqlite3.Error) -> str:
    name = getattr(error, "sqlite_errorname", "")
    if name == "SQLITE_FULL" or name.startswith("SQLITE_IOERR"):
        return "free some space, or set WAI_STATE_DIR to a folder on another disk"
    if name.startswith("SQLITE_BUSY"):
        return "see which process holds it, for example with: fuser -v " + str(path)
    if name in {"SQLITE_NOTADB", "SQLITE_CORRUPT"} or name.startswith("SQLITE_CORRUPT_"):
        return f"move it away (mv {path} {path}.damaged): what was folded is safe in the ledger"
    return "make the folder writable, or set WAI_STATE_DIR to another folder"
