"""The outbox is an order: numbered once, never again, and readable while others write."""

import contextlib
import json
import subprocess
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from support.facts import ManualClock
from wai_ops.state.live import LiveState

Start = Callable[..., "subprocess.Popen[str]"]
WRITERS, EACH = 4, 60


def append(live: LiveState, count: int) -> None:
    """Append this many facts."""
    for number in range(count):
        with live.write():
            live.append("test", {"number": number})


def test_a_number_is_never_given_twice_even_when_the_outbox_was_emptied(live: LiveState) -> None:
    append(live, 3)
    assert live.drop_through(3) == 3
    assert live.counts() == (0, 0)
    append(live, 1)
    assert [row.seq for row in live.sealed(after=0)] == [4]


def test_numbers_go_on_after_the_file_was_closed(state_dir: Path) -> None:
    for _ in range(2):
        with LiveState.open(state_dir, clock=ManualClock()) as live:
            append(live, 2)
            live.drop_through(10)
    with LiveState.open(state_dir, clock=ManualClock()) as live:
        append(live, 1)
        assert [row.seq for row in live.sealed(after=0)] == [5]


def test_a_fact_that_was_rolled_back_leaves_no_trace_in_what_is_sealed(live: LiveState) -> None:
    append(live, 1)
    with contextlib.suppress(KeyError), live.write():
        live.append("test", {"number": "never"})
        raise KeyError
    append(live, 1)
    assert [json.loads(row.payload)["number"] for row in live.sealed(after=0)] == [0, 0]


def test_sealed_and_drop_through_take_exactly_their_range(state_dir: Path) -> None:
    with LiveState.open(state_dir, clock=ManualClock()) as live:
        append(live, 10)

        @given(st.integers(-1, 12), st.none() | st.integers(0, 12))
        def check(after: int, limit: int | None) -> None:
            found = [row.seq for row in live.sealed(after=after, limit=limit)]
            assert found == list(range(max(1, after + 1), 11))[:limit]

        check()
        assert live.drop_through(4) == 4
        assert live.drop_through(4) == 0
        assert [row.seq for row in live.sealed(after=0)] == list(range(5, 11))


def test_rows_appear_in_order_and_complete_while_many_processes_write(
    start: Start, live: LiveState
) -> None:
    """What a reader saw up to a number never changes behind it: the fold's mark stays true."""
    children = [start("append", str(name), str(EACH)) for name in range(WRITERS)]
    for child in children:
        assert child.stdout is not None
        assert child.stdin is not None
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
    seen: list[tuple[int, str]] = []
    running = True
    while running:
        running = any(child.poll() is None for child in children)
        after = seen[-1][0] if seen else 0
        seen += [(row.seq, row.payload) for row in live.sealed(after=after)]
    assert [child.returncode for child in children] == [0] * WRITERS
    assert [seq for seq, _ in seen] == list(range(1, WRITERS * EACH + 1))
    by_writer = defaultdict(list)
    for _, payload in seen:
        fact = json.loads(payload)
        by_writer[fact["writer"]].append(fact["number"])
    assert dict(by_writer) == {str(name): list(range(EACH)) for name in range(WRITERS)}


def test_a_reader_in_the_middle_of_its_rows_is_not_disturbed_by_writes(
    live: LiveState, state_dir: Path
) -> None:
    append(live, 5)
    rows = live.sealed(after=0)
    first = next(rows)
    with LiveState.open(state_dir, clock=ManualClock()) as other:
        append(other, 5)
        other.drop_through(3)
    assert [first.seq, *(row.seq for row in rows)] == [1, 2, 3, 4, 5]
    assert [row.seq for row in live.sealed(after=0)] == list(range(4, 11))
