"""Day roll-ups: what the standard reports read instead of every call.

They are derived from `model_call`. Whatever changes a call notes its day in `rollup_dirty`, in the
same transaction; here such days are made anew. They are therefore always either right or marked.
"""

import duckdb

from wai_ops.core.clock import Clock
from wai_ops.observe.ledger.conversations import note_days
from wai_ops.observe.ledger.database import run, run_long, transaction

_DAYS_AT_A_TIME = 31
_TABLES = ("rollup_day", "rollup_failure", "rollup_latency")


def refresh_rollups(connection: duckdb.DuckDBPyConnection, clock: Clock) -> int:
    """Make the roll-ups of changed days anew, in a transaction of its own; return how many days."""
    del clock
    days = [row[0] for row in run(connection, "rollup/dirty")]
    for start in range(0, len(days), _DAYS_AT_A_TIME):
        some = days[start : start + _DAYS_AT_A_TIME]
        with transaction(connection):
            run(connection, "rollup/days", days=some)
            note_days(connection)
            for table in _TABLES:
                run(connection, f"rollup/{table}_delete")
                run_long(connection, f"rollup/{table}_insert", since=some[0], last=some[-1])
            run(connection, "rollup/clean")
    return len(days)


def three_digits(value: float) -> float:
    """Round to three significant digits, half away from zero; below 10 to two decimals.

    The same as the ledger's macro `three_digits`, for whoever recomputes a quantile elsewhere.
    """
    if value >= 1000:
        digits = len(str(int(value))) - 3
        return float(_half_up(value / 10**digits) * 10**digits)
    if value >= 100:
        return float(_half_up(value))
    if value >= 10:
        return _half_up(value * 10) / 10
    return _half_up(value * 100) / 100


def _half_up(value: float) -> int:
    whole = int(value)
    return whole + 1 if value - whole >= 0.5 else whole
