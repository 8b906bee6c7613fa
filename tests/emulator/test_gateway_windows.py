"""Amounts over windows of time, held against a plain list of what was counted."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from wai_ops.emulator.gateway.windows import Technique, WindowCounters

START = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
WINDOW_S = 60

amounts = st.decimals("0.000001", "5", places=6)
steps = st.floats(0, 200, allow_nan=False).map(lambda s: timedelta(seconds=round(s, 3)))
bookings = st.lists(st.tuples(steps, amounts), max_size=30)


def played(events: list[tuple[timedelta, Decimal]]) -> list[tuple[datetime, Decimal]]:
    """(step, amount) as (moment, amount), one after the other."""
    at, result = START, []
    for step, amount in events:
        at += step
        result.append((at, amount))
    return result


def minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)


@given(bookings, steps)
def test_a_fixed_window_holds_exactly_what_fell_into_the_clock_minute(
    events: list[tuple[timedelta, Decimal]], later: timedelta
) -> None:
    counters = WindowCounters()
    booked = played(events)
    for at, amount in booked:
        counters.add(("a",), WINDOW_S, amount, at)
    now = (booked[-1][0] if booked else START) + later
    expected = sum((amount for at, amount in booked if minute(at) == minute(now)), Decimal(0))
    assert counters.spent(("a",), WINDOW_S, "fixed", now) == expected


@given(bookings, steps)
def test_a_sliding_window_adds_the_minute_before_by_its_overlap(
    events: list[tuple[timedelta, Decimal]], later: timedelta
) -> None:
    counters = WindowCounters()
    booked = played(events)
    for at, amount in booked:
        counters.add(("a",), WINDOW_S, amount, at)
    now = (booked[-1][0] if booked else START) + later

    def in_minute(which: datetime) -> Decimal:
        return sum((amount for at, amount in booked if minute(at) == which), Decimal(0))

    passed = Decimal((now - minute(now)) // timedelta(microseconds=1)) / 60_000_000
    expected = in_minute(minute(now)) + in_minute(minute(now) - timedelta(minutes=1)) * (1 - passed)
    assert abs(counters.spent(("a",), WINDOW_S, "sliding", now) - expected) < Decimal("1e-20")


@given(bookings, st.lists(steps, min_size=2, max_size=10))
def test_without_new_amounts_a_sliding_window_only_falls(
    events: list[tuple[timedelta, Decimal]], moments: list[timedelta]
) -> None:
    counters = WindowCounters()
    booked = played(events)
    for at, amount in booked:
        counters.add(("a",), WINDOW_S, amount, at)
    last = booked[-1][0] if booked else START
    seen = [counters.spent(("a",), WINDOW_S, "sliding", last + step) for step in sorted(moments)]
    assert all(later <= earlier for earlier, later in pairwise(seen))


@given(
    st.lists(st.tuples(st.sampled_from("abc"), steps, amounts), max_size=30),
    st.sampled_from(["fixed", "sliding"]),
)
def test_a_snapshot_restores_every_counter(
    events: list[tuple[str, timedelta, Decimal]], technique: Technique
) -> None:
    counters, now = WindowCounters(), START
    for key, step, amount in events:
        now += step
        counters.add((key, "x"), WINDOW_S, amount, now)
    copy = WindowCounters()
    copy.restore(counters.snapshot())
    for key in "abc":
        for later in (0, 30, 60, 90, 120):
            at = now + timedelta(seconds=later)
            assert copy.spent((key, "x"), WINDOW_S, technique, at) == counters.spent(
                (key, "x"), WINDOW_S, technique, at
            )


def test_a_delayed_amount_belongs_to_the_window_in_which_it_was_counted() -> None:
    counters = WindowCounters()
    counters.add(("a",), WINDOW_S, Decimal(3), START + timedelta(seconds=55), delay_s=10)
    assert counters.spent(("a",), WINDOW_S, "fixed", START + timedelta(seconds=59)) == 0
    at = START + timedelta(seconds=66)
    assert counters.spent(("a",), WINDOW_S, "fixed", at) == 0  # the next minute is clean
    assert counters.spent(("a",), WINDOW_S, "sliding", at) == Decimal(3) * Decimal("0.9")


def test_a_delayed_amount_is_seen_when_its_delay_is_over_and_survives_a_snapshot() -> None:
    counters, copy = WindowCounters(), WindowCounters()
    counters.add(("a",), WINDOW_S, Decimal(3), START, delay_s=2)
    copy.restore(counters.snapshot())
    assert copy.spent(("a",), WINDOW_S, "fixed", START) == 3  # a restart takes longer than the lag
    assert counters.spent(("a",), WINDOW_S, "fixed", START + timedelta(seconds=1.999999)) == 0
    assert counters.spent(("a",), WINDOW_S, "fixed", START + timedelta(seconds=2)) == 3


def test_a_booking_for_a_window_long_gone_is_dropped() -> None:
    counters = WindowCounters()
    counters.add(("a",), WINDOW_S, Decimal(3), START, delay_s=300)
    counters.add(("a",), WINDOW_S, Decimal(1), START + timedelta(seconds=240))
    at = START + timedelta(seconds=300)
    assert counters.spent(("a",), WINDOW_S, "fixed", at) == 0
    assert counters.spent(("a",), WINDOW_S, "sliding", at) == 1


def test_ten_thousand_keys_that_come_once_do_not_stay() -> None:
    counters = WindowCounters()
    for i in range(10_000):
        counters.add((f"user-{i}",), WINDOW_S, Decimal(1), START + timedelta(seconds=i))
    assert len(counters.snapshot()) <= 1024 + 120
