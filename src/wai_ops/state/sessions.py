"""Affinity sessions in live state: one row a key. When a session rotates is decided elsewhere."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from wai_ops.core.clock import parse_utc, to_utc_text
from wai_ops.state.live import SESSION, LiveState

_COLUMNS = (
    "affinity_key, tenant, workflow, conversation_id, epoch, reason, created_at, last_used_at, "
    "request_count, wire_key"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One affinity session. `reason` says why this epoch began; `created_at` when."""

    affinity_key: str
    tenant: str
    workflow: str
    conversation_id: str
    epoch: int
    reason: str
    created_at: datetime
    last_used_at: datetime
    request_count: int
    wire_key: str | None = None
    """The key that goes on the wire while this epoch lasts; None: its own."""


def find_session(live: LiveState, affinity_key: str) -> Session | None:
    """Return the key's session, if it ever had one."""
    row = live.execute(
        f"select {_COLUMNS} from session where affinity_key = ?",  # noqa: S608 - fixed columns
        (affinity_key,),
    ).fetchone()
    return None if row is None else _session(row)


def list_sessions(live: LiveState) -> list[Session]:
    """Return all sessions, the most recently used first."""
    rows = live.execute(
        f"select {_COLUMNS} from session order by last_used_at desc, affinity_key"  # noqa: S608 - fixed columns
    )
    return [_session(row) for row in rows.fetchall()]


def save_session(live: LiveState, session: Session, *, begins: bool) -> None:
    """Store a session; when an epoch begins, that is a fact for the ledger. Call in `write()`."""
    values = (
        session.affinity_key,
        session.tenant,
        session.workflow,
        session.conversation_id,
        session.epoch,
        session.reason,
        to_utc_text(session.created_at),
        to_utc_text(session.last_used_at),
        session.request_count,
        session.wire_key,
    )
    live.execute(
        f"insert or replace into session ({_COLUMNS}) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - fixed columns
        values,
    )
    if begins:
        live.append(
            SESSION,
            {
                "affinity_key": session.affinity_key,
                "tenant": session.tenant,
                "workflow": session.workflow,
                "conversation_id": session.conversation_id,
                "epoch": session.epoch,
                "reason": session.reason,
                "at": to_utc_text(session.created_at),
            },
        )


def _session(row: tuple[Any, ...]) -> Session:
    key, tenant, workflow, conversation_id, epoch, reason, created_at, last_used_at, count, wire = (
        row
    )
    return Session(
        affinity_key=key,
        tenant=tenant,
        workflow=workflow,
        conversation_id=conversation_id,
        epoch=epoch,
        reason=reason,
        created_at=parse_utc(created_at),
        last_used_at=parse_utc(last_used_at),
        request_count=count,
        wire_key=wire,
    )
