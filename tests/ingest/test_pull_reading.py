"""Reading one window from the real list of the emulator, while it changes under the reader."""

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

import pytest

from support.facts import ManualClock
from support.fake_api import Answer, FakeApi, Seen, refusal, result, running_api
from support.gateway_log import GatewayLog, gateway_log, row, rows_between
from wai_ops.cloudflare.api_errors import ApiAccessError, ApiError
from wai_ops.cloudflare.logs_api import ReadingApi, open_reading_api
from wai_ops.core.clock import Clock, SystemClock
from wai_ops.core.errors import UsageError
from wai_ops.observe.ingest.legacy_logs import LegacyLogs, decode_page
from wai_ops.observe.ingest.pull_choice import SourceChoice, choose_source
from wai_ops.observe.ingest.pull_source import LogSource, Page
from wai_ops.observe.ingest.rate import RateGate
from wai_ops.observe.ingest.reading import TooManyRows, read_window
from wai_ops.observe.ingest.telemetry_logs import TelemetryLogs
from wai_ops.observe.ingest.windows import Span
from wai_ops.observe.ledger.pull_rows import write_rows

NOW = SystemClock().now().replace(microsecond=0)
HOUR = timedelta(hours=1)
DAY = Span(NOW - 24 * HOUR, NOW)


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayLog]:
    """One emulator for all tests here."""
    with gateway_log(tmp_path_factory.mktemp("gateway")) as log:
        yield log


@pytest.fixture
def log(started: GatewayLog) -> GatewayLog:
    """An empty log and knobs at their defaults."""
    started.reset()
    return started


@pytest.fixture
def api(log: GatewayLog) -> Iterator[ReadingApi]:
    with opened(
        log.emulator.base_url, log.emulator.account_id, log.emulator.tokens["operator"]
    ) as a:
        yield a


def opened(base_url: str, account_id: str, token: str, clock: Clock | None = None):  # type: ignore[no-untyped-def]
    clock = clock or ManualClock()
    return open_reading_api(
        base_url=base_url,
        account_id=account_id,
        token=token,
        gate=RateGate(clock, None),
        clock=clock,
        rng=random.Random(1),
        is_local=True,
    )


@pytest.fixture
def source(api: ReadingApi) -> LegacyLogs:
    return LegacyLogs(api, "default")


class Meddling:
    """A source during whose first pass something happens after each page."""

    name = "logs api"

    def __init__(self, inner: LogSource, *meddle: Callable[[], None]) -> None:
        self._inner = inner
        self._meddle = list(meddle)

    def pages(self, span: Span) -> Iterator[Page]:
        for page in self._inner.pages(span):
            yield page
            if self._meddle:
                self._meddle.pop(0)()

    def count(self, span: Span) -> int | None:
        return self._inner.count(span)

    def with_feedback(self, span: Span, feedback: int) -> Iterator[Page]:
        return self._inner.with_feedback(span, feedback)

    def body(self, log_id: str, kind: str) -> bytes | None:
        return self._inner.body(log_id, kind)


def test_a_window_is_read_in_the_order_of_time(log: GatewayLog, source: LegacyLogs) -> None:
    """Three pages and a bit, once each."""
    log.write(rows_between(NOW - HOUR, NOW, 167))
    reading = read_window(source, DAY, ManualClock(), max_rows=5000)
    assert list(reading.rows) == log.ids
    assert (reading.reported_count, reading.is_whole) == (167, True)
    assert reading.page_count == 5, "and once more to count"
    assert reading.duplicate_count == 0


def test_rows_at_the_end_of_a_window_belong_to_the_next_one(
    log: GatewayLog, source: LegacyLogs
) -> None:
    """The API includes both ends; a window does not include its second."""
    middle = NOW - HOUR
    log.write([row(1, middle - timedelta(milliseconds=1)), row(2, middle), row(3, middle)])
    first = read_window(source, Span(NOW - 2 * HOUR, middle), ManualClock(), max_rows=5000)
    second = read_window(source, Span(middle, NOW), ManualClock(), max_rows=5000)
    assert [*first.rows, *second.rows] == log.ids
    assert (first.reported_count, second.reported_count) == (1, 2)
    assert first.is_whole


def test_a_row_that_arrives_while_pages_are_turned_is_not_lost(
    log: GatewayLog, source: LegacyLogs
) -> None:
    """The count at the end tells, and the window is read again."""
    log.write(rows_between(NOW - HOUR, NOW, 120))
    late = Meddling(source, lambda: log.write([row(900, NOW - 2 * HOUR)]))
    reading = read_window(late, DAY, ManualClock(), max_rows=5000)
    assert set(reading.rows) == set(log.ids)
    assert (reading.is_whole, reading.duplicate_count) == (True, 120)


def test_rows_that_go_while_pages_are_turned_hide_none_of_the_others(
    log: GatewayLog, source: LegacyLogs
) -> None:
    """When the oldest rows go, later ones move to pages that were turned already."""
    log.write(rows_between(NOW - HOUR, NOW, 120))
    gone = log.ids[:7]
    reading = read_window(
        Meddling(source, lambda: log.remove(*gone)), DAY, ManualClock(), max_rows=5000
    )
    assert set(reading.rows) == set(log.ids), "what was seen before it went is kept as well"
    assert reading.is_whole


def test_one_row_comes_and_one_goes_and_the_count_stays(
    log: GatewayLog, source: LegacyLogs
) -> None:
    """The count alone would not notice; the rows that were seen are not as many as counted."""
    log.write(rows_between(NOW - HOUR, NOW, 120))
    first = log.ids[0]

    def swap() -> None:
        log.remove(first)
        log.write([row(901, NOW - timedelta(minutes=1))])

    reading = read_window(Meddling(source, swap), DAY, ManualClock(), max_rows=5000)
    assert set(reading.rows) == set(log.ids)


def test_a_window_that_never_stands_still_is_kept_and_marked(
    log: GatewayLog, source: LegacyLogs
) -> None:
    """Five passes, then what was seen is kept as not whole."""
    log.write(rows_between(NOW - HOUR, NOW, 60))
    numbers = iter(range(1000, 2000))
    meddle = [lambda: log.write([row(next(numbers), NOW - 2 * HOUR)])] * 40
    reading = read_window(Meddling(source, *meddle), DAY, ManualClock(), max_rows=5000)
    assert not reading.is_whole
    assert reading.reported_count is not None
    assert len(reading.rows) >= 64


def test_a_window_with_too_many_rows_is_not_read_on(log: GatewayLog, source: LegacyLogs) -> None:
    """One request is enough to know."""
    log.write(rows_between(NOW - HOUR, NOW, 201))
    with pytest.raises(TooManyRows) as caught:
        read_window(source, DAY, ManualClock(), max_rows=200)
    assert caught.value.row_count == 201


def test_rows_are_spooled_as_they_came(log: GatewayLog, source: LegacyLogs, tmp_path: Path) -> None:
    """Byte for byte, one a line: nothing is decoded on the way."""
    log.write(rows_between(NOW - HOUR, NOW, 3))
    reading = read_window(source, DAY, ManualClock(), max_rows=200)
    raw = [bytes(each) for each in reading.rows.values()]
    write_rows([reading.rows], tmp_path / "rows")
    assert (tmp_path / "rows").read_bytes() == b"\n".join(raw) + b"\n"


def test_a_page_over_several_lines_becomes_lines(tmp_path: Path) -> None:
    """Pretty-printed JSON must not tear a row apart."""
    page = decode_page(
        b'{"result": [{\n "id": "a",\n "created_at": "2026-03-14T12:00:00Z", "model": "x\\ny"}]}',
        "x",
    )
    source = _Fixed(page)
    span = Span(datetime.fromisoformat("2026-03-14T00:00:00Z"), NOW)
    reading = read_window(source, span, ManualClock(), max_rows=10)
    write_rows([reading.rows], tmp_path / "rows")
    assert (tmp_path / "rows").read_bytes().count(b"\n") == 1


def test_an_event_over_several_lines_becomes_a_line(tmp_path: Path) -> None:
    """The newer system's answers may be pretty-printed just as well."""
    answer = b"""{"result": {"events": {"count": 1, "events": [{
        "source": {
            "id": "a",
            "created_at": "2026-03-14T12:00:00Z"
        }, "timestamp": 1773489600000}]}}}"""
    source = TelemetryLogs(cast(ReadingApi, _Posted(answer)), "default")
    span = Span(datetime.fromisoformat("2026-03-14T00:00:00Z"), NOW)
    reading = read_window(source, span, ManualClock(), max_rows=10)
    write_rows([reading.rows], tmp_path / "rows")
    assert (tmp_path / "rows").read_bytes().count(b"\n") == 1


@dataclass(frozen=True)
class _Posted:
    content: bytes
    account_path: str = ""

    def post(self, path: str, body: object, *, what: str) -> "_Posted":
        del path, body, what
        return self


class _Fixed:
    name = "logs api"

    def __init__(self, page: Page) -> None:
        self._page = page

    def pages(self, span: Span) -> Iterator[Page]:
        del span
        yield self._page

    def count(self, span: Span) -> int | None:
        del span
        return self._page.total

    def with_feedback(self, span: Span, feedback: int) -> Iterator[Page]:
        del span, feedback
        return iter(())

    def body(self, log_id: str, kind: str) -> bytes | None:
        del log_id, kind
        return None


def test_the_newer_system_gives_the_same_rows(log: GatewayLog, api: ReadingApi) -> None:
    """The same window, whichever of the two systems holds it."""
    log.write(rows_between(NOW - HOUR, NOW, 1203))
    log.set(logs__system="observability")
    newer = TelemetryLogs(api, "default")
    reading = read_window(newer, DAY, ManualClock(), max_rows=5000)
    assert set(reading.rows) == set(log.ids)
    assert (reading.reported_count, reading.page_count) == (1203, 3)
    assert newer.count(DAY) == 1203
    half = read_window(newer, Span(NOW - HOUR / 2, NOW), ManualClock(), max_rows=5000)
    assert set(half.rows) == {each for each in log.ids if int(each[3:]) >= 602}


@pytest.mark.parametrize("allowed", [True, False])
def test_the_system_that_has_the_rows_is_chosen_and_said(
    log: GatewayLog, api: ReadingApi, *, allowed: bool
) -> None:
    """The newer one only behind its switch."""
    log.write(rows_between(NOW - HOUR, NOW, 3))
    legacy, newer = LegacyLogs(api, "default"), TelemetryLogs(api, "default")

    def choose() -> str:
        chosen = choose_source(
            SourceChoice.AUTO, legacy=legacy, newer=newer, is_newer_allowed=allowed, span=DAY
        )
        return f"{chosen.source.name}: {chosen.reason}"

    assert choose() == "logs api: reading the gateway's log (logs api)"
    log.set(logs__system="observability")
    if allowed:
        assert choose().startswith("workers observability: reading Workers Observability")
    else:
        with pytest.raises(UsageError, match="has 3 events of it"):
            choose()


def test_an_unknown_gateway_is_named(api: ReadingApi) -> None:
    """A typing mistake, not a failure of the remote side."""
    with pytest.raises(UsageError, match="no such gateway"):
        choose_source(
            SourceChoice.AUTO,
            legacy=LegacyLogs(api, "nobody"),
            newer=TelemetryLogs(api, "nobody"),
            is_newer_allowed=False,
            span=DAY,
        )


def test_a_refused_token_is_tried_again_before_it_is_blamed(log: GatewayLog) -> None:
    """A new token may flap; then the answer names the call."""
    clock = ManualClock()
    with (
        opened(
            log.emulator.base_url, log.emulator.account_id, log.emulator.tokens["runtime"], clock
        ) as api,
        pytest.raises(ApiAccessError) as caught,
    ):
        LegacyLogs(api, "default").count(DAY)
    assert api.request_count == 3
    assert clock.elapsed > 0
    assert caught.value.where == "GET /ai-gateway/gateways/default/logs"


@pytest.fixture
def fake() -> Iterator[FakeApi]:
    with running_api() as api:
        yield api


LOGS = "GET /accounts/acc/ai-gateway/gateways/default/logs"


def answers(*items: Answer) -> Callable[[Seen], Answer]:
    """Give these in their order, the last one for ever."""
    left = list(items)
    return lambda _seen: left.pop(0) if len(left) > 1 else left[0]


def test_retry_after_is_honoured_to_the_second(fake: FakeApi) -> None:
    """After a 429 nothing is sent before the API says so."""
    clock = ManualClock()
    fake.routes[LOGS] = answers(
        refusal(429, 10100, "slow down", retry_after="137"), result([], total_count=0)
    )
    with opened(fake.base_url, "acc", "token", clock) as api:
        assert LegacyLogs(api, "default").count(DAY) == 0
    assert clock.elapsed == 137


def test_a_429_without_a_time_waits_as_long_as_a_breach_lasts(fake: FakeApi) -> None:
    """Five minutes, and in the end it gives up with a hint."""
    clock = ManualClock()
    fake.routes[LOGS] = refusal(429, 10100, "slow down")
    with opened(fake.base_url, "acc", "t", clock) as api, pytest.raises(ApiError) as caught:
        LegacyLogs(api, "default").count(DAY)
    assert clock.elapsed == 4 * 300
    assert caught.value.hint is not None
    assert "--rate" in caught.value.hint


@pytest.mark.parametrize("status", [500, 502, 503, 504, 520, 524])
def test_server_errors_are_sent_again_and_end(fake: FakeApi, status: int) -> None:
    """One bad answer costs a moment; a server that stays down costs minutes, not for ever."""
    clock = ManualClock()
    fake.routes[LOGS] = answers(refusal(status, 1, "down"), result([], total_count=5))
    with opened(fake.base_url, "acc", "token", clock) as api:
        assert LegacyLogs(api, "default").count(DAY) == 5
        fake.routes[LOGS] = refusal(status, 1, "down")
        with pytest.raises(ApiError) as caught:
            LegacyLogs(api, "default").count(DAY)
    assert caught.value.status == status
    assert 5 < clock.elapsed < 120


def test_fifty_rows_of_one_instant_are_turned_by_number(
    log: GatewayLog, source: LegacyLogs
) -> None:
    """Time alone cannot tell where the next page begins."""
    log.write([row(number, NOW - HOUR) for number in range(130)])
    log.write(rows_between(NOW - HOUR, NOW, 60, start=200))
    reading = read_window(source, DAY, ManualClock(), max_rows=5000)
    assert set(reading.rows) == set(log.ids)
    assert reading.is_whole


def test_filters_are_used_once_the_older_parameters_do_nothing(fake: FakeApi) -> None:
    """`start_date` and `end_date` are deprecated."""
    stamps = [f"2026-03-14T12:00:{n:02}Z" for n in range(60)]

    def listed(seen: Seen) -> Answer:
        found = stamps
        for item in json.loads(seen.query.get("filters", "[]")):
            edge = datetime.fromisoformat(item["value"][0])
            is_after = item["operator"] == "gt"
            found = [at for at in found if (datetime.fromisoformat(at) > edge) == is_after]
        shown = found[: int(seen.query["per_page"])]
        rows = [{"id": at, "created_at": at} for at in shown]
        return result(rows, total_count=len(found))

    fake.routes[LOGS] = listed
    since = datetime.fromisoformat("2026-03-14T12:00:05Z")
    with opened(fake.base_url, "acc", "token") as api:
        source = LegacyLogs(api, "default")
        span = Span(since, since + timedelta(seconds=54))
        reading = read_window(source, span, ManualClock(), max_rows=5000)
    assert sorted(reading.rows) == stamps[5:59]
    assert reading.is_whole


def test_a_server_that_repeats_its_page_does_not_hold_the_reader(fake: FakeApi) -> None:
    """It ignores whatever it is asked: an error, not fifty rows for ever."""
    rows = [{"id": f"r{n}", "created_at": f"2026-03-14T12:00:{n:02}Z"} for n in range(50)]
    fake.routes[LOGS] = result(rows, total_count=500)
    span = Span(datetime.fromisoformat("2026-03-14T00:00:00Z"), NOW)
    with (
        opened(fake.base_url, "acc", "token") as api,
        pytest.raises(ApiError, match="another time"),
    ):
        read_window(LegacyLogs(api, "default"), span, ManualClock(), max_rows=5000)


@pytest.mark.parametrize(
    "body",
    [b"<html>sign in</html>", b"[]", b'{"result": {}}', b'{"result": [1', b"\xff\xfe"],
)
def test_an_answer_of_somebody_else_is_an_error_not_a_crash(fake: FakeApi, body: bytes) -> None:
    """A proxy's page, a cut body."""
    fake.routes[LOGS] = Answer(body)
    with opened(fake.base_url, "acc", "t") as api, pytest.raises(ApiError, match="not a page"):
        list(LegacyLogs(api, "default").pages(DAY))


def test_a_row_that_cannot_be_understood_goes_on_as_it_is(fake: FakeApi) -> None:
    """It is the ledger's to put aside, with its content; here nothing is dropped."""
    rows = [{"id": "a", "created_at": "2026-03-14T12:00:00Z"}, {"id": 7}, "text", None]
    fake.routes[LOGS] = result(rows, total_count=4)
    span = Span(datetime.fromisoformat("2026-03-14T00:00:00Z"), NOW)
    with opened(fake.base_url, "acc", "t") as api:
        reading = read_window(LegacyLogs(api, "default"), span, ManualClock(), max_rows=5000)
    assert (len(reading.rows), reading.is_whole) == (4, True)


def test_the_order_is_always_asked_for(fake: FakeApi) -> None:
    """The API's default order is documented nowhere."""
    fake.routes[LOGS] = result([], total_count=0)
    with opened(fake.base_url, "acc", "token") as api:
        list(LegacyLogs(api, "default").pages(DAY))
    query = fake.seen[0].query
    assert query["order_by"] == "created_at"
    assert query["order_by_direction"] == "asc"
    assert query["per_page"] == "50"
    assert fake.seen[0].headers["authorization"] == "Bearer token"
