"""Putting the client's attempts and the gateway's log rows together, whichever comes later."""

import duckdb

from wai_ops.core.clock import Clock
from wai_ops.observe.ledger.database import run


def place_arrived(connection: duckdb.DuckDBPyConnection, clock: Clock) -> None:
    """Give the attempts in `arrived` their rows in `model_call`, in the same transaction."""
    del clock
    run(connection, "calls/client_insert")
    run(connection, "calls/dirty_arrived")
