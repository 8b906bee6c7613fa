"""Client attempts and gateway rows become one call, whichever comes first and however split."""

import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from support.facts import NOON, ManualClock, attempt, in_ledger, record_attempts
from support.gateway_rows import ingest_some, log_row, metadata
from wai_ops.core.records import AttemptRecord
from wai_ops.observe.ledger.database import open_ledger_file
from wai_ops.observe.ledger.fold import fold
from wai_ops.observe.ledger.lock import ledger_lock
from wai_ops.observe.ledger.rollup import refresh_rollups

CALLS = (
    "select * exclude (ingested_at) from model_call order by attempt_id nulls last, log_id, step"
)
ROLLUPS = {
    "rollup_day": "from rollup_day order by all",
    "rollup_failure": "from rollup_failure order by all",
    "rollup_latency": "from rollup_latency order by all",
}


def refresh(state_dir: Path) -> int:
    clock = ManualClock()
    with ledger_lock(state_dir, clock), open_ledger_file(state_dir, clock) as connection:
        return refresh_rollups(connection, clock)


def everything(state_dir: Path) -> dict[str, list[tuple[Any, ...]]]:
    refresh(state_dir)
    found = {name: in_ledger(state_dir, sql) for name, sql in ROLLUPS.items()}
    assert in_ledger(state_dir, "from rollup_dirty") == []
    return found | {
        "calls": in_ledger(state_dir, CALLS),
        "by key": in_ledger(
            state_dir, "select attempt_id, log_id from matched_by_key order by all"
        ),
    }


def fold_some(state_dir: Path, *records: AttemptRecord) -> None:
    record_attempts(state_dir, records)
    fold(state_dir, ManualClock())


def matched(state_dir: Path) -> list[tuple[Any, ...]]:
    return in_ledger(
        state_dir, "select attempt_id, log_id, sources from model_call order by all nulls last"
    )


def key_of(number: int) -> dict[str, Any]:
    """What an attempt and a log row that belong together by their metadata share."""
    return {"run_id": f"run-{number}", "turn_index": 0, "attempt": 1, "conversation_id": "c1"}


@pytest.mark.parametrize("is_client_first", [True, False])
@pytest.mark.parametrize(
    "named", [{"log_id": "log-1", "run_id": "elsewhere"}, {"log_id": None, **key_of(1)}]
)
def test_an_attempt_and_its_log_row_are_one_call(
    named: dict[str, Any], is_client_first: bool, state_dir: Path
) -> None:
    client = attempt(1, **named)
    if is_client_first:
        fold_some(state_dir, client)
    ingest_some(state_dir, log_row(1), log_row(2))
    if not is_client_first:
        fold_some(state_dir, client)
    assert matched(state_dir) == [
        ("attempt-1", "log-1", "client+gateway"),
        (None, "log-2", "gateway only"),
    ]


def test_an_attempt_that_was_told_another_log_id_is_not_matched_by_its_metadata(
    state_dir: Path,
) -> None:
    ingest_some(state_dir, log_row(1))
    fold_some(state_dir, attempt(1, log_id="log-9", **key_of(1)))
    assert matched(state_dir) == [
        ("attempt-1", "log-9", "client only"),
        (None, "log-1", "gateway only"),
    ]


def test_a_merged_call_keeps_both_sides_and_the_client_wins(state_dir: Path) -> None:
    fold_some(
        state_dir,
        attempt(
            1,
            log_id="log-1",
            input_tokens=900,
            cached_input_tokens=100,
            output_tokens=45,
            ttft_ms=111.5,
            duration_ms=1400.5,
        ),
    )
    ingest_some(state_dir, log_row(1, gateway="edge", path="/elsewhere"))
    assert in_ledger(
        state_dir,
        "select input_tokens, cached_input_tokens, output_tokens, usage_source, ttft_ms,"
        " duration_ms, endpoint, gateway_id from model_call",
    ) == [(900, 100, 45, "client", 111.5, 1400.5, "/ai/v1/chat/completions", "edge")]

    assert in_ledger(
        state_dir,
        "select usage_input_tokens, gateway_duration_ms, gateway_latency_ms,"
        " gateway_cost_usd::varchar, contract, request_id from model_call",
    ) == [(1000, 1500, 300.0, "0.001620000000", "complete", "run-1")]


def test_usage_that_the_client_never_saw_comes_from_the_gateway(state_dir: Path) -> None:
    fold_some(
        state_dir,
        attempt(
            1,
            log_id="log-1",
            error_type="unknown",
            http_status=None,
            input_tokens=None,
            cached_input_tokens=None,
            output_tokens=None,
            cost_state="unknown",
            cost_usd=None,
            neurons=None,
        ),
    )
    ingest_some(state_dir, log_row(1))
    assert in_ledger(
        state_dir,
        "select input_tokens, usage_source, error_type, http_status, cost_state from model_call",
    ) == [(1000, "gateway usage", "unknown", 200, "confirmed")]


def test_a_better_claim_takes_a_row_that_was_matched_by_its_metadata(state_dir: Path) -> None:
    """A log_id beats metadata, and of two rows with the same metadata the first id counts."""
    fold_some(state_dir, attempt(1, log_id=None, **key_of(1)))
    ingest_some(state_dir, log_row(3, metadata=metadata(1)))
    assert matched(state_dir) == [("attempt-1", "log-3", "client+gateway")]
    ingest_some(state_dir, log_row(2, metadata=metadata(1)))
    assert matched(state_dir) == [
        ("attempt-1", "log-2", "client+gateway"),
        (None, "log-3", "gateway only"),
    ]
    fold_some(state_dir, attempt(2, log_id="log-2"))
    assert matched(state_dir) == [
        ("attempt-1", "log-3", "client+gateway"),
        ("attempt-2", "log-2", "client+gateway"),
    ]


def test_the_first_and_the_last_attempt_of_a_run_are_known(state_dir: Path) -> None:
    fold_some(state_dir, attempt(1, run_id="run", attempt=2, log_id="log-2"))
    ingest_some(
        state_dir,
        log_row(1, metadata=metadata(1, trace="run")),
        log_row(2, metadata=metadata(2, trace="run", conversation="c1.0.2")),
    )
    fold_some(state_dir, attempt(3, run_id="run", attempt=3))
    rows = in_ledger(
        state_dir, "select attempt, is_first, is_last from model_call order by attempt"
    )
    assert rows == [(1, True, False), (2, False, False), (3, False, True)]


def test_an_attempt_after_midnight_changes_the_day_before_too(state_dir: Path) -> None:
    evening = NOON.replace(hour=23, minute=59)
    fold_some(state_dir, attempt(1, run_id="run", started_at=evening))
    assert refresh(state_dir) == 1
    fold_some(
        state_dir,
        attempt(2, run_id="run", attempt=2, started_at=evening + timedelta(minutes=2)),
    )
    assert refresh(state_dir) == 2
    assert in_ledger(
        state_dir,
        "select day::varchar, retry_count, run_count from rollup_day where grain = 'model'"
        " order by day",
    ) == [("2026-03-14", 1, 1), ("2026-03-15", 0, 0)]


def test_nothing_new_marks_no_day(state_dir: Path) -> None:
    fold_some(state_dir, attempt(1, log_id="log-1"))
    ingest_some(state_dir, log_row(1))
    assert refresh(state_dir) == 1
    again = ingest_some(state_dir, log_row(1))
    assert (again.unchanged_count, again.inserted_count, again.replaced_count) == (1, 0, 0)
    assert refresh(state_dir) == 0


def make_case(draw: Any) -> tuple[list[AttemptRecord], list[dict[str, Any]]]:
    """A few attempts and log rows, some of them of one request, with and without log ids."""
    attempts = []
    rows = []
    for number in range(draw(st.integers(1, 6))):
        run = f"run-{draw(st.integers(0, 3))}"
        turn = draw(st.integers(0, 1))
        shift = timedelta(minutes=draw(st.integers(0, 1400)))
        log_id = draw(st.sampled_from([None, f"log-{number}", f"log-{number + 10}"]))
        failed = draw(st.booleans())
        record = attempt(
            number,
            run_id=run,
            turn_index=turn,
            attempt=number + 1,
            log_id=log_id,
            error_type="server_error" if failed else None,
            cost_state="unknown" if failed else "metered",
            cost_usd=None if failed else attempt(0).cost_usd,
        )
        if draw(st.booleans()):
            attempts.append(
                AttemptRecord(**fields_of(record) | {"started_at": record.started_at + shift})
            )
        for copy in range(draw(st.integers(0, 2))):
            row_id = f"log-{number + 10 * copy}"
            rows.append(
                log_row(
                    number,
                    id=row_id,
                    created_at=(record.started_at + shift + timedelta(seconds=copy)).isoformat(),
                    step=draw(st.sampled_from([0, 0, 1, None])),
                    success=draw(st.booleans()),
                    cached=draw(st.sampled_from([False, False, True])),
                    cost=draw(st.sampled_from([None, 0.00162, 0.5])),
                    usage_metadata=draw(st.sampled_from([None, log_row(0)["usage_metadata"]])),
                    metadata=draw(
                        st.sampled_from(
                            [
                                None,
                                metadata(0, trace=run, conversation=f"c1.{turn}.{number + 1}"),
                            ]
                        )
                    ),
                )
            )
    return attempts, rows


def fields_of(record: AttemptRecord) -> dict[str, Any]:
    return {name: getattr(record, name) for name in AttemptRecord.__slots__}


@settings(max_examples=10, phases=[Phase.explicit, Phase.generate])
@given(st.data())
def test_any_order_split_and_repetition_gives_the_same_ledger(data: st.DataObject) -> None:
    attempts, rows = make_case(data.draw)
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        straight, shuffled = Path(one), Path(other)
        fold_some(straight, *attempts)
        ingest_some(straight, *rows)
        facts = [*attempts, *rows]
        order = data.draw(
            st.permutations(facts + data.draw(st.lists(st.sampled_from(rows or [{}]))))
        )
        start = 0
        while start < len(order):
            count: int = data.draw(st.integers(1, 4))
            part = order[start : start + count]
            start += count
            batch = [item for item in part if isinstance(item, dict)]
            fresh = [item for item in part if isinstance(item, AttemptRecord)]
            is_client_first: bool = data.draw(st.booleans())
            if fresh and is_client_first:
                fold_some(shuffled, *fresh)
                fresh = []
            if batch:
                ingest_some(shuffled, *batch)
            if fresh:
                fold_some(shuffled, *fresh)
            is_refreshed: bool = data.draw(st.booleans())
            if is_refreshed:
                refresh(shuffled)
        fold(shuffled, ManualClock())
        assert everything(shuffled) == everything(straight)
