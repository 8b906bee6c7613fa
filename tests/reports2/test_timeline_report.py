"""`wai report timeline`: everything in order, and what must have been there and is not."""

import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports2.rows import DECISION, put, put_tool, refill
from support.calls import Call, call, hours
from support.cli import Wai
from support.facts import (
    NOON,
    ManualClock,
    attempt,
    record_attempts,
    record_fact,
    record_session,
)
from wai_ops.core.errors import UsageError
from wai_ops.core.records import to_json
from wai_ops.core.table import Table
from wai_ops.core.window import Window
from wai_ops.observe.ledger.store import Store
from wai_ops.observe.reports.conversation import ConversationKey
from wai_ops.observe.reports.slice import Slice
from wai_ops.observe.reports.timeline import TimelineRow, missing_parts, timeline_report
from wai_ops.observe.reports.timeline_facts import Call as KnownCall
from wai_ops.observe.reports.timeline_facts import read_facts
from wai_ops.state.live import LiveState

KEY = ConversationKey("acme", "triage", "c1")


def report(store: Store, folder: Path, key: ConversationKey = KEY) -> Table[TimelineRow]:
    return timeline_report(
        store, read_facts(store, key, folder, ManualClock()), Slice(Window(None, None))
    )


CALLS: list[Call] = [
    call(2, turn_index=0, attempt=2, started_at=NOON + timedelta(seconds=5), is_first=False),
    call(
        1,
        turn_index=0,
        attempt=1,
        is_last=False,
        error_type="capacity",
        error_message="no room\x1b[31m",
        http_status=429,
        cost_state="none",
        cost_usd=Decimal(0),
        ttft_ms=None,
    ),
    call(
        3,
        turn_index=3,
        attempt=3,
        started_at=hours(1),
        sources="gateway only",
        duration_ms=None,
        gateway_duration_ms=1234,
        cost_state="unknown",
        cost_usd=None,
    ),
    call(4, conversation_id="other", started_at=hours(2)),
]


def test_everything_stands_in_order_with_its_side_and_its_cost(
    store: Store, tmp_path: Path
) -> None:
    refill(store, CALLS)
    put(store, "decision", **(DECISION | {"occurred_at": NOON, "rule": "r1"}))
    put_tool(store, started_at=NOON + timedelta(seconds=7), error_type="tool_error")
    put(
        store,
        "session_event",
        affinity_key=str(KEY),
        tenant="acme",
        workflow="triage",
        conversation_id="c1",
        epoch=1,
        reason="new",
        occurred_at=NOON,
    )
    for outcome, hour in (("failed", 2), ("resolved", 3)):
        put(
            store,
            "outcome",
            tenant="acme",
            workflow="triage",
            conversation_id="c1",
            outcome=outcome,
            value_usd=Decimal("1234.5"),
            source="recorded",
            recorded_at=hours(hour),
        )
    table = report(store, tmp_path)
    told = [(row.number, row.event, row.what, row.result) for row in table.rows]
    assert told == [
        (1, "session", "epoch 1 begins", "new"),
        (2, "decision", "tool:search.web", "allow"),
        (3, "call", "attempt 1: @cf/a/one", "capacity"),
        (4, "call", "attempt 2: @cf/a/one", "ok"),
        (5, "tool", "search.web", "tool_error"),
        (6, "call", "attempt 3: @cf/a/one", "ok"),
        (7, "outcome", "failed", None),
        (8, "outcome", "resolved", "counts"),
    ]
    rows = list(table.rows)
    assert rows[2].detail == "HTTP 429; no room␛[31m"
    assert rows[5].duration_ms == 1234
    assert rows[5].sources == "gateway only"
    assert rows[6].detail == "worth $1,234.50; a later one counts"
    assert table.total is not None
    assert table.total.cost_usd == Decimal("0.000123456789")
    assert table.total.input_tokens == 3000
    assert list(table.notes) == [
        "3 calls of 2 turns, 1 tool call, 1 decision, 1 affinity epoch",
        "calls known from: 2 client only, 1 gateway only",
        "no call of turn 1, 2 is known",
        "no trace of attempt 1 of turn 3, 2 of turn 3",
        "1 call of unknown cost, in no sum here",
    ]


def test_a_conversation_nobody_heard_of_is_a_usage_error(store: Store, tmp_path: Path) -> None:
    refill(store, CALLS)
    with pytest.raises(UsageError, match="nothing is known of a conversation a:b:c"):
        report(store, tmp_path, ConversationKey("a", "b", "c"))


def known(turn: int | None, number: int | None) -> KnownCall:
    """A call of which only its place matters."""
    nothing = dict.fromkeys(KnownCall.__slots__)
    values = {"started_at": NOON, "sources": "client only", "cost_state": "metered"}
    return KnownCall(**(nothing | values | {"turn_index": turn, "attempt": number}))  # type: ignore[arg-type]


@given(st.sets(st.tuples(st.integers(0, 6), st.integers(1, 4)), max_size=12))
def test_what_is_missing_is_all_below_the_highest_that_was_seen(
    seen: set[tuple[int, int]],
) -> None:
    words = list(missing_parts(known(turn, number) for turn, number in seen))
    turns = {turn for turn, _ in seen}
    gone = [turn for turn in range(max(turns, default=-1)) if turn not in turns]
    lost = [
        f"{number} of turn {turn}"
        for turn in sorted(turns)
        for number in range(1, max(n for t, n in seen if t == turn))
        if (turn, number) not in seen
    ]
    expected = []
    if gone:
        expected.append(f"no call of turn {', '.join(map(str, gone))} is known")
    if lost:
        shown = ", ".join(lost[:12]) + (f" and {len(lost) - 12} more" if len(lost) > 12 else "")
        expected.append(f"no trace of attempt {shown}")
    assert words == expected


def test_calls_without_a_number_are_counted_and_a_wild_number_does_no_harm() -> None:
    first, second = missing_parts([known(None, 1), known(2**62, 1)])
    assert first == "1 call without turn or attempt number"
    assert second.endswith(" and 9988 more is known")


def test_the_command_tells_a_real_conversation_with_what_is_in_flight(wai: Wai) -> None:
    state_dir = wai.folder / ".wai"
    record_session(state_dir, str(KEY))
    record_attempts(state_dir, [attempt(1), attempt(2, turn_index=1)])
    record_fact(
        state_dir,
        "tool_call",
        {
            "tenant": "acme",
            "workflow": "triage",
            "conversation_id": "c1",
            "turn_index": 0,
            "tool_name": "search.web",
            "tool_family": "search",
            "started_at": "2026-03-14T12:00:01Z",
            "duration_ms": 5.5,
            "source": "tool loop",
        },
    )
    going = attempt(3, turn_index=2, started_at=hours(1))
    # Announced by this process, which lives: a fold must not take it for lost.
    with LiveState.open(state_dir, clock=ManualClock()) as live, live.write():
        live.announce(going.attempt_id, to_json(going))
    assert wai("outcomes", "record", "c1", "resolved").exit_code == 0
    done = wai("report", "timeline", "c1", "--json")
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert [(row["event"], row["turn_index"], row["result"]) for row in told["rows"]] == [
        ("session", None, "new"),
        ("call", 0, "ok"),
        ("call", 1, "ok"),
        ("tool", 0, "ok"),
        ("call", 2, "in flight"),
        ("outcome", None, "counts"),
    ]
    assert "1 attempt in flight" in told["notes"]
    assert told["title"] == "Timeline of acme:triage:c1"
    assert wai("report", "timeline", "nobody").exit_code == 2
    assert wai("report", "timeline", "c1", "--fail-on", "any(result == 'in flight')").exit_code == 1
    wai("report", "timeline", "c1", "--output", "t.md")
    assert (wai.folder / "t.md").read_text().startswith("## Timeline of acme:triage:c1\n")
