"""An attempt is announced before it is sent, and ends in exactly one row, whoever dies."""

import json
import os
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from wai_ops.core.errors import DataError
from wai_ops.state.conversations import list_turns
from wai_ops.state.live import ATTEMPT, LiveState
from wai_ops.state.owner import current_owner, is_alive, process_id

Start = Callable[..., "subprocess.Popen[str]"]


def facts(live: LiveState) -> list[tuple[int, str, Any]]:
    """All rows of the outbox."""
    return [(row.seq, row.kind, json.loads(row.payload)) for row in live.sealed(after=0)]


def announced(process: "subprocess.Popen[str]") -> "subprocess.Popen[str]":
    """Wait until the child has announced its attempt."""
    assert process.stdout is not None
    assert process.stdout.readline() == "announced\n"
    return process


def test_sealing_moves_an_attempt_from_in_flight_to_the_outbox(live: LiveState) -> None:
    with live.write():
        live.announce("a", {"attempt_id": "a", "cost_state": "unknown"})
    assert live.counts() == (0, 1)
    with live.write():
        live.seal("a", {"attempt_id": "a", "cost_state": "metered"})
    assert live.counts() == (1, 0)
    assert facts(live) == [(1, ATTEMPT, {"attempt_id": "a", "cost_state": "metered"})]


def test_a_step_that_fails_leaves_nothing_behind(live: LiveState) -> None:
    def fail_half_way() -> None:
        with live.write():
            live.announce("a", {})
            live.append("test", {})
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        fail_half_way()
    assert live.counts() == (0, 0)
    with live.write():
        live.append("test", {})
    assert live.counts() == (1, 0)


def test_the_same_attempt_cannot_be_announced_twice(live: LiveState) -> None:
    with live.write():
        live.announce("a", {})
    with pytest.raises(DataError), live.write():
        live.announce("a", {})
    assert live.counts() == (0, 1)


def test_the_attempt_of_a_killed_process_becomes_outcome_unknown_at_unknown_cost(
    start: Start, live: LiveState
) -> None:
    child = announced(start("announce", "a", "die"))
    assert child.wait() == -9
    assert live.counts() == (0, 1)
    assert live.reconcile() == 1
    assert live.counts() == (1, 0)
    ((_, kind, record),) = facts(live)
    assert kind == ATTEMPT
    assert record == {
        "attempt_id": "a",
        "error_type": "unknown",
        "error_message": "the process ended before the outcome was recorded",
        "cost_state": "unknown",
        "cost_usd": None,
        "neurons": None,
    }
    (turn,) = list_turns(live, "t:w:c")
    assert (turn.state, turn.reply_json) == ("lost", None)
    assert live.reconcile() == 0
    assert live.counts() == (1, 0)


def test_the_attempt_of_a_zombie_is_sealed_too(start: Start, live: LiveState) -> None:
    """A killed process whose parent has not asked for it yet still has its process id."""
    child = announced(start("announce", "a", "die"))
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert live.reconcile() == 1


def test_the_attempt_of_a_living_process_is_left_alone(start: Start, live: LiveState) -> None:
    child = announced(start("announce", "a", "wait"))
    assert live.reconcile() == 0
    assert live.counts() == (0, 1)
    assert [turn.state for turn in list_turns(live, "t:w:c")] == ["open"]
    child.kill()
    child.wait()
    assert live.reconcile() == 1
    assert live.counts() == (1, 0)


def test_only_the_dead_ones_attempts_are_sealed(start: Start, live: LiveState) -> None:
    waiting = announced(start("announce", "waits", "wait"))
    announced(start("announce", "dies", "die")).wait()
    assert live.reconcile() == 1
    ((_, _, record),) = facts(live)
    assert record["attempt_id"] == "dies"
    assert [turn.state for turn in list_turns(live, "t:w:c")] == ["open", "lost"]
    assert waiting.poll() is None


def test_a_process_id_that_was_used_again_is_told_apart_by_its_start_time(
    live: LiveState,
) -> None:
    """The id lives, but it began at another time: the owner is gone."""
    host, boot, pid, started = live.owner.split("/")
    live.owner = f"{host}/{boot}/{pid}/{int(started) - 1}"
    with live.write():
        live.announce("a", {})
    assert live.reconcile() == 1


@pytest.mark.parametrize(
    ("change", "alive"),
    [
        ({}, True),
        ({"start": "1"}, False),
        ({"start": "-"}, True),
        ({"boot": "another"}, False),
        ({"host": "another"}, True),
        ({"host": "another", "boot": "another", "start": "1"}, True),
    ],
)
def test_an_owner_lives_while_host_boot_process_and_start_agree(
    change: dict[str, str], alive: bool
) -> None:
    host, boot, pid, started = current_owner().split("/")
    parts = {"host": host, "boot": boot, "pid": pid, "start": started, **change}
    assert is_alive("/".join(parts.values())) is alive


def test_a_process_id_that_nobody_has_is_dead_and_init_is_alive() -> None:
    host, boot, _, _ = current_owner().split("/")
    with subprocess.Popen(["true"]) as gone:
        gone.wait()
    assert not is_alive(f"{host}/{boot}/{gone.pid}/-")
    assert is_alive(f"{host}/{boot}/1/-")
    assert process_id(current_owner()) == os.getpid()
