"""A gateway's log row as an event of Workers Observability. Pure.

How the real service writes such events is not documented: the frame is that of its published event
schema, the content is the row as the older API has it. Clients should not build on either.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from wai_ops.core.clock import parse_utc
from wai_ops.emulator.gateway.log_row import COLO
from wai_ops.emulator.telemetry_filters import Flat, Scalar

DATASET = "cloudflare-ai-gateway"
_ABSENT = ("request", "response")
"""Always empty in rows."""


def to_event(row: Mapping[str, Any], *, account_id: str, gateway_id: str) -> dict[str, Any]:
    """One event; `row` is a row as the list of the older API has it."""
    ended_ms = to_millis(parse_utc(row["created_at"]))
    source = {"gateway": gateway_id, **row}
    for name in _ABSENT:
        source.pop(name, None)
    return {
        "$metadata": {
            "id": row["id"],
            "account": account_id,
            "cloudService": "ai-gateway",
            "service": gateway_id,
            "type": "ai-gateway-event",
            "provider": "cloudflare",
            "region": COLO,
            "requestId": row["event_id"],
            "level": "info" if row["success"] else "error",
            "message": row["path"],
            "statusCode": row["status_code"],
            "duration": row["duration"],
            "startTime": ended_ms - row["duration"],
            "endTime": ended_ms,
        },
        "dataset": DATASET,
        "source": source,
        "timestamp": ended_ms,
    }


def to_millis(at: datetime) -> int:
    """Whole milliseconds since the epoch."""
    return round(at.timestamp() * 1000)


def flatten(event: Mapping[str, Any]) -> Flat:
    """The keys by which an event can be searched: `$metadata.*`, and the source's without it."""
    flat: dict[str, Scalar] = {"dataset": event["dataset"], "timestamp": event["timestamp"]}
    flat.update(_leaves("$metadata", event["$metadata"]))
    for name, value in event["source"].items():
        flat.update(_leaves(name, value))
    return flat


def _leaves(key: str, value: Any) -> Iterator[tuple[str, Scalar]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _leaves(f"{key}.{name}", inner)
    elif isinstance(value, Scalar):
        yield key, value
