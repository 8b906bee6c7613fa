"""The emulator's state in one SQLite file, behind one thread that does all of the work in order.

Writes are handed over without waiting and committed in batches; a read waits its turn behind every
write that came before it, so a client always sees the log rows of the answers it has received.
Several processes may use one folder at once.
"""

import asyncio
import fcntl
import json
import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

from wai_ops.core.errors import DataError
from wai_ops.emulator.identity import Identity, new_identity

_T = TypeVar("_T")
MIGRATIONS = ("schema", "schema_2_numbers", "schema_control")
"""The statement files that make the tables, in order; a folder's version is how many it has had."""
FILE_NAME = "emulator.sqlite"
_BUSY_S = 60
_BATCH = 500
_MOST_WAITING = 2000
"""Requests whose rows may wait in memory before the next one has to wait for them."""
_SQL = Path(__file__).with_name("sql")
_log = logging.getLogger(__name__)


@cache
def load_sql(name: str) -> str:
    """The text of one statement file."""
    return (_SQL / f"{name}.sql").read_text("utf-8")


def is_storable(text: str) -> bool:
    """Whether SQLite takes it: JSON can carry halves of characters, UTF-8 cannot."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def storable(text: str) -> str:
    """The text as it can be stored: `?` for what is no character."""
    return text if is_storable(text) else text.encode("utf-8", "replace").decode()


@contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Hold an exclusive lock between processes; the system lets go of it when a process dies."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


Statement = tuple[str, Mapping[str, Any]]
"""The name of a statement file, and its values."""


class Store:
    """Open with `open_store`, close with `close`, which writes what is still waiting."""

    def __init__(self, path: Path, connection: sqlite3.Connection, identity: Identity) -> None:
        """Take over the connection: from here on only the store's own thread touches it."""
        self.identity = identity
        self._path = path
        self._connection = connection
        self._work: SimpleQueue[_Write | Callable[[], None] | None] = SimpleQueue()
        self._failure: sqlite3.Error | None = None
        self._thread = threading.Thread(target=self._run, name="emulator-store", daemon=True)
        self._thread.start()

    def write(self, statement: str, values: Mapping[str, Any]) -> None:
        """Hand over one statement file and its values; never blocks."""
        self._work.put(_Write(((statement, values),)))

    def write_all(self, *statements: Statement) -> None:
        """Hand over statements that belong together: they are on disk all or none."""
        self._work.put(_Write(statements))

    async def room(self) -> None:
        """Wait while too much is waiting to be written: nobody may outrun the disk for ever."""
        if self._work.qsize() > _MOST_WAITING:
            await self.read(lambda _: None)

    async def read(self, query: Callable[[sqlite3.Connection], _T]) -> _T:
        """Run a query behind all writes so far. Raises as it does, or DataError for lost writes."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[_T] = loop.create_future()

        def run() -> None:
            try:
                self._raise_lost_writes()
                result = query(self._connection)
            except Exception as error:  # noqa: BLE001 - handed to the one who waits
                loop.call_soon_threadsafe(_fail, future, error)
            else:
                loop.call_soon_threadsafe(_succeed, future, result)

        self._work.put(run)
        return await future

    def close(self) -> None:
        """Write what is waiting and stop. Raises DataError when a write was lost."""
        self._work.put(None)
        self._thread.join()
        self._raise_lost_writes()

    def _raise_lost_writes(self) -> None:
        if self._failure is not None:
            raise DataError(
                f"the emulator could not write its log: {self._failure}", where=str(self._path)
            ) from self._failure

    def _run(self) -> None:
        waiting: list[_Write] = []
        while True:
            if waiting and (self._work.empty() or len(waiting) >= _BATCH):
                self._commit(waiting)
                waiting = []
            item = self._work.get()
            if isinstance(item, _Write):
                waiting.append(item)
                continue
            if waiting:
                self._commit(waiting)
                waiting = []
            if item is None:
                self._connection.close()
                return
            item()

    def _commit(self, writes: Sequence["_Write"]) -> None:
        connection = self._connection
        try:
            connection.execute("begin immediate")
            for write in writes:
                for statement, values in write.statements:
                    connection.execute(load_sql(statement), values)
            connection.execute("commit")
        except sqlite3.Error as error:
            self._failure = self._failure or error
            _log.error("the emulator could not write %d requests: %s", len(writes), error)
            if connection.in_transaction:
                connection.execute("rollback")


@dataclass(frozen=True, slots=True)
class _Write:
    statements: Sequence[Statement]


def _succeed(future: "asyncio.Future[_T]", result: _T) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: "asyncio.Future[_T]", error: Exception) -> None:
    if not future.done():
        future.set_exception(error)


def open_store(state_dir: Path, *, identity: Identity | None = None) -> Store:
    """Open or create the state of a folder. Raises DataError when that cannot be done.

    `identity` is for a folder that is made now; None: a new account with new tokens.
    """
    path = state_dir / FILE_NAME
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Only one process creates the file; switching to WAL while others look would fail them.
        with file_lock(state_dir / "create.lock"):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            connection = _connect(path)
            try:
                identity = _prepare(connection, identity or new_identity())
            except BaseException:
                connection.close()
                raise
    except OSError as error:
        raise DataError(
            f"the emulator's state folder cannot be used: {error.strerror}",
            where=str(error.filename or state_dir),
            hint="give a folder that you can write to with --state",
        ) from error
    except (sqlite3.Error, ValueError, KeyError) as error:
        raise DataError(
            f"the emulator's state is damaged or not its own: {error}",
            where=str(path),
            hint="move the folder away, or give another one with --state",
        ) from error
    return Store(path, connection, identity)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
    )
    connection.row_factory = sqlite3.Row
    # In WAL mode NORMAL survives a killed process; only a power cut can take the last rows.
    connection.execute("pragma synchronous = normal")
    connection.create_function("decimal_add", 2, _decimal_add, deterministic=True)
    # Typed for aggregates that give numbers; one that gives text is as good.
    connection.create_aggregate("decimal_sum", 1, _DecimalSum)  # type: ignore[arg-type]
    return connection


def _decimal_add(left: str, right: str) -> str:
    return format(Decimal(left) + Decimal(right), "f")


class _DecimalSum:
    """The exact sum of decimal texts; nulls count as nothing."""

    def __init__(self) -> None:
        self._sum = Decimal(0)

    def step(self, text: str | None) -> None:
        if text is not None:
            self._sum += Decimal(text)

    def finalize(self) -> str:
        return format(self._sum, "f")


def _prepare(connection: sqlite3.Connection, identity: Identity) -> Identity:
    version = connection.execute("pragma user_version").fetchone()[0]
    if not 0 <= version <= len(MIGRATIONS):
        raise ValueError(f"schema version {version} is not one of 1 to {len(MIGRATIONS)}")
    if version == 0:
        if connection.execute("select count(*) from sqlite_schema").fetchone()[0]:
            raise ValueError("it holds tables of another program")
        connection.execute("pragma journal_mode = wal")
    if version < len(MIGRATIONS):
        # One transaction, so that a killed process leaves either nothing or everything.
        scripts = ";".join(load_sql(name) for name in MIGRATIONS[version:])
        connection.executescript(f"begin immediate; {scripts}")
        if version == 0:
            _insert_identity(connection, identity)
        connection.execute(f"pragma user_version = {len(MIGRATIONS):d}")
        connection.execute("commit")
    stored = dict(connection.execute("select name, value from identity").fetchall())
    return Identity(
        account_id=stored["account_id"],
        tokens=json.loads(stored["tokens"]),
        token_ids=json.loads(stored["token_ids"]),
    )


def _insert_identity(connection: sqlite3.Connection, identity: Identity) -> None:
    values = {
        "account_id": identity.account_id,
        "tokens": json.dumps(dict(identity.tokens)),
        "token_ids": json.dumps(dict(identity.token_ids)),
    }
    connection.executemany("insert into identity values (?, ?)", values.items())
