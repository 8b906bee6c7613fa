"""Rows of the past in a running emulator's log: written into its store, read through its API.

Real calls make rows of this moment only; a pull has to do with days. Rows are made by the
emulator's own statement, so lag, late fields and retention hold for them as for any other.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from support.emulator import Emulator, start_emulator
from wai_ops.core.metadata import Metadata, to_header
from wai_ops.emulator.gateway.log_row import LogRow
from wai_ops.emulator.store import FILE_NAME, load_sql
from wai_ops.emulator.times import to_millis_text

MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"


@dataclass
class GatewayLog:
    """The log of an emulator's own gateway."""

    emulator: Emulator
    ids: list[str] = field(default_factory=list)
    """Of every row that was ever written here."""

    def write(self, rows: Sequence[LogRow], *, counted: bool = True) -> None:
        """Put rows into the log at once, and into the analytics."""
        with closing(self._connect()) as connection, connection:
            for row in rows:
                connection.execute(load_sql("insert_log"), row.to_columns())
                if counted:
                    self._fact(connection, row)
        self.ids += [row.id for row in rows]

    def change(self, log_id: str, **columns: Any) -> None:
        """Change a row behind everybody's back."""
        with closing(self._connect()) as connection, connection:
            for name, value in columns.items():
                connection.execute(f"update log set {name} = ? where id = ?", (value, log_id))

    def remove(self, *log_ids: str) -> None:
        """Take rows out of the log, as retention does."""
        with closing(self._connect()) as connection, connection:
            connection.executemany("delete from log where id = ?", [(each,) for each in log_ids])

    def body(self, log_id: str, request: bytes, response: bytes) -> None:
        """Store the bodies of a row."""
        with closing(self._connect()) as connection, connection:
            values = {"id": log_id, "request": request, "response": response}
            connection.execute(load_sql("insert_log_body"), values)

    def set(self, **knobs: Any) -> None:
        """Turn knobs; two underscores stand for the dot."""
        changes = {name.replace("__", "."): value for name, value in knobs.items()}
        self._knobs("PATCH", changes)

    def reset(self) -> None:
        """All knobs as they were, and an empty log."""
        self._knobs("DELETE", None)
        with closing(self._connect()) as connection, connection:
            connection.execute("delete from log")
            connection.execute("delete from fact")
        self.ids.clear()

    def _knobs(self, method: str, body: Any) -> None:
        root = self.emulator.base_url.removesuffix("/client/v4")
        answer = httpx.request(
            method,
            f"{root}/__wai/knobs",
            json=body,
            headers={"authorization": f"Bearer {self.emulator.tokens['operator']}"},
        )
        answer.raise_for_status()

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(Path(self.emulator.state_dir) / FILE_NAME, timeout=30)

    def _fact(self, connection: sqlite3.Connection, row: LogRow) -> None:
        values = {
            "at": row.created_at,
            "gateway_id": row.gateway_id,
            "provider": row.provider,
            "model": row.model,
            "status_code": row.status_code,
            "cached": 0,
            "rate_limited": 0,
            "attempted": 1,
            "duration_ms": row.duration,
            "tokens_in": row.tokens_in or 0,
            "tokens_out": row.tokens_out or 0,
            "request_bytes": 1,
            "response_bytes": 1,
            "wholesale": 0,
        }
        names = ", ".join(values)
        marks = ", ".join(f":{name}" for name in values)
        connection.execute(f"insert into fact ({names}) values ({marks})", values)


@contextmanager
def gateway_log(folder: Path) -> Iterator[GatewayLog]:
    """An emulator of its own, whose gateway exists and has no rows."""
    with start_emulator(folder) as emulator:
        log = GatewayLog(emulator)
        call(emulator)
        log.reset()
        yield log


def call(emulator: Emulator, *, text: str = "hello", **headers: str) -> httpx.Response:
    """One real call through the gateway."""
    return httpx.post(
        f"{emulator.base_url}/accounts/{emulator.account_id}/ai/v1/chat/completions",
        json={"model": MODEL, "messages": [{"role": "user", "content": text}], "max_tokens": 16},
        headers={
            "authorization": f"Bearer {emulator.tokens['runtime']}",
            "cf-aig-gateway-id": emulator.gateway_id,
            **headers,
        },
    )


def row(number: int, at: datetime, **changes: Any) -> LogRow:
    """One row that ended at `at`; `changes` say what is special about it."""
    labels = Metadata(
        tenant="acme",
        workflow="support",
        conversation_id=f"c{number % 50}",
        turn_index=number // 50,
        attempt=1,
        prompt_name="answer",
        prompt_version="1",
        trace=f"trace-{number}",
    )
    made = LogRow(
        id=f"01J{number:023}",
        gateway_id="default",
        event_id=f"event-{number}",
        created_at=to_millis_text(at),
        model=MODEL,
        path="ai/v1/chat/completions",
        status_code=200,
        duration=350,
        latency=120,
        request_size=100,
        response_size=200,
        response_content_type="application/json",
        success=True,
        tokens_in=1000 + number,
        tokens_out=50,
        cached_tokens_in=400,
        reasoning_tokens_out=0,
        cost=Decimal("0.000123") + Decimal(number) / 10**9,
        metadata=json.loads(to_header(labels)),
        user_agent="test/1",
    )
    return replace(made, **changes)


def rows_between(first: datetime, last: datetime, count: int, *, start: int = 0) -> list[LogRow]:
    """Rows at even distances in [first, last)."""
    step = (last - first) / count
    return [row(start + index, first + index * step) for index in range(count)]


def visible_from(at: datetime) -> str:
    """For `visible_at` and `fields_at`."""
    return to_millis_text(at)


SECOND = timedelta(seconds=1)
