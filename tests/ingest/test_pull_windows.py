"""The window planner: no instant of a gap is left out, none is read twice."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from wai_ops.observe.ingest.windows import (
    LONGEST,
    Planner,
    Span,
    at_midnights,
    halves,
    subtract,
    union,
)

START = datetime(2026, 3, 14, 22, 30, tzinfo=UTC)
milliseconds = st.integers(0, 4 * 86_400_000)


@st.composite
def spans(draw: st.DrawFn) -> Span:
    since, length = draw(milliseconds), draw(st.integers(0, 3 * 86_400_000))
    at = START + timedelta(milliseconds=since)
    return Span(at, at + timedelta(milliseconds=length))


def instants(items: list[Span]) -> float:
    return sum(item.seconds for item in items)


@given(st.lists(spans(), max_size=8), st.data())
def test_every_instant_of_the_gaps_is_handed_out_exactly_once(
    gaps: list[Span], data: st.DataObject
) -> None:
    """Whatever the rows do: bursts, nothing at all, or more than one window may hold."""
    planner = Planner(gaps, target_rows=1000, rows_per_s=data.draw(st.sampled_from([None, 0, 3])))
    out: list[Span] = []
    for _ in range(3000):
        if (span := planner.take()) is None:
            break
        many = data.draw(st.integers(0, 10)) == 0 and len(out) < 200
        if many and planner.split(span, 9000):
            continue
        out.append(span)
        rows = data.draw(st.sampled_from([0, 1, 900, 1100]))
        planner.observe(span, min(rows, int(span.seconds * 100)))
    else:
        # Too many windows to finish here: what is left must be the rest, exactly.
        out += union(planner._gaps)
    assert union(out) == union(gaps)
    assert abs(instants(out) - instants(union(gaps))) < 1e-6
    assert all(span.since.date() == (span.until - timedelta(microseconds=1)).date() for span in out)


@given(spans(), st.lists(spans(), max_size=8))
def test_what_is_subtracted_and_what_is_left_are_the_whole(whole: Span, taken: list[Span]) -> None:
    """A hole between two windows that were read is found, however they overlap."""
    left = subtract(whole, taken)
    assert not any(part.overlaps(item) for part in left for item in union(taken))
    covered = [Span(max(t.since, whole.since), min(t.until, whole.until)) for t in taken]
    expected = [whole] if whole.since < whole.until else []
    assert union([*left, *(c for c in covered if c.since < c.until)]) == expected


@given(spans())
def test_halves_meet_and_cannot_be_cut_below_a_millisecond(span: Span) -> None:
    """A window of one millisecond is read whole, whatever it holds."""
    parts = halves(span)
    if span.until - span.since <= timedelta(milliseconds=1):
        assert parts is None
    else:
        assert parts is not None
        assert parts[0].until == parts[1].since
        assert (parts[0].since, parts[1].until) == (span.since, span.until)


def test_a_quiet_gateway_takes_one_request_a_day() -> None:
    """Sixty days without a row are about sixty windows, not thousands."""
    planner = Planner([Span(START, START + timedelta(days=60))], target_rows=1000)
    count = 0
    while (span := planner.take()) is not None:
        planner.observe(span, 0)
        assert span.until - span.since <= LONGEST
        count += 1
    assert 61 <= count <= 70


def test_windows_shrink_when_rows_come_faster() -> None:
    """At ten rows a second a window of a thousand is near a hundred seconds long."""
    planner = Planner([Span(START, START + timedelta(hours=1))], target_rows=1000)
    lengths = []
    while (span := planner.take()) is not None:
        planner.observe(span, int(span.seconds * 10))
        lengths.append(span.seconds)
    assert 80 <= lengths[3] <= 120


def test_midnights_cut() -> None:
    """Days can be told apart by their windows."""
    parts = at_midnights(Span(START, START + timedelta(hours=30)))
    assert [part.since.hour for part in parts] == [22, 0, 0]
    assert union(parts) == [Span(START, START + timedelta(hours=30))]
