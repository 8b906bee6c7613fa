"""Cost per resolved workflow: everything a group cost, over what of it was resolved."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from support.calls import call, end, hours, ledger_of
from support.facts import NOON
from wai_ops.core.window import Window
from wai_ops.observe.reports import cost
from wai_ops.observe.reports.cost import cost_report
from wai_ops.observe.reports.resolved import per_resolved
from wai_ops.observe.reports.slice import Dimension, Slice, parse_where

ALWAYS = Slice(Window(None, None))
CALLS = [
    call(1, conversation_id="won", cost_usd=Decimal("1.00")),
    call(2, conversation_id="won", cost_usd=Decimal("0.50"), started_at=hours(1)),
    call(3, conversation_id="lost", cost_usd=Decimal("0.25"), model="@cf/b/two"),
    call(4, conversation_id="open", cost_state="unknown", cost_usd=None, neurons=None),
    call(5, conversation_id="open", cost_state="estimated", cost_usd=Decimal(7)),
    call(6, conversation_id="won", workflow="other", cost_usd=Decimal(2)),
    call(7, conversation_id=None, cost_usd=Decimal("0.05")),
]


def test_failed_and_open_conversations_are_part_of_the_cost_and_not_of_the_count(
    tmp_path: Path,
) -> None:
    with ledger_of(tmp_path, CALLS) as store:
        end(store, "won", "failed", recorded_at=NOON)
        end(store, "won", "resolved", recorded_at=NOON + timedelta(seconds=1))
        end(store, "lost", "failed")
        table = cost_report(store, ALWAYS)
    rows = {getattr(row, "workflow"): row for row in table.rows}  # noqa: B009 - made at run time
    triage = rows["triage"]
    assert triage.cost_usd == Decimal("1.80")
    assert (triage.conversation_count, triage.resolved_count) == (3, 1)
    assert triage.resolved_cost_usd == Decimal("1.80")
    other = rows["other"]  # the same id in another workflow is another conversation
    assert (other.conversation_count, other.resolved_count) == (1, 0)
    assert other.resolved_cost_usd is None
    total = table.total
    assert total is not None
    assert (total.conversation_count, total.resolved_count) == (4, 1)
    assert total.resolved_cost_usd == Decimal("3.80")
    assert (
        "2 of 4 conversations (50.0%) have no recorded outcome and count as not resolved"
        in table.notes
    )


def test_a_conversation_belongs_to_every_group_it_has_a_call_in_and_once_to_the_total(
    tmp_path: Path,
) -> None:
    rows = [
        call(1, conversation_id="c", model="a", cost_usd=Decimal(1)),
        call(2, conversation_id="c", model="b", cost_usd=Decimal(2)),
        call(3, conversation_id="d", model="b", cost_usd=Decimal(4)),
    ]
    with ledger_of(tmp_path, rows) as store:
        end(store, "c", "resolved")
        end(store, "d", "resolved")
        table = cost_report(store, ALWAYS, Dimension.MODEL)
        only_b = cost_report(store, Slice(ALWAYS.window, parse_where(["model=b"])))
    found = {getattr(row, "model"): row.resolved_cost_usd for row in table.rows}  # noqa: B009
    assert found == {"a": Decimal(1), "b": Decimal(3)}
    assert table.total is not None
    assert table.total.resolved_cost_usd == Decimal("3.5")
    assert only_b.total is not None
    assert only_b.total.resolved_cost_usd == Decimal(3)


def test_the_window_chooses_the_calls_and_the_outcome_may_come_later(tmp_path: Path) -> None:
    with ledger_of(tmp_path, CALLS) as store:
        end(store, "won", "resolved", recorded_at=hours(48))
        late = cost_report(store, Slice(Window(hours(0.5), hours(2)))).total
        early = cost_report(store, Slice(Window(None, hours(0.5)))).total
    assert late is not None
    assert (late.cost_usd, late.resolved_cost_usd) == (Decimal("0.5"), Decimal("0.5"))
    assert early is not None
    assert early.resolved_count == 1


def test_without_any_outcome_nothing_is_inferred(tmp_path: Path) -> None:
    with ledger_of(tmp_path, CALLS) as store:
        table = cost_report(store, ALWAYS)
    assert table.total is not None
    assert (table.total.conversation_count, table.total.resolved_count) == (None, None)
    assert table.total.resolved_cost_usd is None
    assert any("no outcome of a conversation was ever recorded" in note for note in table.notes)


def test_the_share_is_kept_to_twelve_places() -> None:
    assert per_resolved(Decimal(10), 3) == Decimal("3.333333333333")
    assert per_resolved(Decimal("99999999999999.999999999999"), 1) == Decimal(
        "99999999999999.999999999999"
    )
    assert per_resolved(Decimal(0), 5) == 0
    assert per_resolved(None, 5) is None
    assert per_resolved(Decimal(1), 0) is None


def test_the_free_allocation_is_a_days_and_local_calls_are_not_billed(tmp_path: Path) -> None:
    day = timedelta(days=1)
    rows = [
        call(1, neurons=Decimal(25_000)),
        call(2, neurons=Decimal(5_000), started_at=NOON + day),
        call(3, neurons=Decimal(90_000), started_at=NOON + day, target="local"),
    ]
    with ledger_of(tmp_path, rows) as store:
        rolled = cost_report(store, ALWAYS).notes
        assert rolled == cost_report(store, ALWAYS, is_rolled=False).notes
        inside = cost_report(store, Slice(Window(hours(-1), hours(30)))).notes
    words = (
        "the free allocation of 10,000 neurons a UTC day would have covered 50.0% of these neurons"
        " ($0.165000), if the account had no other calls: it is not subtracted here"
    )
    assert words in rolled
    assert words in inside


def test_of_very_many_conversations_the_dearest_are_shown_and_all_are_in_the_total(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cost, "MOST_CONVERSATIONS", 3)
    rows = [call(n, conversation_id=f"c{n}", cost_usd=Decimal(n)) for n in range(6)]
    rows += [call(9, conversation_id=None, cost_usd=Decimal("4.5"), tenant=None)]
    with ledger_of(tmp_path, rows) as store:
        end(store, "c5", "resolved")
        end(store, "c1", "resolved")
        table = cost_report(store, ALWAYS, Dimension.CONVERSATION)
        some = cost_report(
            store,
            Slice(ALWAYS.window, parse_where(["conversation!=c5", "conversation!="])),
            Dimension.CONVERSATION,
        )
    shown = [(getattr(row, "conversation"), row.cost_usd) for row in table.rows]  # noqa: B009
    assert shown == [
        ("acme:triage:c5", Decimal(5)),
        (None, Decimal("4.5")),
        ("acme:triage:c4", Decimal(4)),
    ]
    assert table.rows[0].resolved_cost_usd == Decimal(5)
    total = table.total
    assert total is not None
    assert (total.request_count, total.cost_usd) == (7, Decimal("19.5"))
    assert (total.conversation_count, total.resolved_count) == (6, 2)
    assert "the 3 dearest conversations are shown; the total is of all" in table.notes
    assert [row.cost_usd for row in some.rows] == [4, 3, 2]
    assert some.total is not None
    assert some.total.cost_usd == 10
