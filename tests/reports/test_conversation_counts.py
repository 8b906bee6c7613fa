"""Conversations are counted by day and read back for any window, exactly as from the table."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import md5
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.calls import add, call, clear, end, ledger_of, remove, roll_up
from support.facts import NOON
from wai_ops.core.window import Window
from wai_ops.observe.ledger.store import Store
from wai_ops.observe.reports.resolved import ended_conversations
from wai_ops.observe.reports.slice import Dimension, Slice

DAY = NOON.replace(hour=0)
ALWAYS = Slice(Window(None, None))
TENANTS = ("acme", "1:a", None)
WORKFLOWS = ("triage", "-", None)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with ledger_of(tmp_path) as opened:
        yield opened


moments = st.integers(0, 8 * 24).map(lambda hour: DAY + timedelta(hours=hour))
calls = st.fixed_dictionaries(
    {
        "started_at": moments,
        "tenant": st.sampled_from(TENANTS),
        "workflow": st.sampled_from(WORKFLOWS),
        "conversation_id": st.sampled_from(["a", "b", "acme-a", None]),
    }
)


@dataclass(frozen=True)
class Added:
    """Calls that were loaded."""

    calls: list[dict[str, Any]]


@dataclass(frozen=True)
class Removed:
    """Calls of some hours that were pruned."""

    since: datetime
    until: datetime


@dataclass(frozen=True)
class Recorded:
    """An outcome that somebody recorded."""

    tenant: str
    workflow: str
    conversation_id: str
    outcome: str
    at: datetime


steps = st.one_of(
    st.builds(Added, st.lists(calls, min_size=1, max_size=6)),
    st.builds(Removed, moments, moments),
    st.builds(
        Recorded,
        st.sampled_from(["acme", "1:a"]),
        st.sampled_from(["triage", "-"]),
        st.sampled_from(["a", "b", "never seen"]),
        st.sampled_from(["resolved", "failed", "abandoned"]),
        moments,
    ),
)
windows = st.tuples(st.none() | moments, st.none() | moments).filter(
    lambda ends: ends[0] is None or ends[1] is None or ends[0] <= ends[1]
)


def follow(store: Store, step: Added | Removed | Recorded, number: int) -> None:
    """Change the ledger as its writers do."""
    match step:
        case Added(calls=found):
            add(store, [call(100 * number + n, **changes) for n, changes in enumerate(found)])
        case Removed(since=since, until=until):
            remove(store, since, until)
        case Recorded():
            end(
                store,
                step.conversation_id,
                step.outcome,
                tenant=step.tenant,
                workflow=step.workflow,
                recorded_at=step.at,
            )


@given(
    st.lists(st.lists(steps, min_size=1, max_size=5), min_size=1, max_size=5),
    st.lists(windows, min_size=1, max_size=4),
)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_counts_by_day_agree_with_the_table_after_any_changes(
    store: Store,
    rounds: list[list[Added | Removed | Recorded]],
    windows: list[tuple[datetime | None, datetime | None]],
) -> None:
    clear(store)
    for turn, changes in enumerate(rounds):
        for place, step in enumerate(changes):
            follow(store, step, 10 * turn + place)
        roll_up(store)
        for ends in [(None, None), *windows]:
            part = Slice(Window(*ends))
            for by in (Dimension.WORKFLOW, Dimension.TENANT):
                told = [
                    ended_conversations(store, part, by, is_rolled=is_rolled)
                    for is_rolled in (True, False)
                ]
                assert told[0] == told[1]


def test_calls_are_not_read_to_count_conversations(store: Store) -> None:
    add(store, [call(1, conversation_id="c"), call(2, conversation_id="d")])
    end(store, "c", "resolved")
    roll_up(store)
    store.connection.execute("delete from stored_call")  # and nobody is told
    told = ended_conversations(store, ALWAYS, Dimension.TENANT)["acme", False]
    assert (told.conversation_count, told.resolved_count, told.open_count) == (2, 1, 1)


def test_without_an_outcome_nothing_is_kept(store: Store) -> None:
    add(store, [call(1, conversation_id="c")])
    roll_up(store)
    for table in ("conversation_day", "rollup_conversation", "conversation_stale"):
        assert store.connection.execute(f"from {table}").fetchall() == []


def test_the_digest_of_a_conversation_is_the_same_in_every_version(store: Store) -> None:
    """It is stored, so another one would count conversations twice."""
    names = [("acme", "triage", "c1"), (None, None, "c1"), ("", "", "c1"), ("1:a", "-", "c")]
    told = [
        store.connection.execute("select conversation_key(?, ?, ?)", list(name)).fetchall()[0][0]
        for name in names
    ]
    spelled = ["4:acme6:triagec1", "--c1", "0:0:c1", "3:1:a1:-c"]
    assert told == [
        int.from_bytes(md5(text.encode(), usedforsecurity=False).digest(), "little")
        for text in spelled
    ]


def test_of_two_outcomes_at_one_instant_the_one_that_was_loaded_last_counts(store: Store) -> None:
    add(store, [call(1, conversation_id="c")])
    for outcome in ("resolved", "failed", "resolved", "abandoned"):
        end(store, "c", outcome)
    for is_rolled in (True, False):
        roll_up(store)
        told = ended_conversations(store, ALWAYS, Dimension.TENANT, is_rolled=is_rolled)
        assert told["acme", False].resolved_count == 0
