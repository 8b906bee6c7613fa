"""Folding: what is recorded arrives whole, once, and in the right types."""

import json
import shutil
import subprocess
import sys
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from support.facts import (
    BASE,
    NOON,
    ManualClock,
    attempt,
    attempt_ids,
    in_ledger,
    outbox_count,
    record_attempts,
    record_fact,
    record_session,
    record_text,
)
from wai_ops.core.errors import DataError
from wai_ops.core.records import FIELD_NAMES, AttemptRecord, to_json
from wai_ops.observe.ledger.archive import all_files
from wai_ops.observe.ledger.fold import fold
from wai_ops.state.live import LiveState

FULL = replace(
    BASE,
    error_type="server_error",
    error_code=3007,
    error_message='broken "pipe"\n\twith \\ and \x00 and ünïcode 🙂',
    log_id="log",
    event_id="event",
    ray_id="ray",
    reasoning_tokens=7,
    max_output_tokens=1024,
    tpot_ms=1e-05,
    itl_p50_ms=0.1,
    itl_p95_ms=123456.789,
    chunk_count=51,
    affinity_epoch=2,
    affinity_result="partial",
    affinity_cause="prefix changed at token 12",
    cacheable_tokens=640,
    request_sha256="a" * 64,
    response_sha256="b" * 64,
)
SPARSE = AttemptRecord(
    attempt_id="sparse",
    run_id="run",
    started_at=NOON,
    tenant="acme",
    workflow="triage",
    conversation_id="c1",
    turn_index=0,
    attempt=1,
    prompt_name="adhoc",
    prompt_version="1",
    requested_model="m",
    target="local",
    endpoint="e",
    streamed=False,
    cost_state="unknown",
    wai_version="0.1.0",
)


def stored_records(state_dir: Path) -> list[AttemptRecord]:
    rows = in_ledger(state_dir, "from attempt order by attempt_id")
    return [
        AttemptRecord(**{name: aware(value) for name, value in zip(FIELD_NAMES, row, strict=True)})
        for row in rows
    ]


def aware(value: Any) -> Any:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value


@pytest.mark.parametrize("record", [FULL, SPARSE], ids=["every field", "only what must be"])
def test_an_attempt_comes_out_as_it_went_in(
    record: AttemptRecord, state_dir: Path, clock: ManualClock
) -> None:
    record_attempts(state_dir, [record])
    fold(state_dir, clock)
    assert stored_records(state_dir) == [record]


def test_the_full_record_leaves_no_field_out() -> None:
    """Otherwise the round trip above would not cover a field that is added later."""
    empty = [item.name for item in fields(FULL) if getattr(FULL, item.name) is None]
    assert empty == []


def test_the_table_has_the_fields_of_the_record_in_their_order_and_types(
    state_dir: Path, clock: ManualClock
) -> None:
    fold(state_dir, clock)
    expected = []
    for item in fields(AttemptRecord):
        kind = str(item.type)
        if "datetime" in kind:
            sql = "TIMESTAMP"
        elif "Decimal" in kind:
            sql = "DECIMAL(24,12)" if item.name == "neurons" else "DECIMAL(18,12)"
        elif "bool" in kind:
            sql = "BOOLEAN"
        elif "int" in kind:
            sql = "BIGINT"
        else:
            sql = "DOUBLE" if "float" in kind else "VARCHAR"
        expected.append((item.name, sql, "YES" if "None" in kind else "NO"))
    described = in_ledger(
        state_dir, 'select column_name, column_type, "null" from (describe attempt)'
    )
    assert described == expected


def test_a_second_fold_finds_nothing_to_do(state_dir: Path, clock: ManualClock) -> None:
    record_attempts(state_dir, [attempt(1), attempt(2)])
    first = fold(state_dir, clock)
    second = fold(state_dir, clock)
    assert (first.archived_count, first.loaded.attempt_count) == (2, 2)
    assert (second.archived_count, second.loaded.row_count) == (0, 0)
    assert attempt_ids(state_dir) == ["attempt-1", "attempt-2"]
    assert outbox_count(state_dir) == 0


def test_session_events_and_unknown_kinds_have_tables_of_their_own(
    state_dir: Path, clock: ManualClock
) -> None:
    record_session(state_dir, "acme:triage:c1", epoch=3)
    record_fact(state_dir, "verdict", {"from": "a newer wai"})
    result = fold(state_dir, clock)
    assert (result.loaded.session_event_count, result.loaded.other_event_count) == (1, 1)
    naive = NOON.replace(tzinfo=None)
    assert in_ledger(state_dir, "from session_event") == [
        ("acme:triage:c1", "acme", "triage", "c1", 3, "new", naive)
    ]
    assert in_ledger(state_dir, "select seq, kind, payload from other_event") == [
        (2, "verdict", '{"from":"a newer wai"}')
    ]


def test_a_field_that_only_a_newer_version_knows_does_not_hold_up_an_attempt(
    state_dir: Path, clock: ManualClock
) -> None:
    record_fact(state_dir, "attempt", to_json(attempt(1)) | {"invented_later": [1, 2]})
    fold(state_dir, clock)
    assert stored_records(state_dir) == [attempt(1)]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"started_at": "2026-03-14T13:00:00.250+01:00"}, {"started_at": NOON}),
        ({"started_at": "2026-03-14T12:00:00.250"}, {"started_at": NOON}),
        ({"cost_usd": "1E-12"}, {"cost_usd": Decimal("0.000000000001")}),
        ({"cost_usd": 0.25}, {"cost_usd": Decimal("0.25")}),
        ({"error_message": "cut \ud83d here"}, {"error_message": "cut \ufffd here"}),
    ],
)
def test_another_spelling_of_the_same_value_is_read_all_the_same(
    changes: dict[str, Any], expected: dict[str, Any], state_dir: Path, clock: ManualClock
) -> None:
    """DuckDB alone would drop the offset and round the decimal without a word."""
    record_fact(state_dir, "attempt", to_json(attempt(1)) | changes)
    assert fold(state_dir, clock).loaded.quarantined_count == 0
    assert stored_records(state_dir) == [replace(attempt(1), **expected)]


def broken(**changes: Any) -> str:
    return json.dumps(to_json(attempt(9)) | changes)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ("not json", "JSONDecodeError"),
        ("[1]", "the payload is not a JSON object"),
        ("", "JSONDecodeError"),
        (broken(tenant=None), "tenant is missing"),
        (broken(turn_index=1.5), "turn_index cannot be read"),
        (broken(turn_index="many"), "turn_index cannot be read"),
        (broken(streamed="maybe"), "streamed cannot be read"),
        (broken(ttft_ms=float("nan")), "ttft_ms cannot be read"),
        (broken(cost_usd="0.0000000000001"), "cost_usd cannot be read"),
        (broken(cost_usd="12345678.0"), "cost_usd cannot be read"),
        (broken(cost_usd="free"), "InvalidOperation"),
        (broken(started_at="yesterday"), "ValueError"),
        (json.dumps({"attempt_id": "x"}), "missing"),
        ("[" * 100_000, "RecursionError"),
    ],
)
def test_what_cannot_be_read_is_quarantined_with_its_reason_and_never_rounded(
    payload: str, reason: str, state_dir: Path, clock: ManualClock
) -> None:
    record_attempts(state_dir, [attempt(1)])
    record_text(state_dir, "attempt", payload)
    record_attempts(state_dir, [attempt(2)])
    result = fold(state_dir, clock)
    assert (result.loaded.attempt_count, result.loaded.quarantined_count) == (2, 1)
    [(seq, kind, held, why)] = in_ledger(
        state_dir, "select seq, kind, payload, reason from quarantine"
    )
    assert (seq, kind, held) == (2, "attempt", payload)
    assert reason in why
    assert outbox_count(state_dir) == 0


def test_a_session_event_that_cannot_be_read_is_quarantined_too(
    state_dir: Path, clock: ManualClock
) -> None:
    record_text(state_dir, "session", '{"affinity_key": "k"}')
    record_session(state_dir, "k2")
    assert fold(state_dir, clock).loaded.quarantined_count == 1
    assert in_ledger(state_dir, "select affinity_key from session_event") == [("k2",)]


def test_the_attempts_of_a_process_that_died_arrive_with_an_unknown_outcome(
    state_dir: Path, clock: ManualClock
) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from support.facts import ManualClock, attempt\n"
        "from wai_ops.core.records import to_json; from wai_ops.state.live import LiveState\n"
        "with LiveState.open(Path(sys.argv[1]), clock=ManualClock()) as live, live.write():\n"
        "    live.announce('attempt-1', to_json(attempt(1, cost_usd=None)))\n"
    )
    run_here(code, str(state_dir))
    result = fold(state_dir, clock)
    assert (result.reconciled_count, result.in_flight_count) == (1, 0)
    assert in_ledger(state_dir, "select attempt_id, error_type, cost_state from attempt") == [
        ("attempt-1", "unknown", "unknown")
    ]


def test_an_attempt_that_still_runs_is_counted_and_left_alone(
    state_dir: Path, clock: ManualClock
) -> None:
    with LiveState.open(state_dir, clock=clock) as live:
        with live.write():
            live.announce("attempt-1", to_json(attempt(1)))
        assert fold(state_dir, clock).in_flight_count == 1
        with live.write():
            live.seal("attempt-1", to_json(attempt(1)))
    assert fold(state_dir, clock).loaded.attempt_count == 1


def test_a_deleted_ledger_comes_back_from_the_archive_and_the_outbox(
    state_dir: Path, clock: ManualClock
) -> None:
    record_attempts(state_dir, [attempt(1), attempt(2)])
    fold(state_dir, clock)
    (state_dir / "ledger.duckdb").unlink()
    record_attempts(state_dir, [attempt(3)])
    assert fold(state_dir, clock).loaded.attempt_count == 3
    assert attempt_ids(state_dir) == ["attempt-1", "attempt-2", "attempt-3"]


def test_the_archive_of_an_outbox_that_is_gone_still_counts(
    state_dir: Path, clock: ManualClock
) -> None:
    record_attempts(state_dir, [attempt(1)])
    fold(state_dir, clock)
    for path in state_dir.glob("state.sqlite*"):
        path.unlink()
    record_attempts(state_dir, [attempt(2)])
    (state_dir / "ledger.duckdb").unlink()
    fold(state_dir, clock)
    assert attempt_ids(state_dir) == ["attempt-1", "attempt-2"]


def test_facts_recorded_after_live_state_went_back_in_time_are_kept_apart(
    state_dir: Path, clock: ManualClock, tmp_path: Path
) -> None:
    """A restored copy, or a power cut, makes live state use sequence numbers a second time."""
    record_attempts(state_dir, [attempt(1)])
    copy = tmp_path / "state.sqlite"
    checkpointed_copy(state_dir, copy)
    record_attempts(state_dir, [attempt(2), attempt(3)])
    fold(state_dir, clock)
    for number in (4, 5):
        for path in state_dir.glob("state.sqlite*"):
            path.unlink()
        shutil.copy(copy, state_dir / "state.sqlite")
        record_attempts(state_dir, [attempt(number), attempt(number + 10)])
        fold(state_dir, clock)
    everything = [f"attempt-{number}" for number in (1, 14, 15, 2, 3, 4, 5)]
    assert attempt_ids(state_dir) == everything
    (state_dir / "ledger.duckdb").unlink()
    fold(state_dir, clock)
    assert attempt_ids(state_dir) == everything


def test_many_small_folds_leave_few_archive_files(state_dir: Path, clock: ManualClock) -> None:
    for number in range(60):
        record_attempts(state_dir, [attempt(number)])
        fold(state_dir, clock)
    assert len(all_files(state_dir)) < 20
    (state_dir / "ledger.duckdb").unlink()
    fold(state_dir, clock)
    assert len(set(attempt_ids(state_dir))) == len(attempt_ids(state_dir)) == 60


def test_a_damaged_archive_file_is_named_and_costs_no_fact(
    state_dir: Path, clock: ManualClock
) -> None:
    record_attempts(state_dir, [attempt(1)])
    fold(state_dir, clock)
    [file] = all_files(state_dir)
    whole = file.path.read_bytes()
    file.path.write_bytes(whole[: len(whole) // 2])
    (state_dir / "ledger.duckdb").unlink()
    record_attempts(state_dir, [attempt(2)])
    with pytest.raises(DataError, match=file.path.name):
        fold(state_dir, clock)
    file.path.write_bytes(whole)
    fold(state_dir, clock)
    assert attempt_ids(state_dir) == ["attempt-1", "attempt-2"]


def test_a_payload_larger_than_any_buffer_is_folded(state_dir: Path, clock: ManualClock) -> None:
    message = '\\"\n' * 3_000_000
    record_attempts(state_dir, [attempt(1, error_message=message)])
    fold(state_dir, clock)
    assert in_ledger(state_dir, "select length(error_message) from attempt") == [(9_000_000,)]


def test_times_are_utc_whatever_the_machine_says(state_dir: Path, clock: ManualClock) -> None:
    """The test environment is set to Auckland."""
    record_attempts(state_dir, [attempt(1, started_at=NOON + timedelta(hours=13))])
    fold(state_dir, clock)
    assert in_ledger(state_dir, "select started_at from attempt") == [
        (datetime(2026, 3, 15, 1, 0, 0, 250000),)  # noqa: DTZ001 - naive is the point
    ]


def checkpointed_copy(state_dir: Path, to: Path) -> None:
    with LiveState.open(state_dir, clock=ManualClock()) as live:
        live.execute("pragma wal_checkpoint(truncate)")
    shutil.copy(state_dir / "state.sqlite", to)


def run_here(code: str, *arguments: str) -> None:
    tests = Path(__file__).parents[1]
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, cwd=tests)
