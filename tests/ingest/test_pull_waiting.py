"""What waits for its commit: how much is committed at once, and when reading waits."""

import threading
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from support.gateway_log import GatewayLog, gateway_log, rows_between
from support.pulling import NOON, Puller, puller
from wai_ops.observe.ingest import pull as pulling
from wai_ops.observe.ingest.bodies import FoundBodies
from wai_ops.observe.ingest.reading import Reading
from wai_ops.observe.ingest.waiting import Room, Waiting
from wai_ops.observe.ingest.windows import Span
from wai_ops.observe.ledger.pull_bodies import Body
from wai_ops.observe.ledger.pull_rows import RawRow, write_rows
from wai_ops.observe.ledger.pull_windows import NewWindow
from wai_ops.observe.ledger.pulls import Committed, PullLedger

NOW = NOON
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayLog]:
    with gateway_log(tmp_path_factory.mktemp("gateway")) as log:
        yield log


@pytest.fixture
def log(started: GatewayLog) -> GatewayLog:
    started.reset()
    return started


@pytest.fixture
def pulls(log: GatewayLog, tmp_path: Path) -> Puller:
    return puller(log, tmp_path / "state", NOW)


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Rows of every commit, which never comes because of the time."""
    found: list[int] = []
    commit = PullLedger.commit

    def counted(ledger: PullLedger, windows: Sequence[NewWindow], **more: Any) -> Committed:
        found.append(sum(len(window.rows) for window in windows))
        committed = commit(ledger, windows, **more)
        assert all(not window.rows for window in windows)
        return committed

    monkeypatch.setattr(PullLedger, "commit", counted)
    monkeypatch.setattr(pulling, "_FIRST_COMMIT_S", DAY.total_seconds())
    monkeypatch.setattr(pulling, "_COMMIT_SHARE", DAY.total_seconds())
    return found


def test_rows_are_committed_when_there_are_enough_and_leave_the_memory(
    log: GatewayLog, pulls: Puller, monkeypatch: pytest.MonkeyPatch, commits: list[int]
) -> None:
    """Reading waits for commits, since there is less room than rows, and ends all the same."""
    monkeypatch.setattr(pulling, "_BATCH_ROWS", 350)
    monkeypatch.setattr(pulling, "_UNCOMMITTED_ROWS", 400)
    log.write(rows_between(NOW - 20 * HOUR, NOW - HOUR, 1500))
    result = pulls()
    assert pulls.log_ids() == sorted(log.ids)
    assert result.row_count == sum(commits) == 1500
    assert max(commits) <= 350
    assert len(commits) < 15  # windows have some 100 rows


def test_a_pull_of_a_few_rows_commits_once(
    log: GatewayLog, pulls: Puller, commits: list[int]
) -> None:
    """Opening and closing the ledger is what a small commit costs."""
    log.write(rows_between(NOW - 20 * HOUR, NOW - HOUR, 500))
    assert pulls().window_count > 1
    assert commits == [500]


def test_reading_waits_until_what_was_read_is_committed() -> None:
    room = Room(10)
    room.fill(9)
    assert room.wait(timeout_s=0)
    room.fill(9)
    assert not room.wait(timeout_s=0)
    waited: list[bool] = []
    reader = threading.Thread(target=lambda: waited.append(room.wait(timeout_s=60)))
    reader.start()
    room.clear(9)
    reader.join(timeout=60)
    assert waited == [True]


def test_bodies_take_room_as_rows_do() -> None:
    """A window of one row with two long bodies is no small window."""
    span = Span(NOW - HOUR, NOW)
    body = Body(
        log_id="a",
        created_at=NOW,
        kind="response",
        content="x" * 250_000,
        is_truncated=False,
        redacted_count=0,
        fetched_at=NOW,
    )
    rows: dict[str, RawRow] = {"a": b"{}"}
    reading = Reading(span=span, started_at=NOW, rows=rows)
    assert Waiting(reading, FoundBodies()).weight == 1
    assert Waiting(reading, FoundBodies(bodies=[body, body])).weight == 501


def test_rows_that_are_written_are_no_longer_kept(tmp_path: Path) -> None:
    groups: list[dict[str, RawRow]] = [{"a": b'{"n":1}', "b": b'{"n":2}'}, {}, {"c": b'{"n":3}'}]
    (tmp_path / "rows").write_bytes(b"of the commit before\n" * 10)
    write_rows(groups, tmp_path / "rows")
    assert (tmp_path / "rows").read_bytes() == b'{"n":1}\n{"n":2}\n{"n":3}\n'
    assert groups == [{}, {}, {}]
