"""Waiting for money that others hold, and what happens when a step before sending fails."""

import json
import signal
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.cli import Wai
from wai_ops.emulator.testing import WaiEmulator

MODEL = "@cf/meta/llama-3.1-8b-instruct-fp8"
ASK = ("run", "-m", MODEL, "--max-tokens", "600", "write 150 words")
BUDGET = 'version: "1"\nbudgets:\n  one: {limit_usd: 0.0004, window: monthly}\n'
"""Fits one worst case of `ASK`, and two of its real cost."""


@pytest.fixture
def tight(wai: Wai, emulator: WaiEmulator) -> Wai:
    """A project whose budget fits one call at a time."""
    emulator.reset()
    wai.environ.update(emulator.environ)
    (wai.folder / "wai.yaml").write_text(BUDGET)
    return wai


def rows(wai: Wai, sql: str) -> list[Any]:
    """What the state file says."""
    with sqlite3.connect(wai.folder / ".wai" / "state.sqlite") as connection:
        return connection.execute(sql).fetchall()


def answering(wai: Wai) -> "subprocess.Popen[bytes]":
    """A run that has its money and is being answered."""
    process = wai.start(*ASK)
    assert process.stdout is not None
    assert process.stdout.read(5)
    return process


def waiting(wai: Wai) -> "subprocess.Popen[bytes]":
    """A run that has said that it waits."""
    process = wai.start(*ASK, "--budget-wait", "120")
    assert process.stderr is not None
    assert b"waiting up to 120 s" in process.stderr.readline()
    return process


def test_whoever_waits_goes_on_when_the_other_one_has_cost_less(
    tight: Wai, emulator: WaiEmulator
) -> None:
    with emulator.knobs.changed({"latency.decode_tokens_per_s": 100}):
        first = answering(tight)
        second = waiting(tight)
        assert second.poll() is None
        first.communicate()
        _, said = second.communicate()
    assert (first.returncode, second.returncode) == (0, 0), said
    assert emulator.truth()["totals"]["requests"] == 2


def test_ctrl_c_while_waiting_leaves_nothing_behind(tight: Wai, emulator: WaiEmulator) -> None:
    with emulator.knobs.changed({"latency.decode_tokens_per_s": 50}):
        first = answering(tight)
        second = waiting(tight)
        second.send_signal(signal.SIGINT)
        second.communicate()
        assert second.returncode == 130
        assert rows(tight, "select count(*) from turn") == [(1,)]
        assert rows(tight, "select count(*) from reservation") == [(1,)]
        first.communicate()
    assert rows(tight, "select count(*) from reservation") == [(0,)]


def test_who_will_not_wait_is_refused_with_what_would_help(
    tight: Wai, emulator: WaiEmulator
) -> None:
    with emulator.knobs.changed({"latency.decode_tokens_per_s": 100}):
        first = answering(tight)
        ran = tight(*ASK, "--json", "--budget-wait", "0")
        first.communicate()
    assert ran.exit_code == 5
    refusal = json.loads(ran.stdout)
    assert "set aside by calls in flight" in refusal["reason"]
    assert "--budget-wait" in refusal["hint"]


def test_without_a_record_nothing_is_sent_and_the_money_is_given_back(
    tight: Wai, emulator: WaiEmulator
) -> None:
    (tight.folder / ".wai" / "decisions" / "decisions.jsonl").mkdir(parents=True)
    ran = tight(*ASK)
    assert ran.exit_code == 6
    assert "cannot record a decision" in ran.stderr
    assert emulator.truth()["totals"]["requests"] == 0
    assert rows(tight, "select count(*) from reservation") == [(0,)]
    assert rows(tight, "select spent_pico from budget") == [(0,)]
    assert rows(tight, "select state from turn") == [("failed",)]
    assert rows(tight, "select count(*) from inflight") == [(0,)]


def test_an_end_that_cannot_be_recorded_is_said_and_the_call_is_kept(
    tight: Wai, emulator: WaiEmulator, project: Path
) -> None:
    """The log becomes unusable while the answer arrives."""
    log = project / ".wai" / "decisions" / "decisions.jsonl"
    with emulator.knobs.changed({"latency.decode_tokens_per_s": 100}):
        process = answering(tight)
        log.rename(log.with_name("moved.jsonl"))
        log.mkdir()
        _, said = process.communicate()
    assert process.returncode == 6
    assert b"the call was made but its end could not be recorded" in said
    assert rows(tight, "select state from turn") == [("done",)]
    assert rows(tight, "select count(*) from reservation") == [(0,)]
    assert rows(tight, "select spent_pico > 0 from budget") == [(1,)]


def test_a_database_from_before_reservations_is_migrated(
    govern: Callable[..., Wai], project: Path
) -> None:
    """Version 3 of live state, as the released program left it."""
    source = Path(__file__).parents[2] / "src" / "wai_ops" / "state" / "sql"
    folder = project / ".wai"
    folder.mkdir()
    with sqlite3.connect(folder / "state.sqlite") as connection:
        connection.execute("pragma journal_mode = wal")
        for name in ("001_initial", "002_masked_turns", "003_openings"):
            connection.executescript((source / f"{name}.sql").read_text())
        values = [("outbox_id", "00000000-0000-7000-8000-000000000000"), ("affinity_secret", "00")]
        connection.executemany("insert into meta values (?, ?)", values)
        connection.execute(f"pragma application_id = {0x57414931}")
        connection.execute("pragma user_version = 3")
    wai = govern("per_conversation_usd: 1")
    ran = wai("run", "-q", "-w", "support", "hello")
    assert ran.exit_code == 0, ran.stderr
    assert rows(wai, "select count(*) from budget") == [(1,)]
