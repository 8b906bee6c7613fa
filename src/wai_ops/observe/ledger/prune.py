"""Forgetting what gateways said before a time. The client's own facts stay, as does the archive."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import duckdb

from wai_ops.observe.ledger.database import run, run_count
from wai_ops.observe.ledger.match import last_row, mark_ends, match, start_matching

_A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What went."""

    gateway_only_count: int
    """Calls that only a gateway told of."""
    parted_count: int
    """Calls that a client recorded too: they stay, as it recorded them."""
    body_count: int


def prune(connection: duckdb.DuckDBPyConnection, before: datetime) -> Pruned:
    """Remove gateway rows and bodies of requests that ended before a time.

    That time counts as not read from then on, and no pull goes back there by itself.

    Call under the lock and in a transaction; `refresh_rollups` and `raw.prune_raw` afterwards.
    """
    at = {"before": before.astimezone(UTC).replace(tzinfo=None)}
    boundary = last_row(connection)
    start_matching(connection)
    run(connection, "prune/parted", **at)
    run(connection, "prune/dirty", **at)
    run(connection, "prune/stale", **at)
    removed = run_count(connection, "prune/calls_delete", **at)
    run(connection, "calls/parted_forget")
    run(connection, "calls/side_parted")
    parted = run_count(connection, "calls/client_insert")
    bodies = run_count(connection, "prune/bodies_delete", **at)
    for name in ("windows_delete", "windows_clip", "counts_delete", "marks_move"):
        run(connection, f"prune/{name}", **at)
    match(connection, boundary)
    mark_ends(connection, boundary, at["before"] - _A_DAY, at["before"] + _A_DAY)
    return Pruned(gateway_only_count=removed - parted, parted_count=parted, body_count=bodies)
