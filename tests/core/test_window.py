"""Times as users type them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wai_ops.core.clock import parse_utc, to_utc_text
from wai_ops.core.errors import UsageError
from wai_ops.core.window import parse_instant, parse_window

NOW = datetime(2026, 10, 10, 12, 30, tzinfo=UTC)
SECONDS = {"m": 60, "h": 3600, "d": 86400, "w": 604800}
MOMENTS = st.datetimes(
    min_value=datetime(1970, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    timezones=st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m))),
    max_value=datetime(9999, 12, 30),  # noqa: DTZ001
)


@given(st.integers(0, 9999), st.sampled_from(sorted(SECONDS)))
def test_a_number_and_a_unit_count_back_from_now(count: int, unit: str) -> None:
    expected = NOW - timedelta(seconds=count * SECONDS[unit])
    assert parse_instant(f"{count}{unit}", now=NOW, flag="--since") == expected


@given(MOMENTS)
def test_a_time_with_an_offset_is_that_moment_in_utc(at: datetime) -> None:
    found = parse_instant(at.isoformat(), now=NOW, flag="--since")
    assert found == at
    assert found.utcoffset() == timedelta(0)


def test_a_time_without_an_offset_is_utc_wherever_the_machine_is() -> None:
    expected = datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert parse_instant("2026-01-31T12:00", now=NOW, flag="--since") == expected
    assert parse_instant("2026-01-31", now=NOW, flag="--since") == expected.replace(hour=0)


@given(st.one_of(st.text(max_size=12), st.from_regex(r"\d{0,8}[mhdwy]?", fullmatch=True)))
@example("0001-01-01T00:00+14:00")
@example("9999-12-31T23:59-14:00")
@example("999999w")
@example("٣d")
def test_any_text_is_a_time_in_utc_or_a_usage_error_that_names_the_flag(text: str) -> None:
    refused = None
    try:
        found = parse_instant(text, now=NOW, flag="--until")
    except UsageError as error:
        refused = error
    if refused is None:
        assert found.utcoffset() == timedelta(0)
    else:
        assert refused.message.startswith("--until ")
        assert refused.hint


@given(MOMENTS, MOMENTS)
def test_a_window_that_holds_nothing_is_refused(since: datetime, until: datetime) -> None:
    if since < until:
        window = parse_window(since.isoformat(), until.isoformat(), now=NOW)
        assert (window.since, window.until) == (since, until)
    else:
        with pytest.raises(UsageError, match="the window is empty"):
            parse_window(since.isoformat(), until.isoformat(), now=NOW)


def test_an_open_end_stays_open_and_is_said_so() -> None:
    assert parse_window(None, None, now=NOW).describe() == "the beginning to now (UTC)"
    window = parse_window("2d", "now", now=NOW)
    assert window.describe() == "2026-10-08 12:30 to 2026-10-10 12:30 (UTC)"


@given(MOMENTS)
def test_utc_text_reads_back_to_the_same_microsecond(at: datetime) -> None:
    text = to_utc_text(at)
    assert text.endswith("Z")
    assert len(text) == 27
    assert parse_utc(text) == at


def test_utc_texts_sort_like_their_times() -> None:
    times = [NOW + timedelta(microseconds=step) for step in (0, 1, 10, 999_999, 1_000_000)]
    assert sorted(map(to_utc_text, times)) == list(map(to_utc_text, times))


def test_a_window_without_an_end_cannot_begin_in_the_future() -> None:
    tomorrow = (NOW + timedelta(days=1)).isoformat()
    with pytest.raises(UsageError, match="lies in the future"):
        parse_window(tomorrow, None, now=NOW)
    assert parse_window(tomorrow, (NOW + timedelta(days=2)).isoformat(), now=NOW).until
