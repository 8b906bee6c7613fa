"""Bodies and the tool calls that they hold: redacted before they come here."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb

from wai_ops.observe.ledger.database import run
from wai_ops.observe.ledger.naive import columns


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """A redacted body."""

    log_id: str
    created_at: datetime
    kind: str
    content: str
    is_truncated: bool
    redacted_count: int
    fetched_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundTool:
    """A tool call that a response body holds."""

    log_id: str
    tool_call_id: str | None
    tool_name: str
    tool_family: str
    arguments_sha256: str


def add_bodies(
    connection: duckdb.DuckDBPyConnection,
    bodies: Sequence[Body],
    tools: Sequence[FoundTool],
    *,
    since: datetime,
    until: datetime,
) -> None:
    """Store bodies in place of earlier ones of their rows, which ended in [since, until], naive."""
    if not bodies:
        return
    log_ids = sorted({body.log_id for body in bodies})
    run(connection, "pulls/bodies_delete", log_ids=log_ids)
    run(connection, "pulls/bodies_insert", **columns(bodies, Body))
    run(connection, "pulls/tools_delete", log_ids=log_ids)
    if tools:
        span = {"since": since, "until": until}
        run(connection, "pulls/tools_insert", **columns(tools, FoundTool), **span)


def add_redacted(
    connection: duckdb.DuckDBPyConnection,
    found: Iterable[Mapping[str, int]],
    *,
    origin: str,
    at: datetime,
) -> None:
    """Note what was removed from bodies, by kind; `at` is naive."""
    removed: Counter[str] = Counter()
    for counts in found:
        removed.update(counts)
    if removed:
        run(
            connection,
            "pulls/redaction_insert",
            origin=origin,
            kind=list(removed),
            removed_count=list(removed.values()),
            redacted_at=at,
        )
