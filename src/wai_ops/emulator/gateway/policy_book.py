"""The policies of each gateway: drafts and committed ones in the store, the live in memory."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from wai_ops.emulator.control.documents import Document, Documents, Table, gateway_parent
from wai_ops.emulator.gateway.policies.policy import Policy, PolicyError, parse_policy
from wai_ops.emulator.gateway.policies.propagation import Propagation

_T = TypeVar("_T")
COMMITTED = "policy"
DRAFT = "policy_draft"


class PolicyBook:
    """Only for the server's own thread."""

    def __init__(self, documents: Documents) -> None:
        """Nothing is read yet."""
        self._documents = documents
        self._books: dict[str, Propagation[Policy]] = {}

    async def seen(self, gateway_id: str, now: datetime) -> tuple[Policy, ...]:
        """The policies that a request meets at that time."""
        book = self._books.get(gateway_id)
        return (book or await self._open(gateway_id)).seen(now)

    async def change(
        self, gateway_id: str, work: Callable[[Table], _T], *, now: datetime, delay_s: float = 0.0
    ) -> _T:
        """Run a change of the stored policies; what is committed is in force `delay_s` later."""
        book = self._books.get(gateway_id) or await self._open(gateway_id)

        def changed(table: Table) -> tuple[_T, list[Document]]:
            return work(table), table.all(COMMITTED, gateway_parent(gateway_id))

        result, committed = await self._documents.change(changed)
        book.commit(_parsed(committed), now, delay_s=delay_s)
        return result

    def forget(self, gateway_id: str) -> None:
        """Read the gateway's policies anew when they are next needed."""
        self._books.pop(gateway_id, None)

    async def _open(self, gateway_id: str) -> Propagation[Policy]:
        committed = await self._documents.read(
            lambda table: table.all(COMMITTED, gateway_parent(gateway_id))
        )
        # Another request may have opened it in the meantime, and a change may have begun on it.
        return self._books.setdefault(gateway_id, Propagation(_parsed(committed)))


def parse_stored(document: Document) -> Policy:
    """The policy of a stored document. Raises PolicyError."""
    return parse_policy({**document.body, "id": document.id})


def compile_error(body: Mapping[str, Any]) -> str | None:
    """What is wrong with a policy; None when nothing is."""
    try:
        parse_policy(body)
    except PolicyError as error:
        return str(error)
    return None


def _parsed(documents: list[Document]) -> list[Policy]:
    return [parse_stored(document) for document in documents]
