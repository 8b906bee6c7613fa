"""What is spent and what is set aside never pass a budget's limit, whatever happens in between."""

import shutil
import tempfile
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
)

from support.facts import NOON, ManualClock
from wai_ops.core.errors import DataError
from wai_ops.state.live import LiveState
from wai_ops.state.reservations import (
    Budget,
    balance_of,
    list_balances,
    list_reservations,
    release,
    reserve,
    settle,
    to_pico,
    to_usd,
)

KEYS = ("conversation:a", "workflow:b", "tenant:c")
CENT = Decimal("0.01")


@pytest.fixture
def live(tmp_path: Path) -> LiveState:
    """Live state of its own."""
    return LiveState.open(tmp_path / ".wai", clock=ManualClock())


def take(live: LiveState, name: str, amount: Decimal, *budgets: Budget) -> bool:
    """Reserve; say whether it was done."""
    with live.write():
        short = reserve(live, budgets, amount, reservation_id=name, run_id=f"run-{name}", now=NOON)
    return short is None


def end(live: LiveState, name: str, charged: Decimal | None) -> Decimal:
    """Settle."""
    with live.write():
        return settle(live, name, charged, now=NOON)


def test_a_reservation_holds_its_room_until_it_is_settled(live: LiveState) -> None:
    budget = Budget(key="k", limit_usd=CENT)
    assert take(live, "a", CENT * 6 / 10, budget)
    assert not take(live, "b", CENT * 6 / 10, budget)
    assert end(live, "a", CENT * 3 / 10) == 0
    assert take(live, "b", CENT * 6 / 10, budget)
    balance = balance_of(live, budget)
    assert (balance.spent_usd, balance.open_usd) == (CENT * 3 / 10, CENT * 6 / 10)
    assert balance.remaining_usd == CENT / 10


def test_a_call_reserves_in_all_its_budgets_or_in_none(live: LiveState) -> None:
    wide, narrow = Budget(key="wide", limit_usd=CENT), Budget(key="narrow", limit_usd=CENT / 4)
    assert not take(live, "a", CENT / 2, wide, narrow)
    assert list_reservations(live) == []
    assert list_balances(live) == []
    assert take(live, "a", CENT / 4, wide, narrow)
    assert [item.budget_key for item in list_reservations(live)] == ["narrow", "wide"]
    end(live, "a", CENT / 8)
    assert [item.spent_usd for item in list_balances(live)] == [CENT / 8, CENT / 8]


def test_the_first_budget_that_lacks_room_is_named_with_what_would_help(live: LiveState) -> None:
    budget = Budget(key="k", limit_usd=CENT)
    take(live, "a", CENT * 8 / 10, budget)
    with live.write():
        short = reserve(live, [budget], CENT / 2, reservation_id="b", run_id="r", now=NOON)
        never = reserve(live, [budget], CENT * 2, reservation_id="b", run_id="r", now=NOON)
    assert short is not None
    assert never is not None
    assert (short.may_clear, never.may_clear) == (True, False)
    assert (short.balance.key, short.balance.remaining_usd) == ("k", CENT * 2 / 10)
    end(live, "a", None)
    with live.write():
        after = reserve(live, [budget], CENT / 2, reservation_id="b", run_id="r", now=NOON)
    assert after is not None
    assert not after.may_clear, "what ended without a price is not given back by waiting"


def test_a_cost_that_nobody_knows_counts_in_full_until_somebody_does(live: LiveState) -> None:
    budget = Budget(key="k", limit_usd=CENT)
    take(live, "a", CENT, budget)
    end(live, "a", None)
    assert not take(live, "b", CENT / 100, budget)
    assert [item.state for item in list_reservations(live)] == ["unknown"]
    end(live, "a", CENT / 10)
    assert balance_of(live, budget).spent_usd == CENT / 10
    assert take(live, "b", CENT / 100, budget)


def test_settling_twice_charges_once(live: LiveState) -> None:
    budget = Budget(key="k", limit_usd=CENT)
    take(live, "a", CENT, budget)
    end(live, "a", CENT / 2)
    end(live, "a", CENT / 2)
    with live.write():
        release(live, "a", now=NOON)
    assert balance_of(live, budget).spent_usd == CENT / 2


def test_a_charge_above_the_reservation_is_told_and_counted(live: LiveState) -> None:
    budget = Budget(key="k", limit_usd=CENT)
    take(live, "a", CENT / 2, budget)
    assert end(live, "a", CENT * 2) == CENT * 3 / 2
    assert balance_of(live, budget).spent_usd == CENT * 2
    assert balance_of(live, budget).remaining_usd == 0
    assert not take(live, "b", Decimal("1e-12"), budget)


def test_windows_of_one_budget_do_not_share_their_money(live: LiveState) -> None:
    first = Budget(key="k", limit_usd=CENT, window_start=NOON.replace(minute=0))
    second = Budget(key="k", limit_usd=CENT, window_start=NOON.replace(hour=13, minute=0))
    assert take(live, "a", CENT, first)
    assert take(live, "b", CENT, second)
    end(live, "a", CENT)
    assert balance_of(live, first).spent_usd == CENT
    assert balance_of(live, second).spent_usd == 0


def test_the_tightest_of_two_limits_on_one_budget_holds(live: LiveState) -> None:
    loose, tight = Budget(key="k", limit_usd=CENT), Budget(key="k", limit_usd=CENT / 2)
    assert not take(live, "a", CENT, loose, tight)
    assert take(live, "a", CENT / 2, loose, tight)
    assert len(list_reservations(live)) == 1


def test_a_budget_that_is_only_watched_counts_and_keeps_nothing_from_being_sent(
    live: LiveState,
) -> None:
    watched = Budget(key="watched", limit_usd=CENT, is_enforced=False)
    kept = Budget(key="kept", limit_usd=CENT * 3)
    with live.write():
        short = reserve(live, [watched, kept], CENT * 2, reservation_id="a", run_id="r", now=NOON)
    assert short is not None
    assert (short.balance.key, short.is_enforced) == ("watched", False)
    assert len(list_reservations(live)) == 2
    with live.write():
        short = reserve(live, [watched, kept], CENT * 2, reservation_id="b", run_id="r", now=NOON)
    assert short is not None
    assert (short.balance.key, short.is_enforced) == ("kept", True), "the one that counts"
    assert len(list_reservations(live)) == 2


def test_amounts_are_rounded_up_and_limits_down(live: LiveState) -> None:
    assert to_pico(Decimal("0.0000000000011")) == 2
    budget = Budget(key="k", limit_usd=Decimal("0.0000000000019"))
    assert not take(live, "a", Decimal("0.0000000000011"), budget)
    assert take(live, "a", Decimal("0.000000000001"), budget)


def test_an_amount_that_no_column_holds_is_refused_in_words(live: LiveState) -> None:
    budget = Budget(key="k", limit_usd=Decimal(10) ** 9)
    with pytest.raises(DataError, match="set aside"):
        take(live, "a", Decimal(10) ** 7, budget)
    assert take(live, "a", Decimal(9_000_000), budget)
    assert not take(live, "b", Decimal(9_000_000), budget)


def test_money_cannot_be_set_aside_outside_of_a_transaction(live: LiveState) -> None:
    with pytest.raises(RuntimeError, match="write"):
        reserve(live, [], CENT, reservation_id="a", run_id="r", now=NOON)


def test_reservations_of_the_dead_become_unknown_and_those_of_the_living_stay(
    live: LiveState,
) -> None:
    budget = Budget(key="k", limit_usd=CENT)
    take(live, "a", CENT / 4, budget)
    live.owner = "elsewhere/boot/1/1"
    take(live, "b", CENT / 4, budget)
    live.reconcile(alive=lambda owner: owner.startswith("elsewhere"))
    states = {item.reservation_id: item.state for item in list_reservations(live)}
    assert states == {"a": "unknown", "b": "open"}


amounts = st.integers(min_value=0, max_value=400).map(lambda n: to_usd(n * 10**9))
some_keys = st.lists(st.sampled_from(KEYS), min_size=1, max_size=4)


class StoreMachine(RuleBasedStateMachine):
    """Random calls in random budgets; a plain dictionary does the same sums beside it."""

    held = Bundle("held")

    @initialize(limits=st.lists(st.integers(100, 1500), min_size=3, max_size=3))
    def open_store(self, limits: list[int]) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.live = LiveState.open(self.folder, clock=ManualClock())
        self.budgets = {
            key: Budget(key=key, limit_usd=to_usd(limit * 10**9))
            for key, limit in zip(KEYS, limits, strict=True)
        }
        self.spent = dict.fromkeys(KEYS, Decimal(0))
        self.set_aside: dict[str, tuple[frozenset[str], Decimal]] = {}
        self.count = 0

    def room(self, key: str) -> Decimal:
        """What the dictionary says is left."""
        reserved = sum((a for keys, a in self.set_aside.values() if key in keys), Decimal(0))
        return self.budgets[key].limit_usd - self.spent[key] - reserved

    @rule(target=held, keys=some_keys, amount=amounts)
    def begin(self, keys: list[str], amount: Decimal) -> str:
        self.count += 1
        name = f"r{self.count}"
        fits = all(self.room(key) >= amount for key in keys)
        assert take(self.live, name, amount, *(self.budgets[key] for key in keys)) is fits
        if fits:
            self.set_aside[name] = (frozenset(keys), amount)
        return name

    @rule(name=consumes(held), share=st.integers(0, 100))
    def settle_it(self, name: str, share: int) -> None:
        keys, amount = self.set_aside.pop(name, (frozenset(), Decimal(0)))
        charged = amount * share / 100
        assert end(self.live, name, charged) == 0
        for key in keys:
            self.spent[key] += charged

    @rule(name=held)
    def lose_its_price(self, name: str) -> None:
        end(self.live, name, None)

    @rule()
    def the_process_dies(self) -> None:
        self.live.reconcile(alive=lambda _: False)
        assert {item.state for item in list_reservations(self.live)} <= {"unknown"}

    @rule()
    def another_process_opens_it(self) -> None:
        self.live.close()
        self.live = LiveState.open(self.folder, clock=ManualClock())

    @invariant()
    def nothing_passes_its_limit(self) -> None:
        if not hasattr(self, "live"):
            return
        for balance in list_balances(self.live):
            assert balance.spent_usd + balance.reserved_usd <= balance.limit_usd
            assert balance.spent_usd == self.spent[balance.key]
            assert balance.remaining_usd == self.room(balance.key)

    def teardown(self) -> None:
        if hasattr(self, "live"):
            self.live.close()
            shutil.rmtree(self.folder)


TestStore = StoreMachine.TestCase
TestStore.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
