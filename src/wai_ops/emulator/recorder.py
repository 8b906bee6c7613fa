"""Where one finished attempt becomes everything that is later told of it.

One call hands the store a log row with its bodies, a fact for the analytics and the counts of the
truth, all or none of them on disk. It never waits.
"""

import random
from collections.abc import Callable
from dataclasses import replace

from wai_ops.core.clock import Clock
from wai_ops.emulator.analytics import prune_facts, to_fact
from wai_ops.emulator.gateway.log_bodies import Bodies
from wai_ops.emulator.gateway.log_lag import visible_times
from wai_ops.emulator.gateway.log_row import LogRow, head_of
from wai_ops.emulator.gateway.retention import MAX_ROW_BYTES, Retention
from wai_ops.emulator.knobs import Logs
from wai_ops.emulator.served import Served
from wai_ops.emulator.store import Statement, Store, is_storable, storable
from wai_ops.emulator.truth import to_counters


class Recorder:
    """The one writer of log rows and numbers. Used from the event loop only."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        rng: random.Random,
        logs: Callable[[], Logs] = Logs,
    ) -> None:
        """`logs` is asked with every row, because knobs turn; `rng` draws their jitter."""
        self._logs = logs
        self._store = store
        self._rng = rng
        store.write_all(prune_facts(clock.now()))

    def record(
        self,
        served: Served,
        row: LogRow | None = None,
        *,
        bodies: Bodies | None = None,
        retention: Retention | None = None,
    ) -> None:
        """Record one attempt. No row: it is not logged. No bodies: its payload is not.

        A row without `retention` falls under the plan's limit.
        """
        # A model's name comes as the client wrote it, whatever it wrote.
        if not is_storable(served.model):
            served = replace(served, model=storable(served.model))
        statements = [to_fact(served), to_counters(served)]
        if row is not None and (bodies is None or _fits(row)):
            statements += self._log(served, row, bodies, retention)
        self._store.write_all(*statements)

    def _log(
        self,
        served: Served,
        row: LogRow,
        bodies: Bodies | None,
        retention: Retention | None,
    ) -> list[Statement]:
        logs = self._logs()
        retention = retention or Retention(max_rows=logs.max_rows)
        visible_at, fields_at = visible_times(logs, served.at, self._rng)
        columns = row.to_columns(full_at=retention.full_at)
        columns["model"] = served.model
        columns["visible_at"], columns["fields_at"] = visible_at, fields_at
        if bodies is not None:
            columns["request_head"] = head_of(bodies.request)
            columns["response_head"] = head_of(bodies.response)
        statements: list[Statement] = [("insert_log", columns)]
        if bodies is not None:
            statements.append(bodies.to_statement(row.id))
        if retention.deletes_oldest:
            statements.append(
                (
                    "drop_oldest_logs",
                    {
                        "gateway_id": row.gateway_id,
                        "row_limit": retention.max_rows,
                        "chunk": retention.chunk,
                    },
                )
            )
        return statements


def _fits(row: LogRow) -> bool:
    return row.request_size + row.response_size <= MAX_ROW_BYTES
