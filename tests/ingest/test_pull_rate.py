"""The gate that all threads of a pull share: never more than the share, and stop when told."""

import threading
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.facts import ManualClock
from wai_ops.observe.ingest.rate import API_REQUESTS, API_WINDOW_S, Halt, RateGate, Stopped


@given(
    st.decimals("0.01", "1", places=2),
    st.lists(st.floats(0, 400), min_size=1, max_size=60),
)
def test_no_five_minutes_see_more_than_the_share(share: Decimal, rests: list[float]) -> None:
    """After a rest a burst may go out, and still the limit's window holds."""
    clock = ManualClock()
    gate = RateGate(clock, share)
    sent: list[float] = []
    for rest in rests:
        clock.sleep(rest)
        for _ in range(20):
            gate.enter()
            sent.append(clock.monotonic())
    most = float(share) * API_REQUESTS
    for first in sent:
        within = [at for at in sent if first <= at < first + API_WINDOW_S - 1e-6]
        assert len(within) <= max(most, 1) + 1


def test_the_share_is_used_up() -> None:
    """Politeness is no excuse for being slow: ten minutes of work send nearly twice the share."""
    clock = ManualClock()
    gate = RateGate(clock, Decimal("0.5"))
    count = 0
    while clock.monotonic() < 600:
        gate.enter()
        count += 1
    assert 1100 <= count <= 1200


def test_a_closed_gate_lets_nobody_through_until_the_time_is_over() -> None:
    """One worker's 429 stops all of them."""
    clock = ManualClock()
    said: list[str] = []
    gate = RateGate(clock, None, on_wait=said.append)
    gate.enter()
    gate.close(300)
    gate.close(299.5)
    gate.enter()
    assert clock.monotonic() == 300
    assert said == ["the API asks to wait 300 s (its rate limit)"], "once, for two refusals"


def test_waiting_for_a_server_that_is_down_is_said_now_and_then() -> None:
    """Twenty silent seconds look like a hang; every attempt of every worker is too much."""
    clock = ManualClock()
    said: list[str] = []
    gate = RateGate(clock, None, on_wait=said.append)
    for _ in range(12):
        gate.pause(0.5, "HTTP 503")
    assert said == []
    for _ in range(5):
        gate.pause(4, "no answer: Connection refused")
    assert said == ["no answer: Connection refused; trying again"] * 2
    assert clock.monotonic() == 26


def test_an_almost_empty_limit_is_left_to_others() -> None:
    """Whoever shares the account would be locked out with us."""
    clock = ManualClock()
    gate = RateGate(clock, Decimal("0.5"))
    gate.hear(19, 42.0)
    gate.enter()
    assert clock.monotonic() == 42.0


def test_a_thrown_switch_ends_a_wait_at_once() -> None:
    """Ctrl-C must not wait five minutes for a rate limit."""
    halt = Halt()
    raised = threading.Event()

    def wait() -> None:
        with pytest.raises(Stopped):
            halt.rest(3600)
        raised.set()

    thread = threading.Thread(target=wait)
    thread.start()
    halt.throw()
    thread.join(timeout=30)
    assert raised.is_set()
