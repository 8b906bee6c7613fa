"""What processes left behind is settled by the evidence: the log first, then the ledger."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from support.facts import NOON, ManualClock
from wai_ops.control.budgets.unpoliced import Unpoliced
from wai_ops.control.decisions.log import DecisionLog
from wai_ops.control.envelopes.reconcile import Reconciled, reconcile
from wai_ops.control.gate import Gate, Permitted, RecordedDenial
from wai_ops.control.policy.action import Action, ActionKind
from wai_ops.runtime.keeping import Keeper
from wai_ops.state.live import LiveState
from wai_ops.state.reservations import (
    Budget,
    balance_of,
    list_reservations,
    reserve,
    settle,
)

BUDGET = Budget(key="k", limit_usd=Decimal(1))
HELD = Decimal("0.01")
ACTION = Action(kind=ActionKind.MODEL_CALL, tenant="t", workflow="w", model="m")
Settle = Callable[..., list[Reconciled]]


@pytest.fixture
def clock() -> ManualClock:
    """A clock that only tests move."""
    return ManualClock()


@pytest.fixture
def live(tmp_path: Path, clock: ManualClock) -> Iterator[LiveState]:
    """Live state of a process that is dead by the time somebody looks."""
    with LiveState.open(tmp_path, clock=clock) as opened:
        yield opened


@pytest.fixture
def gate(tmp_path: Path, clock: ManualClock) -> Gate:
    """A gate that lets model calls through and nothing else."""
    log = DecisionLog(tmp_path / "decisions", clock)
    return Gate(Unpoliced(), log, None, clock=clock, actor="a", credential_id="c", keeper=Keeper())


def hold(live: LiveState, clock: ManualClock, name: str) -> None:
    """Set money aside for an attempt."""
    with live.write():
        reserve(live, [BUDGET], HELD, reservation_id=name, run_id=f"run-{name}", now=clock.now())


def begin(gate: Gate, name: str, action: Action = ACTION) -> Permitted:
    """Have an attempt decided."""
    return gate.decide(
        action, justification="j", request_sha256="00", run_id=f"run-{name}", attempt_id=name
    )


@pytest.fixture
def settle_all(live: LiveState, tmp_path: Path, clock: ManualClock) -> Settle:
    """Reconcile, with everybody dead and a ledger that knows some costs."""

    def run(
        costs: Mapping[str, Decimal] | None = None, *, keeps_unknown: bool = False
    ) -> list[Reconciled]:
        def known(ids: Collection[str]) -> Mapping[str, Decimal]:
            return {name: usd for name, usd in (costs or {}).items() if name in ids}

        return reconcile(
            live,
            tmp_path / "decisions",
            known,
            keeps_unknown=keeps_unknown,
            now=clock.now(),
            alive=lambda _: False,
        )

    return run


def outcome(rows: list[Reconciled]) -> tuple[str, Decimal | None]:
    """Of the only row."""
    [row] = rows
    return row.outcome, row.charged_usd


def test_an_attempt_that_was_never_let_through_is_released(
    live: LiveState, gate: Gate, clock: ManualClock, settle_all: Settle
) -> None:
    begin(gate, "earlier").end("ok")
    clock.sleep(1)
    hold(live, clock, "a")
    assert outcome(settle_all()) == ("released", Decimal(0))
    assert balance_of(live, BUDGET).remaining_usd == 1


def test_silence_of_a_log_that_begins_later_is_no_evidence(
    live: LiveState, gate: Gate, clock: ManualClock, settle_all: Settle
) -> None:
    hold(live, clock, "a")
    clock.sleep(1)
    begin(gate, "later").end("ok")
    assert outcome(settle_all()) == ("charged in full", HELD)


def test_without_a_log_all_of_it_is_charged(
    live: LiveState, clock: ManualClock, settle_all: Settle
) -> None:
    hold(live, clock, "a")
    assert outcome(settle_all()) == ("charged in full", HELD)
    assert balance_of(live, BUDGET).spent_usd == HELD
    assert list_reservations(live) == []


def test_an_attempt_that_was_refused_is_released(
    live: LiveState, gate: Gate, clock: ManualClock, settle_all: Settle
) -> None:
    hold(live, clock, "a")
    with pytest.raises(RecordedDenial):
        begin(gate, "a", replace(ACTION, kind=ActionKind.TOOL_CALL, tool="x"))
    assert outcome(settle_all()) == ("released", Decimal(0))


def test_the_end_of_an_action_says_what_it_cost(
    live: LiveState, gate: Gate, clock: ManualClock, settle_all: Settle
) -> None:
    hold(live, clock, "a")
    begin(gate, "a").end("ok", cost_usd=Decimal("0.004"), cost_state="metered")
    assert outcome(settle_all()) == ("charged", Decimal("0.004"))


def test_an_estimate_is_not_what_was_charged(
    live: LiveState, gate: Gate, clock: ManualClock, settle_all: Settle
) -> None:
    hold(live, clock, "a")
    begin(gate, "a").end("cancelled", cost_usd=Decimal("0.004"), cost_state="estimated")
    assert outcome(settle_all()) == ("charged in full", HELD)


def test_a_start_without_an_end_may_have_been_billed(
    live: LiveState, gate: Gate, clock: ManualClock, settle_all: Settle
) -> None:
    hold(live, clock, "a")
    begin(gate, "a")
    assert outcome(settle_all()) == ("charged in full", HELD)


def test_the_gateways_row_counts_where_the_log_does_not_know(
    live: LiveState, gate: Gate, clock: ManualClock, settle_all: Settle
) -> None:
    hold(live, clock, "a")
    begin(gate, "a")
    assert outcome(settle_all({"a": Decimal("0.002")})) == ("charged", Decimal("0.002"))


def test_what_nobody_knows_can_wait_for_the_gateways_rows(
    live: LiveState, gate: Gate, clock: ManualClock, settle_all: Settle
) -> None:
    hold(live, clock, "a")
    begin(gate, "a")
    assert outcome(settle_all(keeps_unknown=True)) == ("kept", None)
    assert balance_of(live, BUDGET).unknown_usd == HELD
    assert outcome(settle_all({"a": Decimal("0.002")})) == ("charged", Decimal("0.002"))
    assert settle_all() == []


def test_a_call_that_ended_without_a_price_is_settled_as_well(
    live: LiveState, gate: Gate, clock: ManualClock, settle_all: Settle
) -> None:
    hold(live, clock, "a")
    begin(gate, "a").end("unknown", cost_state="unknown")
    with live.write():
        settle(live, "a", None, now=clock.now())
    assert outcome(settle_all({"a": Decimal("0.002")})) == ("charged", Decimal("0.002"))


def test_the_reservations_of_those_at_work_are_left_alone(
    live: LiveState, tmp_path: Path, clock: ManualClock
) -> None:
    hold(live, clock, "a")
    rows = reconcile(
        live,
        tmp_path / "decisions",
        lambda _: {},
        keeps_unknown=False,
        now=NOON + timedelta(hours=1),
        alive=lambda _: True,
    )
    assert rows == []
    assert [item.state for item in list_reservations(live)] == ["open"]


def test_one_attempt_in_several_budgets_is_settled_in_all_of_them(
    live: LiveState, clock: ManualClock, settle_all: Settle
) -> None:
    other = Budget(key="other", limit_usd=Decimal(1))
    with live.write():
        reserve(live, [BUDGET, other], HELD, reservation_id="a", run_id="run-a", now=clock.now())
    [row] = settle_all()
    assert row.budgets == "k, other"
    assert [balance_of(live, each).spent_usd for each in (BUDGET, other)] == [HELD, HELD]
