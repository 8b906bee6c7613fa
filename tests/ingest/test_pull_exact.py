"""A pull against the real emulator, and what the ledger holds afterwards: every row, once."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from support.gateway_log import GatewayLog, gateway_log, row, rows_between, visible_from
from support.pulling import NOON, Puller, puller
from wai_ops.cloudflare.api_errors import ApiError
from wai_ops.core.clock import SystemClock
from wai_ops.core.errors import DataError, RemoteError
from wai_ops.observe.ingest.counting import refresh_counts
from wai_ops.observe.ingest.legacy_logs import LegacyLogs
from wai_ops.observe.ingest.pull_source import Page
from wai_ops.observe.ingest.status import StatusRequest
from wai_ops.observe.ingest.windows import Span, at_midnights
from wai_ops.observe.ledger.pull_windows import NewWindow

NOW = NOON
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


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


def test_every_row_is_there_once_and_the_windows_leave_no_hole(
    log: GatewayLog, pulls: Puller
) -> None:
    """Quiet days, a burst of many rows in a second, then quiet again."""
    log.write(rows_between(NOW - 60 * HOUR, NOW - 50 * HOUR, 150))
    log.write(rows_between(NOW - 20 * HOUR, NOW - 20 * HOUR + MINUTE / 60, 900, start=200))
    log.write(rows_between(NOW - 3 * HOUR, NOW - HOUR, 200, start=2000))
    result = pulls()
    assert pulls.log_ids() == sorted(log.ids)
    assert (result.row_count, result.inserted_count) == (1250, 1250)
    windows = pulls.sql(
        "select since, until, row_count, reported_count from ingest_window order by 1"
    )
    assert all(before[1] == after[0] for before, after in pairwise(windows))
    assert sum(window[2] for window in windows) == 1250
    assert [window[2] for window in windows] == [window[3] for window in windows]
    assert result.through == NOW - timedelta(seconds=120)
    assert pulls.sql("select through from ingest_mark") == [
        ((NOW - timedelta(seconds=120)).replace(tzinfo=None),)
    ]


def test_what_was_read_is_not_read_again(log: GatewayLog, pulls: Puller) -> None:
    """An hour later only the hour is read; nothing is doubled."""
    log.write(rows_between(NOW - 5 * HOUR, NOW - HOUR, 300))
    first = pulls()
    pulls.later(hours=1)
    second = pulls()
    assert (first.row_count, second.row_count) == (300, 0)
    assert second.since == first.since
    assert first.through is not None
    assert second.through == first.through + HOUR
    # One window, or two where this hour has a midnight.
    assert second.window_count == len(at_midnights(Span(first.through, second.through)))
    assert pulls.log_ids() == sorted(log.ids)


def test_the_newest_rows_are_left_alone_until_they_have_settled(
    log: GatewayLog, pulls: Puller
) -> None:
    """Two minutes of hold-back, to the instant."""
    edge = NOW - timedelta(seconds=120)
    log.write([row(1, edge - MINUTE / 60), row(2, edge), row(3, NOW)])
    assert pulls().row_count == 1
    pulls.later(minutes=2)
    pulls()
    assert pulls.log_ids() == sorted(log.ids[:2])
    pulls.later(seconds=1)
    pulls()
    assert pulls.log_ids() == sorted(log.ids)


def test_a_row_that_comes_late_is_caught_and_counted(log: GatewayLog, pulls: Puller) -> None:
    """It appears after its window was read; the next pulls count again and find it."""
    log.write(rows_between(NOW - 2 * HOUR, NOW - 5 * MINUTE, 120))
    pulls()
    log.write([row(500, NOW - 6 * MINUTE)])
    pulls.later(minutes=31)
    second = pulls()
    assert second.late_row_count == 1
    assert pulls.log_ids() == sorted(log.ids)
    assert pulls.sql("select sum(late_row_count)::int from ingest_window") == [(1,)]
    pulls.later(minutes=31)
    assert pulls().late_row_count == 0


def test_nothing_late_costs_one_request_and_is_not_asked_for_ever(
    log: GatewayLog, pulls: Puller
) -> None:
    """Counting again is enough where nothing came; then the windows have settled."""
    log.write(rows_between(NOW - 20 * MINUTE, NOW - 5 * MINUTE, 400))
    first = pulls()
    pulls.later(minutes=40)
    second = pulls()
    assert (second.verified_count, second.row_count) == (1, 0)
    pulls.later(minutes=40)
    third = pulls()
    assert third.row_count == 0
    assert first.through is not None
    assert second.through is not None
    # One window, or two where these forty minutes have a midnight.
    itself = at_midnights(Span(first.through, second.through))
    assert third.verified_count <= len(itself), "only what the second pull read itself"
    fourth_at = pulls.sql(
        "select count(*) from ingest_window where pulled_at - until < interval 30 minutes"
    )
    assert fourth_at[0][0] <= 2


def test_late_rows_by_the_emulators_own_lag(log: GatewayLog, pulls: Puller) -> None:
    """Rows become visible out of order, by the emulator's own rule."""
    soon = visible_from(SystemClock().now() + timedelta(seconds=2))
    rows = rows_between(NOW - 2 * HOUR, NOW - 10 * MINUTE, 90)
    log.write(rows[::2])
    log.write([row(1000 + n, NOW - 30 * MINUTE, visible_at=soon) for n in range(7)])
    pulls()
    while visible_from(SystemClock().now()) <= soon:
        SystemClock().sleep(0.05)
    pulls.later(minutes=35)
    pulls()
    assert pulls.log_ids() == sorted(log.ids)


def test_late_fields_are_fetched_again_until_they_are_there(log: GatewayLog, pulls: Puller) -> None:
    """Cost and usage that were missing are read again, at growing intervals, for a day."""
    log.write(rows_between(NOW - 30 * MINUTE, NOW - 5 * MINUTE, 60))
    late = log.ids[10:13]
    for each in late:
        log.change(each, cost=None)
    first = pulls()
    assert first.pending_count == 3
    for each in late[:2]:
        log.change(each, cost="0.000777")
    pulls.later(minutes=20)
    second = pulls()
    assert (second.late_field_count, second.replaced_count) == (2, 2)
    log.change(late[2], cost="0.000777")
    pulls.later(hours=3)
    third = pulls()
    assert third.late_field_count == 1
    costs = pulls.sql("select count(*) from model_call where gateway_cost_usd = 0.000777")
    assert costs == [(3,)]
    pulls.later(hours=30)
    assert pulls().row_count == 0
    assert pulls.log_ids() == sorted(log.ids)


def test_rate_limits_and_resets_cost_time_and_no_row(log: GatewayLog, pulls: Puller) -> None:
    """429s, 503s, resets and answers that break off, one after the other."""
    log.write(rows_between(NOW - 30 * HOUR, NOW - HOUR, 900))
    kinds = (
        {"kind": "status", "status": 429, "code": 10100, "retry_after_s": 7},
        {"kind": "reset", "after_bytes": 300},
        {"kind": "status", "status": 503},
        {"kind": "truncate", "after_bytes": 700},
    )
    # Two of each in turn, all along the pull: no request meets more of them than it may.
    faults = [{"path": "*/logs*", "skip": 3 + 5 * n, "count": 2, **kinds[n % 4]} for n in range(12)]
    log.set(faults=faults)
    result = pulls()
    assert pulls.log_ids() == sorted(log.ids)
    assert result.row_count == 900
    assert pulls.halt.waited_s >= 7


def test_a_server_that_stays_down_ends_the_pull_and_what_was_read_stays(
    log: GatewayLog, pulls: Puller
) -> None:
    """Exit 3, with words about what was kept; the next pull reads the rest."""
    log.write(rows_between(NOW - 30 * HOUR, NOW - HOUR, 900))
    log.set(faults=[{"kind": "status", "path": "*/logs*", "status": 503, "skip": 12}])
    with pytest.raises(RemoteError) as caught:
        pulls(parallel=1, since=NOW - 30 * HOUR)
    assert caught.value.exit_code == 3
    kept = len(pulls.log_ids())
    assert 0 < kept < 900
    assert f"kept {kept} new and 0 changed rows" in str(caught.value.hint)
    log.set(faults=[])
    pulls.halt = type(pulls.halt)()
    pulls()
    assert pulls.log_ids() == sorted(log.ids)


def test_two_pulls_at_once_neither_lose_nor_double(log: GatewayLog, tmp_path: Path) -> None:
    """Each with threads of its own, on the same ledger, over the same days."""
    log.write(rows_between(NOW - 50 * HOUR, NOW - HOUR, 1500))
    both = [puller(log, tmp_path / "state", NOW) for _ in range(2)]
    failures: list[BaseException] = []

    def run(each: Puller) -> None:
        try:
            each(parallel=3)
        except BaseException as error:  # noqa: BLE001 - told by the assertion
            failures.append(error)

    threads = [threading.Thread(target=run, args=(each,)) for each in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert failures == []
    assert both[0].log_ids() == sorted(log.ids)
    covered = both[0].sql("select min(since), max(until) from ingest_window")
    marks = both[0].sql("select since, through from ingest_mark")
    assert marks == covered


def test_an_older_reading_does_not_take_late_fields_away(log: GatewayLog, pulls: Puller) -> None:
    """It was read before the fields came, and is committed after the reading that has them."""
    log.write(rows_between(NOW - 2 * HOUR, NOW - HOUR, 10))
    log.change(log.ids[3], cost=None)
    older = Meanwhile(pulls, log)
    with pulls.api() as api:
        older.inner = LegacyLogs(api, "default")
        result = pulls(source=older, parallel=1)
    assert pulls.sql("select count(*) from model_call where gateway_cost_usd is null") == [(0,)]
    assert pulls.log_ids() == sorted(log.ids)
    assert result.through is not None
    assert result.through >= NOW - timedelta(seconds=120)


class Meanwhile:
    """A source that lets another, newer pull run to its end after each page was read."""

    name = "logs api"
    inner: LegacyLogs

    def __init__(self, pulls: Puller, log: GatewayLog) -> None:
        self._other = puller(log, pulls.state_dir, NOW + MINUTE / 60)
        self._log = log
        self._has_run = False

    def pages(self, span: Span) -> Iterator[Page]:
        pages = list(self.inner.pages(span))
        if not self._has_run and any(page.rows for page in pages):
            self._has_run = True
            self._log.change(self._log.ids[3], cost="0.000777")
            self._other()
        yield from pages

    def count(self, span: Span) -> int | None:
        return self.inner.count(span)

    def with_feedback(self, span: Span, feedback: int) -> Iterator[Page]:
        return self.inner.with_feedback(span, feedback)

    def body(self, log_id: str, kind: str) -> bytes | None:
        return self.inner.body(log_id, kind)


def test_the_ledger_is_free_while_pages_are_turned(log: GatewayLog, pulls: Puller) -> None:
    """Another command takes it in the middle of a pull, and does not wait."""
    log.write(rows_between(NOW - 2 * HOUR, NOW - HOUR, 10))
    took: list[int] = []

    class Looking(Meanwhile):
        def pages(self, span: Span) -> Iterator[Page]:
            took.append(len(pulls.ledger().state().windows))
            return self.inner.pages(span)

    looking = Looking(pulls, log)
    with pulls.api() as api:
        looking.inner = LegacyLogs(api, "default")
        pulls(source=looking)
    assert took


def test_a_commit_that_fails_leaves_nothing_of_its_windows(
    log: GatewayLog, pulls: Puller, tmp_path: Path
) -> None:
    """Rows and the note that they were read come together or not at all."""
    log.write(rows_between(NOW - 2 * HOUR, NOW - HOUR, 10))
    pulls()
    at = NOW - 10 * HOUR
    window = NewWindow(
        since=at - HOUR,
        until=at,
        row_count=1,
        reported_count=1,
        page_count=1,
        duplicate_count=0,
        is_sampled=False,
        pulled_at=NOW,
        rows={"a": b"{}"},
    )
    before = pulls.sql("select count(*) from ingest_window")
    with pytest.raises(DataError):
        pulls.ledger().commit([window], mark_since=at - HOUR, spool=tmp_path / "no" / "rows")
    assert pulls.sql("select count(*) from ingest_window") == before


def test_an_older_stretch_extends_what_was_read_backwards(log: GatewayLog, pulls: Puller) -> None:
    """A later pull with an earlier --since; afterwards the mark begins there."""
    log.write(rows_between(NOW - 20 * 24 * HOUR, NOW - HOUR, 200))
    pulls(since=NOW - 24 * HOUR)
    assert len(pulls.log_ids()) < 200
    pulls(since=NOW - 21 * 24 * HOUR)
    assert pulls.log_ids() == sorted(log.ids)
    ((since, through),) = pulls.sql("select since, through from ingest_mark")
    assert since == (NOW - 21 * 24 * HOUR).replace(tzinfo=None)
    assert through == (NOW - timedelta(seconds=120)).replace(tzinfo=None)


def test_rows_that_the_gateway_deleted_are_kept(log: GatewayLog, pulls: Puller) -> None:
    """Retention takes them there; here they are history."""
    log.write(rows_between(NOW - 20 * MINUTE, NOW - 5 * MINUTE, 50))
    pulls()
    log.remove(*log.ids[:20])
    pulls.later(minutes=40)
    pulls()
    assert pulls.log_ids() == sorted(log.ids)


def test_again_reads_what_was_read_and_doubles_nothing(log: GatewayLog, pulls: Puller) -> None:
    """For rows that came later than any window waits."""
    log.write(rows_between(NOW - 50 * HOUR, NOW - 45 * HOUR, 50))
    pulls()
    log.write([row(700, NOW - 46 * HOUR)])
    pulls.later(hours=2)
    assert pulls().row_count == 0
    result = pulls(since=NOW - 51 * HOUR, again=True)
    assert (result.row_count, result.inserted_count, result.late_row_count) == (51, 1, 1)
    assert pulls.log_ids() == sorted(log.ids)


def test_an_unknown_gateway_is_noticed_in_the_first_minute_of_a_day(
    log: GatewayLog, pulls: Puller
) -> None:
    """When nothing of that day can be counted yet."""
    assert log.ids == []
    pulls.clock.at = NOW.replace(hour=0) + MINUTE
    request = StatusRequest(since=None, until=None, settle_s=1800)
    with pulls.api() as api, pytest.raises(ApiError, match="Gateway not found"):
        refresh_counts(
            pulls.state_dir,
            pulls.clock,
            request,
            api=api,
            source_of=lambda gateway_id: LegacyLogs(api, gateway_id),
            gateway_ids=["nobody"],
            lag_s=300,
        )
