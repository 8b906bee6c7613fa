"""Putting the client's attempts and the gateway's log rows together, whichever comes later.

The rule does not depend on the order in which things come: an attempt that was told a log_id
belongs to the log row of that id; one that was not belongs to the first of the rows, not claimed
by a log_id, that carry its trace, conversation, turn and attempt. So a row that was matched by its
metadata alone is taken apart again when something new might have a better claim.

A counterpart is looked for within a day of the new rows.
"""

from datetime import datetime

import duckdb

from wai_ops.observe.ledger.database import run, run_count


def last_row(connection: duckdb.DuckDBPyConnection) -> int:
    """The boundary behind which everything is that is inserted from now on."""
    return run_count(connection, "calls/last_row")


def start_matching(connection: duckdb.DuckDBPyConnection) -> None:
    """Nothing has been taken from any request yet. Before any call is deleted."""
    run(connection, "calls/stale_start")


def place_arrived(connection: duckdb.DuckDBPyConnection) -> None:
    """Give the attempts in `arrived` their rows in `model_call`, in the same transaction."""
    boundary = last_row(connection)
    start_matching(connection)
    run(connection, "calls/side_arrived")
    run(connection, "calls/client_insert")
    match(connection, boundary)


def match(connection: duckdb.DuckDBPyConnection, boundary: int) -> None:
    """Match the rows after `boundary` with what the ledger has, and mark what that changes."""
    since, until = run(connection, "calls/span", boundary=boundary)[0]
    if since is None:
        return
    window = {"since": since, "until": until}
    if run(connection, "calls/has_gateway") == [(True,)]:
        _part(connection, boundary, window)
        _join(connection, boundary, window)
    run(connection, "calls/new_dirty", boundary=boundary)
    mark_ends(connection, boundary, since, until)


def mark_ends(
    connection: duckdb.DuckDBPyConnection, boundary: int, since: datetime, until: datetime
) -> None:
    """Note anew which rows begin and end their requests, where that may have changed."""
    window = {"since": since, "until": until}
    run(connection, "calls/repeated", boundary=boundary, **window)
    if run_count(connection, "calls/repeated_count"):
        run(connection, "calls/reordered", **window)
        run(connection, "calls/reordered_dirty")
        run(connection, "calls/flags")


def _part(connection: duckdb.DuckDBPyConnection, boundary: int, window: dict[str, object]) -> None:
    if not run_count(connection, "calls/by_key_count"):
        return
    run(connection, "calls/parted", boundary=boundary)
    if not run_count(connection, "calls/parted_count"):
        return
    run(connection, "calls/parted_delete", **window)
    run(connection, "calls/parted_gateway")
    run(connection, "calls/side_parted")
    run(connection, "calls/client_insert")
    run(connection, "calls/parted_forget")


def _join(connection: duckdb.DuckDBPyConnection, boundary: int, window: dict[str, object]) -> None:
    clients, unnamed = run(connection, "calls/has_client", **window)[0]
    if not clients:
        return
    run(connection, "calls/pair_by_log", boundary=boundary, **window)
    if unnamed:
        run(connection, "calls/pair_by_key", boundary=boundary, **window)
    if not run_count(connection, "calls/pair_count"):
        return
    run(connection, "calls/gateway_side", **window)
    run(connection, "calls/client_half", **window)
    run(connection, "calls/halves_dirty")
    run(connection, "calls/halves_stale")
    run(connection, "calls/halves_delete", **window)
    run(connection, "calls/remember")
    run(connection, "calls/merged_insert")
