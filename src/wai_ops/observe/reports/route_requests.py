"""Recorded requests as routing sees them: one value a request, conversations in order."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal

from wai_ops.observe.ledger.database import translated
from wai_ops.observe.ledger.signals import interruptible
from wai_ops.observe.ledger.store import Store, to_aware
from wai_ops.observe.reports.query import filled_text
from wai_ops.observe.reports.slice import Slice

_ROWS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteRequest:
    """A row of `route_requests.sql`. The models are those that were asked for."""

    started_at: datetime
    tenant: str | None
    workflow: str | None
    conversation_id: str | None
    turn_index: int | None
    run_id: str | None
    first_model: str | None
    first_error_type: str | None
    model: str | None
    """Of the last attempt."""
    error_type: str | None
    """Of the last attempt; None: it succeeded."""
    input_tokens: int | None
    cached_input_tokens: int | None
    output_tokens: int | None
    max_output_tokens: int | None
    affinity_epoch: int | None
    is_gateway_cache_hit: bool
    attempt_count: int
    cost_usd: Decimal | None
    """Of all attempts; None: of one of them it is not known."""


def route_requests(store: Store, part: Slice) -> Iterator[RouteRequest]:
    """The requests of the slice, in constant memory. Raises DataError.

    Nothing else may be asked of the store until all have been taken.
    """
    text, values = filled_text("route_requests", part)
    connection = store.connection
    with translated(store.path):
        interruptible(lambda: connection.execute(text, values or None), connection.interrupt)
        names = [column[0] for column in connection.description or ()]
    declared = {item.name for item in fields(RouteRequest)}
    if set(names) != declared:
        raise TypeError(f"route_requests.sql gives {names}, RouteRequest has {sorted(declared)}")
    while True:
        with translated(store.path):
            rows = interruptible(lambda: connection.fetchmany(_ROWS), connection.interrupt)
        if not rows:
            return
        for row in rows:
            yield RouteRequest(
                **{key: to_aware(value) for key, value in zip(names, row, strict=True)}
            )
