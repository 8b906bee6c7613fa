"""Opening live state: many at once, private, versioned, and never somebody else's file."""

import os
import shutil
import sqlite3
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.facts import ManualClock
from wai_ops.core.errors import DataError
from wai_ops.state.database import APPLICATION_ID, FILE_NAME, MIGRATIONS
from wai_ops.state.live import LiveState, check_health

Start = Callable[..., "subprocess.Popen[str]"]


def open_state(state_dir: Path) -> LiveState:
    """Open it in this process."""
    return LiveState.open(state_dir, clock=ManualClock())


def refused(state_dir: Path) -> str:
    """The one error that opening and reading come to: its message and its hint."""

    def use() -> None:
        with open_state(state_dir) as live:
            list(live.sealed(after=0))
            live.reconcile()

    with pytest.raises(DataError) as caught:
        use()
    assert caught.value.hint
    assert "\n" not in caught.value.message
    return f"{caught.value.message} | {caught.value.hint}"


def file_of(state_dir: Path) -> Path:
    """The path of the database, its folder made."""
    state_dir.mkdir(parents=True, exist_ok=True)
    return state_dir / FILE_NAME


def test_many_processes_may_create_the_same_new_folder_at_once(
    start: Start, state_dir: Path
) -> None:
    """None fails, and all of them see one and the same outbox."""
    children = [start("open") for _ in range(32)]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.close()
    identities = set()
    for child in children:
        assert child.stdout is not None
        identities.add(child.stdout.read())
        assert child.wait() == 0
    (identity,) = identities
    with open_state(state_dir) as live:
        assert identity == f"{live.outbox_id} {live.affinity_secret.hex()}\n"


@pytest.mark.parametrize("step", [1, 2, 3, 4])
def test_another_process_may_set_the_file_up_between_any_two_looks_at_it(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Half of what is read is from before and half from after: it is our file all the same."""
    others: list[str] = []

    class Overtaken(sqlite3.Connection):
        """A connection before whose n-th statement somebody else was faster."""

        looks = 0

        def execute(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor:
            """Let the other one finish first."""
            self.looks += 1
            if self.looks == step:
                with monkeypatch.context() as patched:
                    patched.setattr(sqlite3, "connect", connect)
                    with open_state(state_dir) as other:
                        others.append(other.outbox_id)
            return super().execute(sql, parameters)

    connect = sqlite3.connect
    monkeypatch.setattr(
        sqlite3, "connect", lambda *args, **options: connect(*args, **options, factory=Overtaken)
    )
    with open_state(state_dir) as live:
        assert [live.outbox_id] == others


def test_file_and_folder_are_for_their_owner_alone(state_dir: Path) -> None:
    previous = os.umask(0)
    try:
        with open_state(state_dir) as live, live.write():
            live.append("test", {})
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in state_dir.iterdir()}
    finally:
        os.umask(previous)
    assert stat.S_IMODE(state_dir.stat().st_mode) == 0o700
    assert {"state.sqlite", "state.sqlite-wal", "state.sqlite-shm"} <= modes.keys()
    assert set(modes.values()) == {0o600}


def test_identity_and_secret_stay_for_the_life_of_the_file(state_dir: Path) -> None:
    with open_state(state_dir) as live:
        before = live.outbox_id, live.affinity_secret
    with open_state(state_dir) as live:
        assert (live.outbox_id, live.affinity_secret) == before
    assert len(before[1]) == 32
    shutil.rmtree(state_dir)
    with open_state(state_dir) as live:
        assert live.outbox_id != before[0]
        assert live.affinity_secret != before[1]


def test_it_is_marked_as_ours_and_kept_in_wal_mode(state_dir: Path) -> None:
    open_state(state_dir).close()
    raw = sqlite3.connect(state_dir / FILE_NAME)
    assert raw.execute("pragma application_id").fetchone() == (APPLICATION_ID,)
    assert raw.execute("pragma user_version").fetchone() == (len(MIGRATIONS),)
    assert raw.execute("pragma journal_mode").fetchone() == ("wal",)
    raw.close()


def test_an_empty_file_left_by_a_killed_start_is_set_up(state_dir: Path) -> None:
    file_of(state_dir).touch()
    with open_state(state_dir) as live:
        assert live.counts() == (0, 0)


def test_a_set_up_that_was_cut_short_is_begun_again(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(_: object) -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("wai_ops.state.live.uuid7", die)
        with pytest.raises(KeyboardInterrupt):
            open_state(state_dir)
    with open_state(state_dir) as live:
        assert live.counts() == (0, 0)
        assert live.outbox_id


@pytest.mark.parametrize("application_id", [0, 12345])
def test_the_database_of_another_program_is_left_alone(
    state_dir: Path, application_id: int
) -> None:
    database = file_of(state_dir)
    foreign = sqlite3.connect(database)
    foreign.execute("create table theirs (x)")
    foreign.execute(f"pragma application_id = {application_id}")
    foreign.commit()
    foreign.close()
    before = database.read_bytes()
    assert refused(state_dir) == (
        f"{database} is a database of another program | "
        "move it away, or set WAI_STATE_DIR to another folder"
    )
    assert database.read_bytes() == before
    assert list(state_dir.iterdir()) == [database]


def test_a_file_of_a_newer_version_is_left_alone_and_asks_for_an_upgrade(state_dir: Path) -> None:
    open_state(state_dir).close()
    database = state_dir / FILE_NAME
    raw = sqlite3.connect(database)
    raw.execute(f"pragma user_version = {len(MIGRATIONS) + 1}")
    raw.close()
    before = database.read_bytes()
    assert refused(state_dir) == (
        f"{database} was written by a newer wai (schema {len(MIGRATIONS) + 1}, this one knows "
        f"{len(MIGRATIONS)}) | upgrade wai"
    )
    assert database.read_bytes() == before


@pytest.mark.parametrize(
    "content",
    [b"precious!", b"not a database\n" * 9, b"\0" * 5000, b"SQLite format 3\0" + b"\xff" * 4080],
)
def test_garbage_in_place_of_the_file_is_said_and_not_overwritten(
    state_dir: Path, content: bytes
) -> None:
    database = file_of(state_dir)
    database.write_bytes(content)
    message = refused(state_dir)
    assert message.startswith(f"{database} is damaged or not a database (")
    assert f"mv {database} {database}.damaged" in message
    assert database.read_bytes() == content


def test_a_damaged_file_is_an_error_and_never_a_traceback(state_dir: Path) -> None:
    with open_state(state_dir) as live:
        for number in range(200):
            with live.write():
                live.append("test", {"number": number, "padding": "x" * 500})
    database = state_dir / FILE_NAME
    whole = database.read_bytes()
    # The page size stands at 16; every page after the first one is overwritten.
    page = int.from_bytes(whole[16:18], "big")
    database.write_bytes(whole[:page] + b"\xa5" * (len(whole) - page))
    assert "is damaged or not a database" in refused(state_dir)
    health_error = None
    try:
        health = check_health(state_dir, ManualClock())
    except DataError as error:
        health_error = error
    assert health_error is not None or health.status == "failed"


def test_a_file_cut_in_half_is_an_error_and_never_a_traceback(state_dir: Path) -> None:
    with open_state(state_dir) as live:
        for number in range(200):
            with live.write():
                live.append("test", {"number": number, "padding": "x" * 500})
    database = state_dir / FILE_NAME
    database.write_bytes(database.read_bytes()[: database.stat().st_size // 2])
    assert "is damaged or not a database" in refused(state_dir)


def test_a_folder_in_place_of_the_file_is_said(state_dir: Path) -> None:
    database = file_of(state_dir)
    database.mkdir()
    message = refused(state_dir)
    assert message.startswith(f"cannot write {database}: ")


def test_a_file_in_place_of_the_folder_is_said(state_dir: Path) -> None:
    state_dir.parent.mkdir()
    state_dir.write_text("a file")
    assert refused(state_dir).startswith(f"cannot use the state folder {state_dir}: ")
    assert state_dir.read_text() == "a file"


def test_a_link_to_nowhere_in_place_of_the_folder_is_said(state_dir: Path) -> None:
    state_dir.parent.mkdir()
    state_dir.symlink_to(state_dir.parent / "nowhere" / "at-all")
    assert refused(state_dir).startswith(f"cannot use the state folder {state_dir}: ")


def nobody(start: Start, command: str) -> str:
    """What a process without rights comes to."""
    child = start("as-nobody", command)
    output, _ = child.communicate(timeout=60)
    assert child.returncode == 0
    return output


def opened_up(path: Path) -> None:
    """Let everybody pass through the folders above."""
    for folder in path.parents:
        if (
            folder.exists()
            and folder.stat().st_uid == os.geteuid()
            and not folder.stat().st_mode & 0o001
        ):
            folder.chmod(folder.stat().st_mode | 0o011)


def test_a_folder_that_may_not_be_made_is_said(start: Start, state_dir: Path) -> None:
    state_dir.parent.mkdir()
    opened_up(state_dir)
    state_dir.parent.chmod(0o555)
    assert nobody(start, "write") == (
        f"DataError: cannot use the state folder {state_dir}: Permission denied | "
        "make it writable, or set WAI_STATE_DIR to another folder\n"
    )
    state_dir.parent.chmod(0o755)


def test_a_folder_that_may_only_be_read_is_said_and_keeps_its_rows(
    start: Start, state_dir: Path
) -> None:
    with open_state(state_dir) as live, live.write():
        live.append("test", {"kept": True})
    opened_up(state_dir)
    state_dir.chmod(0o555)
    for path in state_dir.iterdir():
        path.chmod(0o444)
    try:
        output = nobody(start, "write")
        assert output.startswith(f"DataError: cannot write {state_dir / FILE_NAME}: ")
        assert "make the folder writable" in output
    finally:
        state_dir.chmod(0o700)
        for path in state_dir.iterdir():
            path.chmod(0o600)
    with open_state(state_dir) as live:
        assert [row.payload for row in live.sealed(after=0)] == ['{"kept":true}']


@pytest.mark.parametrize("command", ["write", "exists"])
def test_a_folder_that_may_not_even_be_looked_into_is_said(
    start: Start, state_dir: Path, command: str
) -> None:
    open_state(state_dir).close()
    opened_up(state_dir)
    state_dir.chmod(0o000)
    try:
        output = nobody(start, command)
    finally:
        state_dir.chmod(0o700)
    assert output == (
        f"DataError: cannot use the state folder {state_dir}: Permission denied | "
        "make it writable, or set WAI_STATE_DIR to another folder\n"
    )


@pytest.mark.parametrize("limit", [200_000, 600_000])
def test_a_disk_that_is_full_is_one_error_and_every_acknowledged_fact_is_kept(
    start: Start, state_dir: Path, limit: int
) -> None:
    child = start("fill", str(limit))
    output, _ = child.communicate(timeout=60)
    assert child.returncode == 0, output
    *acknowledged, error = output.splitlines()
    assert error.startswith(f"DataError: cannot use {state_dir / FILE_NAME}: disk I/O error | ")
    assert "free some space" in error
    with open_state(state_dir) as live:
        kept = [row.seq for row in live.sealed(after=0)]
    assert len(acknowledged) > 3
    assert kept == list(range(1, len(acknowledged) + 1))


def test_a_database_that_may_not_grow_is_said_to_have_a_full_disk(live: LiveState) -> None:
    pages = live.execute("pragma page_count").fetchone()[0]
    live.execute(f"pragma max_page_count = {pages + 2}")

    def fill() -> None:
        for number in range(100):
            with live.write():
                live.append("test", {"number": number, "padding": "x" * 2000})

    with pytest.raises(DataError, match="cannot grow: the disk is full") as caught:
        fill()
    assert caught.value.hint is not None
    assert caught.value.hint.startswith("free some space")
    live.execute("pragma max_page_count = 1000000")
    count = live.counts()[0]
    with live.write():
        live.append("test", {})
    assert live.counts() == (count + 1, 0)


def test_a_healthy_state_says_what_waits_in_it(state_dir: Path) -> None:
    assert check_health(state_dir).status == "ok"
    assert not state_dir.exists()
    with open_state(state_dir) as live, live.write():
        live.append("test", {})
        live.announce("a", {})
    health = check_health(state_dir)
    assert health.status == "ok"
    assert health.detail == "1 rows wait for the ledger, 1 attempts in flight"
