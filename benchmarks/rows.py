"""Made-up traffic for the other benchmarks, in any amount: log rows as files, and filled ledgers.

Everything comes from the row's number alone, so two runs make the same rows. A third of the cost of
a row is its ids; the rest has the spread that matters for grouping: 40 tenants, 12 workflows, six
models, 30 prompts, a few routes, 3 % failures, retries, and input that is cached in parts.
"""

from datetime import datetime
from pathlib import Path

import duckdb

from wai_ops.core.clock import SystemClock
from wai_ops.observe.ledger.conversations import refresh_conversations
from wai_ops.observe.ledger.database import open_ledger_file, transaction
from wai_ops.observe.ledger.lock import ledger_lock
from wai_ops.observe.ledger.rollup import refresh_rollups

SQL = Path(__file__).with_name("sql")


def write_log_rows(path: Path, row_count: int, *, start: datetime, days: int = 30) -> int:
    """Write `row_count` AI Gateway log rows as NDJSON, gzipped when the name says so.

    They are spread evenly over `days` from `start`, ascending. Returns the file's size in bytes.
    """
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(
            (SQL / "log_rows.sql").read_text("utf-8"),
            {
                "row_count": row_count,
                "start": start.replace(tzinfo=None),
                "step_us": days * 86_400_000_000 // row_count,
                "file": str(path),
            },
        )
    return path.stat().st_size


def fill_ledger(
    state_dir: Path, row_count: int, *, start: datetime, days: int = 30, outcomes: int = 0
) -> None:
    """Make a ledger in `state_dir` with so many calls, half of them matched, and its roll-ups.

    The outcomes are those of so many conversations, of three calls each.
    """
    clock = SystemClock()
    with ledger_lock(state_dir, clock), open_ledger_file(state_dir, clock) as connection:
        with transaction(connection):
            values = {
                "row_count": row_count,
                "start": start.replace(tzinfo=None),
                "step_us": days * 86_400_000_000 // row_count,
            }
            for name, value in values.items():
                connection.execute(f"set variable {name} = $value", {"value": value})
            connection.execute((SQL / "fill_ledger.sql").read_text("utf-8"))
            connection.execute(
                "insert into rollup_dirty select distinct started_at::date from model_call"
            )
            if outcomes:
                connection.execute(
                    (SQL / "fill_outcomes.sql").read_text("utf-8"), {"outcome_count": outcomes}
                )
        refresh_rollups(connection, clock)
        refresh_conversations(connection)
