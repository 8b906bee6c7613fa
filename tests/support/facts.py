"""Facts for ledger tests: made as `wai run` makes them, through the real live state."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from wai_ops.core.clock import to_utc_text
from wai_ops.core.records import AttemptRecord, to_json
from wai_ops.state.live import SESSION, LiveState

NOON = datetime(2026, 3, 14, 12, 0, 0, 250000, tzinfo=UTC)


@dataclass
class ManualClock:
    """A clock that moves when somebody sleeps."""

    at: datetime = NOON
    elapsed: float = 0.0

    def now(self) -> datetime:
        return self.at + timedelta(seconds=self.elapsed)

    def monotonic(self) -> float:
        return self.elapsed

    def sleep(self, seconds: float) -> None:
        self.elapsed += seconds


BASE = AttemptRecord(
    attempt_id="attempt",
    run_id="run",
    started_at=NOON,
    finished_at=NOON + timedelta(seconds=2),
    tenant="acme",
    workflow="triage",
    conversation_id="c1",
    turn_index=0,
    attempt=1,
    prompt_name="triage",
    prompt_version="3",
    requested_model="@cf/meta/llama-3.1-8b-instruct",
    served_model="@cf/meta/llama-3.1-8b-instruct",
    target="cloudflare",
    endpoint="/ai/v1/chat/completions",
    gateway_id="default",
    streamed=True,
    http_status=200,
    finish_reason="stop",
    gateway_cache_hit=False,
    input_tokens=1000,
    cached_input_tokens=400,
    output_tokens=50,
    connect_ms=3.5,
    ttft_ms=210.25,
    duration_ms=2000.125,
    cost_state="metered",
    cost_usd=Decimal("0.000123456789"),
    neurons=Decimal("11.223344454545"),
    in_usd_per_m=Decimal("0.1"),
    cached_in_usd_per_m=Decimal("0.01"),
    out_usd_per_m=Decimal("0.3"),
    price_source="built-in",
    price_as_of="2026-08-28",
    wai_version="0.1.0",
)


def attempt(number: int, **changes: Any) -> AttemptRecord:
    """One attempt with its own ids; `changes` say what is special about it."""
    named = {"attempt_id": f"attempt-{number}", "run_id": f"run-{number}"}
    return replace(BASE, **(named | changes))


def record_attempts(state_dir: Path, records: Iterable[AttemptRecord]) -> None:
    """Announce and seal each attempt, as a run does."""
    with LiveState.open(state_dir, clock=ManualClock()) as live:
        for record in records:
            with live.write():
                live.announce(record.attempt_id, to_json(record))
            with live.write():
                live.seal(record.attempt_id, to_json(record))


def record_session(state_dir: Path, key: str, *, epoch: int = 1, at: datetime = NOON) -> None:
    """Note that an affinity session began an epoch."""
    payload = {
        "affinity_key": key,
        "tenant": "acme",
        "workflow": "triage",
        "conversation_id": "c1",
        "epoch": epoch,
        "reason": "new",
        "at": to_utc_text(at),
    }
    record_fact(state_dir, SESSION, payload)


def record_fact(state_dir: Path, kind: str, payload: dict[str, Any]) -> None:
    """Put any fact into the outbox."""
    with LiveState.open(state_dir, clock=ManualClock()) as live, live.write():
        live.append(kind, payload)


def record_text(state_dir: Path, kind: str, payload: str) -> None:
    """Put a payload of any text into the outbox, as a damaged writer might."""
    with LiveState.open(state_dir, clock=ManualClock()) as live, live.write():
        live.execute("insert into outbox (kind, payload) values (?, ?)", (kind, payload))


def outbox_count(state_dir: Path) -> int:
    """How many rows wait in the outbox."""
    with LiveState.open(state_dir, clock=ManualClock()) as live:
        return live.counts()[0]


def in_ledger(state_dir: Path, sql: str) -> list[tuple[Any, ...]]:
    """What the ledger file itself says, read without any of our code."""
    with duckdb.connect(state_dir / "ledger.duckdb", read_only=True) as connection:
        return connection.execute(sql).fetchall()


def attempt_ids(state_dir: Path) -> list[str]:
    """Every attempt in the ledger, by id, once for each time it is there."""
    return [row[0] for row in in_ledger(state_dir, "select attempt_id from attempt order by 1")]
