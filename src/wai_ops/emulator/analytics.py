"""The facts behind the GraphQL datasets: every attempt counts, logged or not, evicted or not."""

import json
from datetime import datetime, timedelta
from typing import Any

from wai_ops.emulator.served import Served
from wai_ops.emulator.store import Statement
from wai_ops.emulator.times import to_millis_text

REACH = timedelta(days=62)
"""How far back a query may look."""


def to_fact(served: Served) -> Statement:
    """What stores one attempt."""
    return "insert_fact", _columns(served)


def prune_facts(now: datetime) -> Statement:
    """What deletes the facts that no query can reach any more."""
    return "prune_facts", {"before": to_millis_text(now - REACH - timedelta(days=1))}


def _columns(served: Served) -> dict[str, Any]:
    return {
        "at": to_millis_text(served.at),
        "gateway_id": served.gateway_id,
        "provider": served.provider,
        "model": served.model,
        "status_code": served.status_code,
        "error_code": served.error_code,
        "cached": served.cached,
        "rate_limited": served.rate_limited,
        "attempted": served.attempted,
        "duration_ms": served.duration_ms,
        "tokens_in": served.tokens_in,
        "tokens_out": served.tokens_out,
        "cost": None if served.cost_usd is None else format(served.cost_usd, "f"),
        "neurons": None if served.neurons is None else format(served.neurons, "f"),
        "request_bytes": served.request_bytes,
        "response_bytes": served.response_bytes,
        "user_agent": served.user_agent,
        "wholesale": served.wholesale,
        "metadata": None if served.metadata is None else json.dumps(dict(served.metadata)),
    }
