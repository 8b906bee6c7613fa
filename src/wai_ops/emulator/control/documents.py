"""The settings of the control plane, kept as JSON documents in the emulator's store."""

import json
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from wai_ops.core.clock import Clock
from wai_ops.emulator.store import Store, load_sql
from wai_ops.emulator.times import to_millis_text

_T = TypeVar("_T")
ACCOUNT = ""
"""The parent of what belongs to no gateway, route or Worker."""


def gateway_parent(gateway_id: str) -> str:
    """The parent of what belongs to a gateway."""
    return f"gateway/{gateway_id}"


def is_unicode(text: str) -> bool:
    """Whether the text can be encoded: JSON may carry half a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One document; times as the API writes them."""

    id: str
    body: dict[str, Any]
    created_at: str
    modified_at: str

    def to_json(self) -> dict[str, Any]:
        """The body with its id and times, as most of the API shows a resource."""
        return {
            "id": self.id,
            **self.body,
            "created_at": self.created_at,
            "modified_at": self.modified_at,
        }


class Table:
    """The documents inside one transaction."""

    def __init__(self, connection: sqlite3.Connection, at: str) -> None:
        """`at`: the time that changes carry."""
        self.connection = connection
        self.at = at

    def all(self, kind: str, parent: str = ACCOUNT) -> list[Document]:
        """In the order in which they were made."""
        values = {"kind": kind, "parent": parent}
        rows = self.connection.execute(load_sql("control/list_documents"), values)
        return [_document(row) for row in rows]

    def count(self, kind: str, parent: str = ACCOUNT) -> int:
        """How many there are."""
        values = {"kind": kind, "parent": parent}
        row = self.connection.execute(load_sql("control/count_documents"), values).fetchone()
        return int(row[0])

    def get(self, kind: str, parent: str, document_id: str) -> Document | None:
        """One of them."""
        if not is_unicode(document_id):
            return None  # nothing can have such an id, and the database takes no such text
        values = {"kind": kind, "parent": parent, "id": document_id}
        row = self.connection.execute(load_sql("control/get_document"), values).fetchone()
        return None if row is None else _document(row)

    def put(self, kind: str, parent: str, document_id: str, body: Mapping[str, Any]) -> Document:
        """Make it, or give it a new body."""
        text = json.dumps(body)
        values = {"kind": kind, "parent": parent, "id": document_id, "body": text, "at": self.at}
        self.connection.execute(load_sql("control/put_document"), values)
        found = self.get(kind, parent, document_id)
        assert found is not None
        return found

    def delete(self, kind: str, parent: str, document_id: str) -> bool:
        """Whether there was one to delete."""
        values = {"kind": kind, "parent": parent, "id": document_id}
        done = self.connection.execute(load_sql("control/delete_document"), values)
        return done.rowcount > 0

    def delete_below(self, parent: str) -> None:
        """Delete all that belongs to a parent, and what belongs to that."""
        self.connection.execute(load_sql("control/delete_below"), {"parent": parent})


class Documents:
    """Reading and changing them, one transaction at a time."""

    def __init__(self, store: Store, clock: Clock) -> None:
        """Nothing is read yet."""
        self._store = store
        self._clock = clock

    async def read(self, query: Callable[[Table], _T]) -> _T:
        """Run a query. Raises what it raises."""
        at = to_millis_text(self._clock.now())
        return await self._store.read(lambda connection: query(Table(connection, at)))

    async def change(self, work: Callable[[Table], _T]) -> _T:
        """Run a change, all or nothing: when it raises, nothing has changed."""
        at = to_millis_text(self._clock.now())

        def transaction(connection: sqlite3.Connection) -> _T:
            connection.execute("begin immediate")
            try:
                result = work(Table(connection, at))
                connection.execute("commit")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("rollback")
                raise
            return result

        return await self._store.read(transaction)


def _document(row: sqlite3.Row) -> Document:
    return Document(
        id=row["id"],
        body=json.loads(row["body"]),
        created_at=row["created_at"],
        modified_at=row["modified_at"],
    )
