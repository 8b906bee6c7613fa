"""Replaying calls through meters: exact sums, the provider's windows, nothing passed unseen."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from support.guards import CHEAP, MODEL, budget
from wai_ops.config.budget_settings import (
    Alignment,
    BudgetScope,
    BudgetSettings,
    BudgetWindow,
    Enforcement,
    GuardSettings,
    LimitAction,
    ScopeKey,
)
from wai_ops.control.budgets.compile import compile_budgets
from wai_ops.control.budgets.local import (
    budget_key,
    held_locally,
    local_budgets,
    window_start,
)
from wai_ops.control.budgets.matching import Matcher, Traits
from wai_ops.control.budgets.replay import (
    Call,
    Meter,
    Period,
    epoch_us,
    from_us,
    replay,
    to_pico,
)
from wai_ops.runtime.request import Ask

S = 1_000_000
HOUR = 3600 * S
CALL = Traits(tenant="acme", workflow="support", prompt="triage@3", model=MODEL)
times = st.datetimes(datetime(1999, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def meter(limit: int, **options: int) -> Meter:
    return Meter(guard="g", bucket="", limit=limit, length_us=HOUR, **options)  # type: ignore[arg-type]  # booleans are integers


def calls(*rows: tuple[int, int, int]) -> list[Call]:
    """(start, end, cost) in seconds and picodollars."""
    return [(start * S, end * S, 0, cost, cost, None) for start, end, cost in rows]


def refused(found: list[Call], *meters: Meter, delay_s: int = 0) -> list[int]:
    return [i for i, _ in replay(found, [meters], delay_us=delay_s * S).refused]


def test_the_call_that_overspends_completes_and_the_next_is_refused() -> None:
    """A cost counts when its call has ended: those under way pass."""
    found = calls((0, 5, 10), (6, 7, 10), (8, 9, 10))
    assert refused(found, meter(15)) == [2]
    assert refused(calls((0, 5, 10), (1, 6, 10), (2, 7, 10)), meter(15)) == []


def test_a_cost_that_is_seen_late_lets_more_pass() -> None:
    found = calls((0, 1, 10), (2, 3, 10), (4, 5, 10), (6, 7, 10))
    assert refused(found, meter(10)) == [1, 2, 3]
    assert refused(found, meter(10), delay_s=4) == [3]


def test_a_new_window_begins_from_nothing_and_a_sliding_one_weighs_the_last() -> None:
    found = calls((0, 1, 10), (10, 11, 5), (3600, 3601, 1), (5400, 5401, 1))
    assert refused(found, meter(10)) == [1]
    # Just after the hour all of the hour before still counts; half an hour later half of it.
    assert refused(found, meter(10, is_sliding=True)) == [1, 2]


def test_a_reservation_is_never_passed() -> None:
    """What is under way counts with its worst case."""
    found = calls((0, 5, 10), (1, 6, 10), (2, 7, 10), (8, 9, 5))
    assert refused(found, meter(25, reserves=True)) == [2]
    # Counted afterwards only, three pass together and the fourth meets what they spent.
    assert refused(found, meter(25)) == [3]


def test_a_conversation_has_a_purse_of_its_own() -> None:
    """The dollars that an envelope allows it, for ever and whatever its other budgets."""
    found = Matcher(
        compiled=compile_budgets({}, GuardSettings()),
        budgets={},
        envelopes={"support": Decimal("0.000000000025")},
    )
    rows: list[Call] = [(i * S, (i + 1) * S, 0, 10, 10, name) for i, name in enumerate("aabaabb")]
    result = replay(rows, [[]], own_of=lambda _, name: found.purse_of(CALL, name))
    assert [(i, m and m.bucket) for i, m in result.refused] == [
        (3, "tenant=acme, conversation=a"),
        (4, "tenant=acme, conversation=a"),
        (6, "tenant=acme, conversation=b"),
    ]
    other = Traits(tenant="acme", workflow="billing", prompt=None, model=MODEL)
    assert found.purse_of(other, "a") is None


def test_calls_are_counted_when_they_begin() -> None:
    found = calls((0, 50, 1), (1, 50, 1), (2, 50, 1))
    assert refused(found, meter(2, counts_calls=True)) == [2]


@given(
    rows=st.lists(
        st.tuples(st.integers(0, 7 * 3600), st.integers(0, 4000), st.integers(0, 40)), max_size=40
    ),
    limit=st.integers(1, 100),
)
def test_a_replay_agrees_with_counting_by_hand(
    rows: list[tuple[int, int, int]], limit: int
) -> None:
    """Against a model without heap or running counters."""
    found = calls(*sorted((start, start + length, cost) for start, length, cost in rows))
    expected: list[int] = []
    for index, (start, *_) in enumerate(found):
        spent: dict[int, int] = defaultdict(int)
        for other, (_, end, _, cost, _, _) in enumerate(found[:index]):
            if other not in expected and end <= start:
                spent[end // HOUR] += cost
        if spent[start // HOUR] >= limit:
            expected.append(index)
    assert refused(found, meter(limit)) == expected


@given(at=times)
def test_windows_are_those_of_the_calendar(at: datetime) -> None:
    """Hours, days, Mondays and firsts of months in UTC, for replays and reservations alike."""
    for window, period in zip(BudgetWindow, Period, strict=True):
        begin = window_start(window, at)
        assert begin <= at
        first, later = epoch_us(begin), epoch_us(at)
        counted = Meter(
            guard="g",
            bucket="",
            limit=1,
            length_us=period.value[0],
            offset_us=period.value[1],
        )
        one: list[Call] = [(first, first, 0, 1, 1, None), (later, later, 0, 1, 1, None)]
        assert [i for i, _ in replay(one, [[counted]]).refused] == [1]
        before = epoch_us(begin - timedelta(microseconds=1))
        fresh = Meter(
            guard="g",
            bucket="",
            limit=1,
            length_us=period.value[0],
            offset_us=period.value[1],
        )
        two: list[Call] = [(before, before, 0, 1, 1, None), (later, later, 0, 1, 1, None)]
        assert replay(two, [[fresh]]).refused == []
    assert from_us(epoch_us(at)) == at


def matcher(**budgets: BudgetSettings) -> Matcher:
    return Matcher(compiled=compile_budgets(budgets, GuardSettings()), budgets=budgets)


def test_a_call_without_a_key_passes_what_is_split_by_it() -> None:
    """And a policy gateway refuses it then, because no policy is about it."""
    rolling = matcher(a=budget(per=(ScopeKey.TENANT,), alignment=Alignment.ROLLING))
    bare = Traits(tenant=None, workflow="w", prompt=None, model=MODEL)
    assert rolling.meters_of(bare) == []
    policy = matcher(a=budget(per=(ScopeKey.TENANT,)))
    assert policy.meters_of(bare) is None
    asked = policy.meters_of(CALL)
    assert asked is not None
    assert [(m.guard, m.bucket) for m in asked] == [
        ("local a", "tenant=acme"),
        ("policy wai-a", "tenant=acme"),
    ]


def test_a_budget_for_each_model_has_a_meter_for_each() -> None:
    found = matcher(
        a=budget(
            per=(ScopeKey.MODEL,),
            scope=BudgetScope(model=(MODEL, CHEAP)),
            enforce=(Enforcement.POLICY,),
        )
    )
    other = Traits(tenant="x", workflow="w", prompt=None, model=CHEAP)
    one, two = found.meters_of(CALL), found.meters_of(other)
    assert one is not None
    assert two is not None
    assert len(one) == len(two) == 1
    assert one[0] is not two[0]
    again = found.meters_of(CALL)
    assert again is not None
    assert again[0] is one[0]


def test_budgets_are_held_locally_in_their_running_windows() -> None:
    """Blocking budgets of the calendar; the rest says why not."""
    at = datetime(2026, 11, 23, 15, 30, tzinfo=UTC)
    budgets = {
        "each": budget(per=(ScopeKey.TENANT,), window=BudgetWindow.DAILY),
        "other": budget(scope=BudgetScope(tenant=("globex",))),
        "rolling": budget(alignment=Alignment.ROLLING),
        "alert": budget(action=LimitAction.ALERT),
        "native": budget(enforce=(Enforcement.POLICY,)),
        "prompt": budget(scope=BudgetScope(prompt=("triage",)), window=BudgetWindow.WEEKLY),
    }
    assert sorted(held_locally(budgets)) == ["each", "other", "prompt"]
    ask = Ask(
        text="",
        model=MODEL,
        tenant="acme",
        workflow="support",
        conversation_id="c",
        prompt_name="triage",
        prompt_version="3",
        max_output_tokens=1,
    )
    found = {b.key: b for b in local_budgets(budgets)(ask, at)}
    assert sorted(found) == ["budget:each[tenant=acme]", "budget:prompt"]
    assert found["budget:prompt"].window_start == datetime(2026, 11, 23, tzinfo=UTC)
    assert found[budget_key("each", "tenant=acme")].limit_usd == Decimal(5)
    assert to_pico(Decimal("0.000000000001")) == 1
