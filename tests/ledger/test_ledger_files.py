"""What may lie in the ledger's place, and what may keep it from being written."""

import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from support.cli import Wai
from support.facts import (
    ManualClock,
    attempt,
    attempt_ids,
    in_ledger,
    outbox_count,
    record_attempts,
)
from wai_ops.core.errors import DataError
from wai_ops.observe.ledger.fold import fold
from wai_ops.observe.ledger.health import check_health
from wai_ops.observe.ledger.lock import Holder, ledger_lock, read_holder
from wai_ops.observe.ledger.progress import Step

TESTS = Path(__file__).parents[1]


def snapshot(folder: Path) -> dict[str, bytes]:
    """The ledger's place and everything beside it that belongs to it."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in [*folder.glob("ledger.duckdb*"), *folder.rglob("ledger.duckdb/*")]
        if path.is_file()
    }


def foreign_text(path: Path) -> None:
    path.write_text("my thesis\n")


def nothing(path: Path) -> None:
    path.touch()


def folder(path: Path) -> None:
    path.mkdir()
    (path / "precious").write_text("x")


def foreign_database(path: Path) -> None:
    with duckdb.connect(path) as connection:
        connection.execute("create table mine as select 42 as answer")


def foreign_database_with_a_log(path: Path) -> None:
    code = (
        "import duckdb, os, signal, sys\n"
        "c = duckdb.connect(sys.argv[1]); c.execute('create table mine as select 42 as answer')\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path)])


def newer_schema(path: Path) -> None:
    fold(path.parent, ManualClock())
    with duckdb.connect(path) as connection:
        connection.execute("update wai_meta set value = '99' where key = 'schema_version'")


@pytest.mark.parametrize(
    ("put", "words"),
    [
        (foreign_text, "is not a DuckDB database"),
        (nothing, "is not a DuckDB database"),
        (folder, "is not a file"),
        (foreign_database, "database of another program"),
        (foreign_database_with_a_log, "database of another program"),
        (newer_schema, "written by a newer wai"),
    ],
)
@pytest.mark.parametrize("command", ["fold", "status", "rebuild"])
def test_what_is_not_ours_is_left_alone_and_nothing_is_lost(
    put: object, words: str, command: str, wai: Wai, state_dir: Path
) -> None:
    state_dir.mkdir(mode=0o700)
    ledger = state_dir / "ledger.duckdb"
    assert callable(put)
    put(ledger)
    record_attempts(state_dir, [attempt(1)])
    before = snapshot(state_dir)
    ran = wai("ledger", command)
    assert (ran.exit_code, ran.stdout) == (6, "")
    assert ran.stderr.startswith(f"wai: error: {ledger} ")
    assert words in ran.stderr
    assert ran.stderr.count("\n") == 2
    assert "wai: hint: " in ran.stderr
    assert snapshot(state_dir) == before
    assert outbox_count(state_dir) == 1
    assert check_health(state_dir).status == "failed"
    ledger.rename(state_dir / "aside")  # what the hint says
    if (log := state_dir / "ledger.duckdb.wal").exists():
        log.rename(state_dir / "aside.wal")
    assert wai("ledger", "fold").exit_code == 0
    assert attempt_ids(state_dir) == ["attempt-1"]


def test_a_damaged_ledger_says_so_and_rebuild_keeps_it_aside(
    wai: Wai, state_dir: Path, clock: ManualClock
) -> None:
    record_attempts(state_dir, [attempt(1), attempt(2)])
    fold(state_dir, clock)
    ledger = state_dir / "ledger.duckdb"
    damaged = bytearray(ledger.read_bytes())
    damaged[4096:] = b"\xff" * (len(damaged) - 4096)
    ledger.write_bytes(damaged)
    record_attempts(state_dir, [attempt(3)])
    ran = wai("report", "cost")
    assert (ran.exit_code, ran.stdout) == (6, "")
    assert ran.stderr.endswith(
        "wai: hint: if it is damaged, `wai ledger rebuild` makes it anew from the archive\n"
    )
    assert outbox_count(state_dir) == 1
    ran = wai("ledger", "rebuild")
    kept = state_dir / "ledger.duckdb.damaged-1"
    assert (ran.exit_code, ran.stdout) == (
        0,
        f"rebuilt: 3 attempts, 3 facts in all\nthe damaged ledger is kept as {kept}\n",
    )
    assert kept.read_bytes() == damaged
    assert attempt_ids(state_dir) == ["attempt-1", "attempt-2", "attempt-3"]


def test_rebuild_gives_the_same_ledger_and_leaves_nothing_behind(
    wai: Wai, state_dir: Path, clock: ManualClock
) -> None:
    record_attempts(state_dir, [attempt(1), attempt(2)])
    fold(state_dir, clock)
    before = in_ledger(state_dir, "from attempt order by attempt_id")
    names = sorted(path.name for path in state_dir.glob("ledger*"))
    assert wai("ledger", "rebuild").exit_code == 0
    assert in_ledger(state_dir, "from attempt order by attempt_id") == before
    assert sorted(path.name for path in state_dir.glob("ledger*")) == names


def test_rebuild_keeps_a_ledger_that_holds_more_than_the_archive(
    wai: Wai, state_dir: Path, clock: ManualClock
) -> None:
    record_attempts(state_dir, [attempt(1), attempt(2)])
    fold(state_dir, clock)
    for file in (state_dir / "archive").iterdir():
        file.rename(state_dir / file.name)
    ran = wai("ledger", "rebuild")
    assert (ran.exit_code, ran.stdout) == (6, "")
    assert "the archive gives only 0 of the 2 rows in the ledger" in ran.stderr
    assert attempt_ids(state_dir) == ["attempt-1", "attempt-2"]


def test_the_log_of_a_ledger_that_was_removed_is_not_replayed_into_the_new_one(
    state_dir: Path, clock: ManualClock
) -> None:
    record_attempts(state_dir, [attempt(1)])
    fold(state_dir, clock)
    log = state_dir / "ledger.duckdb.wal"
    log.write_bytes(b"left behind")
    (state_dir / "ledger.duckdb").unlink()
    fold(state_dir, clock)
    assert attempt_ids(state_dir) == ["attempt-1"]
    assert (state_dir / "ledger.duckdb.wal.orphan").read_bytes() == b"left behind"


def test_a_ledger_that_another_program_has_open_says_so(
    wai: Wai, state_dir: Path, clock: ManualClock
) -> None:
    fold(state_dir, clock)
    record_attempts(state_dir, [attempt(1)])
    for command in ("fold", "status", "rebuild"):
        with duckdb.connect(state_dir / "ledger.duckdb"):
            ran = wai("ledger", command)
        assert (ran.exit_code, ran.stdout) == (6, "")
        assert "is open in another program" in ran.stderr
        assert ran.stderr.endswith(
            "wai: hint: close it there (a DuckDB shell, a notebook), then try again\n"
        )
    assert [path.name for path in state_dir.glob("ledger.duckdb*")] == ["ledger.duckdb"]
    assert wai("ledger", "fold").exit_code == 0
    assert attempt_ids(state_dir) == ["attempt-1"]


def test_a_full_disk_loses_nothing(wai: Wai, state_dir: Path, clock: ManualClock) -> None:
    """A limit on the size of files stands for the disk: the same writes fail."""
    fold(state_dir, clock)
    record_attempts(state_dir, [attempt(n, error_message="x" * 3000) for n in range(200)])

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))

    process = wai.start("ledger", "fold", preexec_fn=limit)
    stdout, stderr = process.communicate()
    assert (process.returncode, stdout) == (6, b"")
    assert stderr.startswith(b"wai: error: cannot write ")
    assert b"wai: hint: free some space" in stderr
    assert outbox_count(state_dir) == 200
    fold(state_dir, clock)
    assert len(attempt_ids(state_dir)) == 200


@pytest.fixture
def shared_folder() -> Iterator[Path]:
    """A folder that another user can reach: temporary folders of tests are private."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


def test_a_read_only_folder_is_one_clear_error(shared_folder: Path, clock: ManualClock) -> None:
    state_dir = shared_folder / "state"
    record_attempts(state_dir, [attempt(1)])
    fold(state_dir, clock)
    for path in (state_dir, *state_dir.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    code = (
        "import os, sys; from pathlib import Path\n"
        "from wai_ops.core.clock import SystemClock; from wai_ops.core.errors import DataError\n"
        "from wai_ops.observe.ledger.fold import fold\n"
        "from wai_ops.observe.ledger.health import check_health\n"
        "fold(Path(sys.argv[2]), SystemClock())\n"  # nothing is left to import after this
        "if os.getuid() == 0: os.setgid(65534); os.setuid(65534)\n"  # root may write anywhere
        "try: fold(Path(sys.argv[1]), SystemClock())\n"
        "except DataError as error: print(error.message); print(error.hint)\n"
        "print(check_health(Path(sys.argv[1])).status)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(state_dir), str(shared_folder / "warm-up")],
        capture_output=True,
        text=True,
    )
    state_dir.chmod(0o755)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        f"cannot write to the state folder {state_dir}: Permission denied",
        "make it writable, or set WAI_STATE_DIR to another folder",
        "failed",
    ]


def test_a_waiter_says_who_holds_the_ledger_and_gives_up_in_time(
    state_dir: Path, clock: ManualClock
) -> None:
    told: list[tuple[Step, str]] = []

    def progress(step: Step, *, rows: int = 0, detail: str = "") -> None:
        told.append((step, detail))

    with ledger_lock(state_dir, clock):
        holder = read_holder(state_dir)
        assert holder is not None
        assert (holder.pid, holder.since) == (os.getpid(), "2026-03-14T12:00:00.250000Z")
        with (
            pytest.raises(DataError, match=rf"process {os.getpid()}") as caught,
            ledger_lock(state_dir, clock, progress=progress, patience_s=5),
        ):
            pass
    assert "after 5 s" in caught.value.message
    assert told == [(Step.WAITING, f"waiting for the ledger, in use by {holder.describe()}")]
    assert 5 <= clock.elapsed < 6
    with ledger_lock(state_dir, clock):  # free again
        assert read_holder(state_dir) == Holder(os.getpid(), holder.command, holder_since(clock))
    assert read_holder(state_dir) is None


def holder_since(clock: ManualClock) -> str:
    return clock.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def test_a_killed_holder_does_not_keep_the_ledger(state_dir: Path, clock: ManualClock) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from support.facts import ManualClock\n"
        "from wai_ops.observe.ledger.lock import ledger_lock\n"
        "with ledger_lock(Path(sys.argv[1]), ManualClock()):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(state_dir)], cwd=TESTS)
    assert read_holder(state_dir) is not None
    fold(state_dir, clock)
    assert clock.elapsed == 0


def test_health_tells_a_sound_ledger_from_one_with_unreadable_facts(
    state_dir: Path, clock: ManualClock
) -> None:
    assert check_health(state_dir).status == "ok"
    record_attempts(state_dir, [attempt(1)])
    fold(state_dir, clock)
    assert (check_health(state_dir).status, check_health(state_dir).detail) == ("ok", "1 attempts")
    with ledger_lock(state_dir, clock):
        assert check_health(state_dir).detail.startswith("in use by ")
    from support.facts import record_text

    record_text(state_dir, "attempt", "broken")
    fold(state_dir, clock)
    health = check_health(state_dir)
    assert (health.status, health.detail) == ("warning", "1 attempts; 1 facts could not be read")
