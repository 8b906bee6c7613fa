"""Ctrl-C and SIGTERM while DuckDB works: statements end whole, and the right thing is raised."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import fsspec
import pytest

from support.facts import (
    ManualClock,
    attempt,
    attempt_ids,
    in_ledger,
    outbox_count,
    record_attempts,
)
from support.gateway_rows import ingest_some, log_row
from wai_ops.observe.ledger import gateway
from wai_ops.observe.ledger.fold import fold
from wai_ops.observe.ledger.progress import Step
from wai_ops.observe.ledger.sandbox import query_sql
from wai_ops.observe.ledger.signals import deferred_signals, interruptible

ENDLESS = "select count(*) from range(10000000) a, range(10000000) b where a.range * b.range = 7"


def test_a_signal_waits_for_the_end_of_the_block_and_then_does_what_it_did_before() -> None:
    done = []

    def statement() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        done.append("the statement")

    with pytest.raises(KeyboardInterrupt), deferred_signals():
        statement()
    assert done == ["the statement"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_query_is_interrupted_until_it_has_ended() -> None:
    """DuckDB forgets an interruption that comes just before the query begins."""
    third = threading.Event()
    calls: list[None] = []

    def interrupt() -> None:
        calls.append(None)
        if len(calls) == 3:
            third.set()

    def query() -> bool:
        os.kill(os.getpid(), signal.SIGINT)
        return third.wait(60)

    with pytest.raises(KeyboardInterrupt):
        interruptible(query, interrupt)
    assert third.is_set()


def test_what_a_query_returns_or_raises_comes_through() -> None:
    assert interruptible(lambda: 7, lambda: None) == 7
    with pytest.raises(ZeroDivisionError):
        interruptible(lambda: 1 // 0, lambda: None)


def test_a_signal_that_is_ignored_stays_ignored_and_one_with_no_handler_ends_the_process() -> None:
    code = (
        "import os, signal\n"
        "from wai_ops.observe.ledger.signals import deferred_signals\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "with deferred_signals(): os.kill(os.getpid(), signal.SIGINT)\n"
        "print('still here', flush=True)\n"
        "with deferred_signals():\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    print('to the end of the block', flush=True)\n"
        "print('never')\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout, ran.stderr) == (
        -signal.SIGTERM,
        "still here\nto the end of the block\n",
        "",
    )


def test_other_threads_may_use_the_ledger_too(state_dir: Path, clock: ManualClock) -> None:
    record_attempts(state_dir, [attempt(1)])
    thread = threading.Thread(target=fold, args=(state_dir, clock))
    thread.start()
    thread.join()
    assert attempt_ids(state_dir) == ["attempt-1"]


def test_a_query_without_end_is_stopped_by_ctrl_c(state_dir: Path, clock: ManualClock) -> None:
    """Whenever the signal comes, before the query or within it, this ends and says which it was."""
    timer = threading.Timer(0.3, os.kill, [os.getpid(), signal.SIGINT])
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        query_sql(state_dir, clock, ENDLESS)
    timer.join()
    assert query_sql(state_dir, clock, "select 1").rows == [(1,)]


@pytest.mark.parametrize("step", [Step.SPOOLED, Step.ARCHIVED, Step.INSERTED, Step.LOADED])
def test_an_interrupted_fold_leaves_everything_to_the_next_one(
    step: Step, state_dir: Path, clock: ManualClock
) -> None:
    wanted = step

    def progress(step: Step, *, rows: int = 0, detail: str = "") -> None:
        if step is wanted:
            os.kill(os.getpid(), signal.SIGINT)

    record_attempts(state_dir, [attempt(1), attempt(2)])
    with pytest.raises(KeyboardInterrupt):
        fold(state_dir, clock, progress)
    fold(state_dir, clock)
    assert attempt_ids(state_dir) == ["attempt-1", "attempt-2"]
    assert outbox_count(state_dir) == 0


class EndlessRows(fsspec.AbstractFileSystem):  # type: ignore[misc]  # no types are published
    """A file of log rows without end; Ctrl-C is pressed while they are loaded."""

    protocol = "endless"
    cachable = False
    read_count = 0
    most_reads = 500

    def open(self, path: str, mode: str = "rb") -> "EndlessRows":
        assert (path, mode) == ("endless://rows", "rb")
        return self

    def read(self, size: int) -> bytes:
        self.read_count += 1
        if self.read_count == 20:
            os.kill(os.getpid(), signal.SIGINT)
        if self.read_count == self.most_reads:
            return b""
        rows = [json.dumps(log_row(self.read_count * 1000 + n)) for n in range(100)]
        return ("\n".join(rows) + "\n").encode()[:size]

    def seek(self, place: int) -> None:
        assert place == 0

    def close(self) -> None: ...

    def glob(self, path: str) -> list[str]:
        return [path]

    def unstrip_protocol(self, name: str) -> str:
        return name

    def size(self, path: str) -> int:
        return 2**62


def test_loading_rows_without_end_is_stopped_by_ctrl_c_and_leaves_nothing(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest_some(state_dir, log_row(1))
    endless = EndlessRows()

    @contextmanager
    def readable(connection: duckdb.DuckDBPyConnection, _: object) -> Iterator[list[str]]:
        connection.register_filesystem(endless)
        yield ["endless://rows"]

    monkeypatch.setattr(gateway, "readable", readable)
    with pytest.raises(KeyboardInterrupt):
        ingest_some(state_dir, log_row(2))
    assert 20 <= endless.read_count < endless.most_reads
    assert in_ledger(state_dir, "select log_id from model_call") == [("log-1",)]
