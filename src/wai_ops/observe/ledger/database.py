"""Opening the ledger's DuckDB file, and turning DuckDB's errors into words with a next step.

The file appears whole or not at all: it is made under another name and renamed, so a kill while it
is being made leaves nothing that has to be understood later. A file that is not ours is never
written to; ours is recognised by its mark in `wai_meta`.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb

from wai_ops._version import __version__
from wai_ops.core.clock import Clock, to_utc_text
from wai_ops.core.errors import DataError
from wai_ops.core.text import one_line
from wai_ops.observe.ledger.paths import ledger_path, scratch_dir, wal_path
from wai_ops.observe.ledger.signals import deferred_signals, interruptible

APPLICATION = "wai-ops ledger"
MIGRATIONS = (
    "0001_initial",
    "0002_gateway",
    "0003_conversations",
    "0004_refusals",
    "0005_stored_calls",
    "0006_fewer_columns",
    "0007_told_usage",
)
MEMORY_LIMIT = "800MB"
"""More than any query here needs; beyond it DuckDB spills into the scratch folder."""
_MAX_THREADS = 4
_DISK_FULL = (
    "No space left on device",
    "File too large",
    "Disk quota exceeded",
    "Could not write all bytes",
)


class DamagedError(DataError):
    """DuckDB cannot make sense of a file: not a matter of space, access or another program."""


@cache
def statement(name: str) -> str:
    """Return the text of `sql/<name>.sql` beside this module."""
    return (files(__package__) / "sql" / f"{name}.sql").read_text("utf-8")


def run(
    connection: duckdb.DuckDBPyConnection, name: str, **parameters: Any
) -> list[tuple[Any, ...]]:
    """Run `sql/<name>.sql` to its end, whatever signal arrives, and return its rows."""
    if not _only_reads(name):
        _changed.add(id(connection))
    with deferred_signals():
        return connection.execute(statement(name), parameters or None).fetchall()


def run_long(
    connection: duckdb.DuckDBPyConnection, name: str, **parameters: Any
) -> list[tuple[Any, ...]]:
    """As `run`, for what may take minutes: a signal stops it, and with it the transaction.

    Not for COPY, which can wait for itself forever when it is stopped.
    """
    _changed.add(id(connection))
    return interruptible(
        lambda: connection.execute(statement(name), parameters or None).fetchall(),
        connection.interrupt,
    )


@cache
def _only_reads(name: str) -> bool:
    code = (line for line in statement(name).split("\n") if not line.startswith("--"))
    return "".join(code).lstrip().split(maxsplit=1)[0].lower() in _READING


_READING = {"select", "from", "with", "describe", "set"}
_changed: set[int] = set()
"""Connections in whose transaction something may have been changed, by `id`."""


def run_count(connection: duckdb.DuckDBPyConnection, name: str, **parameters: Any) -> int:
    """Run a statement that answers with one number: rows written, or a count."""
    count: int = run(connection, name, **parameters)[0][0]
    return count


@contextmanager
def translated(path: Path, *, hint: str | None = None) -> Iterator[None]:
    """Turn any DuckDB or file-system error inside the block into a DataError about `path`.

    `hint` is the next step where neither space nor access is the trouble.
    """
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise DataError(
            f"cannot use {path}: {first_line(error)}", hint="close other programs and try again"
        ) from error
    except duckdb.Error as error:
        raise _data_error(path, first_line(error), hint) from error
    except OSError as error:
        raise _data_error(path, error.strerror or str(error), hint) from error


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Everything in the block is committed together, or nothing is."""
    _begin(connection)
    try:
        yield
        with deferred_signals():
            connection.commit()
    except BaseException:
        # After a commit, failed or followed by a signal, there is nothing to roll back.
        with deferred_signals(), suppress(duckdb.Error):
            connection.rollback()
        raise


def is_unchanged(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether nothing was changed yet, by way of `run`, in the transaction that is open."""
    return id(connection) not in _changed


def restart(connection: duckdb.DuckDBPyConnection) -> None:
    """Give up what was done in the transaction that is open, and begin it anew."""
    with deferred_signals():
        connection.rollback()
        _begin(connection)


def _begin(connection: duckdb.DuckDBPyConnection) -> None:
    connection.begin()
    _changed.discard(id(connection))


@contextmanager
def open_ledger_file(state_dir: Path, clock: Clock) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the ledger for writing, made or migrated first if needed. Call under the lock.

    Raises DataError, and then has changed nothing.
    """
    path = ledger_path(state_dir)
    with translated(path):
        empty_scratch(state_dir)
        if not path.exists() and not path.is_symlink():
            _create(path, state_dir, clock)
        refuse_foreign(path)
        if wal_path(path).exists():
            # Opening for writing would replay the log into the file; look at it first.
            with connected(path, state_dir, read_only=True) as connection:
                schema_version(connection, path)
        with connected(path, state_dir) as connection:
            migrate(connection, schema_version(connection, path), clock)
            yield connection


@contextmanager
def connected(
    path: Path, state_dir: Path, *, read_only: bool = False
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a DuckDB file with the settings that every connection here has."""
    connection = duckdb.connect(path, read_only=read_only, config=_config(state_dir))
    try:
        connection.execute("set TimeZone = 'UTC'")
        yield connection
    finally:
        # A database that failed for good cannot be closed in order.
        with deferred_signals(), suppress(duckdb.Error):
            connection.close()


def make_ledger_file(path: Path, state_dir: Path, clock: Clock) -> None:
    """Make a new, empty ledger at `path`, which must not exist."""
    with connected(path, state_dir) as connection:
        migrate(connection, 0, clock)
        # Closing does this too, and keeps silent when the disk is full: half a file would remain.
        connection.execute("checkpoint")
    path.chmod(0o600)
    sync_file(path)


def refuse_foreign(path: Path) -> None:
    """Raise DataError when what lies at `path` cannot be a DuckDB file."""
    aside = f"move it away (mv {path} {path}.aside): the next command makes the ledger anew"
    if not path.is_file():
        raise DataError(f"{path} is not a file", hint=aside)
    with path.open("rb") as file:
        if file.read(12)[8:] != b"DUCK":
            raise DataError(f"{path} is not a DuckDB database; it was left alone", hint=aside)


def schema_version(connection: duckdb.DuckDBPyConnection, path: Path) -> int:
    """Return the ledger's schema version. Raises DataError for another program's or a newer one."""
    meta = {}
    # Asking the catalogue whether the table is there takes ten times as long as asking the table.
    with suppress(duckdb.CatalogException, duckdb.BinderException):
        meta = dict(run(connection, "store/meta"))
    if meta.get("application") != APPLICATION:
        raise DataError(
            f"{path} is a database of another program; it was left alone",
            hint=f"move it away (mv {path} {path}.aside), or set WAI_STATE_DIR to another folder",
        )
    version = int(meta["schema_version"])
    if version > len(MIGRATIONS):
        raise DataError(
            f"{path} was written by a newer wai (schema {version}, this one knows "
            f"{len(MIGRATIONS)})",
            hint="upgrade wai",
        )
    return version


def migrate(connection: duckdb.DuckDBPyConnection, version: int, clock: Clock) -> None:
    """Bring the schema from `version` to the newest, all at once or not at all."""
    if version == len(MIGRATIONS):
        return
    with transaction(connection):
        for name in MIGRATIONS[version:]:
            run(connection, f"schema/{name}")
        if version == 1:  # its attempts have no calls yet
            for name in ("side_all", "client_insert", "all_dirty", "all_flags"):
                run(connection, f"calls/{name}")
        meta = {"schema_version": str(len(MIGRATIONS))}
        if version == 0:
            created = {"created_at": to_utc_text(clock.now()), "created_by": f"wai {__version__}"}
            meta = {"application": APPLICATION} | created | meta
        for key, value in meta.items():
            run(connection, "store/meta_set", key=key, value=value)


def empty_scratch(state_dir: Path) -> None:
    """Remove what a killed process left in the scratch folder, which holds files of ours only."""
    scratch = scratch_dir(state_dir)
    scratch.mkdir(mode=0o700, exist_ok=True)
    for path in scratch.iterdir():
        if path.is_file():
            path.unlink()


def sync_file(path: Path) -> None:
    """Make a file's content outlive a power cut."""
    _sync(path, os.O_RDONLY)


def sync_folder(path: Path) -> None:
    """Make the names in a folder outlive a power cut."""
    _sync(path, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))


def first_line(error: Exception) -> str:
    """DuckDB's message without its traceback, hints and drawings."""
    return one_line(str(error).strip().split("\n", 1)[0])


def _create(path: Path, state_dir: Path, clock: Clock) -> None:
    made = scratch_dir(state_dir) / "new.duckdb"
    make_ledger_file(made, state_dir, clock)
    orphan = wal_path(path)
    if orphan.exists():  # it belonged to a ledger that somebody removed; it must not be replayed
        orphan.rename(orphan.with_name(f"{orphan.name}.orphan"))
    made.rename(path)
    sync_folder(state_dir)


def _config(state_dir: Path) -> dict[str, str | bool | int | float | list[str]]:
    return {
        "memory_limit": MEMORY_LIMIT,
        "threads": min(_MAX_THREADS, os.cpu_count() or 1),
        "temp_directory": str(scratch_dir(state_dir)),
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "allow_community_extensions": False,
        "python_enable_replacements": False,
    }


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _data_error(path: Path, text: str, hint: str | None) -> DataError:
    if full := next((words for words in _DISK_FULL if words in text), None):
        return DataError(
            f"cannot write {path}: {full}",
            hint="free some space, or set WAI_STATE_DIR to a folder on another disk; "
            "nothing that was recorded is lost",
        )
    if "Could not set lock" in text:
        return DataError(
            f"{path} is open in another program: {text}",
            hint="close it there (a DuckDB shell, a notebook), then try again",
        )
    if "Permission denied" in text or "Read-only file system" in text:
        return DataError(
            f"cannot use {path}: {text}",
            hint="make the folder writable, or set WAI_STATE_DIR to another folder",
        )
    return DamagedError(
        f"cannot use {path}: {text}",
        hint=hint or "if it is damaged, `wai ledger rebuild` makes it anew from the archive",
    )
