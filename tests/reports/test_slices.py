"""Slices: windows cut at UTC midnights, conditions from fixed names, values that stay values."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wai_ops.core.errors import UsageError
from wai_ops.core.window import Window
from wai_ops.observe.reports.slice import (
    DAYS,
    FAILURES,
    IN_CALLS,
    IN_DAYS,
    LATENCIES,
    Condition,
    Dimension,
    RollUp,
    Slice,
    over_calls,
    over_days_and_edges,
    parse_where,
    split_days,
)

MIDNIGHT = datetime(2026, 3, 14, tzinfo=UTC)
instants = st.integers(0, 4 * 86_400_000_000).map(
    lambda count: MIDNIGHT + timedelta(days=-13, microseconds=count)
) | st.sampled_from([MIDNIGHT - timedelta(days=n) for n in range(9, 14)])
windows = st.tuples(st.none() | instants, st.none() | instants).filter(
    lambda ends: ends[0] is None or ends[1] is None or ends[0] < ends[1]
)


def holds(window: Window, at: datetime) -> bool:
    """Whether an instant lies in a half-open window."""
    after = window.since is None or at >= window.since
    return after and (window.until is None or at < window.until)


@given(windows, instants)
def test_every_instant_of_a_window_is_in_one_whole_day_or_one_edge(
    ends: tuple[datetime | None, datetime | None], at: datetime
) -> None:
    window = Window(*ends)
    days, edges = split_days(window)
    parts = edges + ([] if days is None else [days])
    assert sum(holds(part, at) for part in parts) == holds(window, at)


@given(windows)
def test_whole_days_begin_and_end_at_midnight(
    ends: tuple[datetime | None, datetime | None],
) -> None:
    days, edges = split_days(Window(*ends))
    assert len(edges) <= 2
    for at in () if days is None else (days.since, days.until):
        assert at is None or (at.hour, at.minute, at.second, at.microsecond) == (0, 0, 0, 0)


def test_days_are_utc_days_wherever_the_window_was_typed() -> None:
    auckland = timezone(timedelta(hours=13))
    since = datetime(2026, 3, 14, 13, tzinfo=auckland)
    days, edges = split_days(Window(since, since + timedelta(days=2)))
    assert days == Window(MIDNIGHT, MIDNIGHT + timedelta(days=2))
    assert edges == []


def test_a_window_at_the_end_of_time_goes_to_the_table() -> None:
    window = Window(datetime(9999, 12, 31, 12, tzinfo=UTC), None)
    assert split_days(window) == (None, [window])


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("workflow=triage", Condition(Dimension.WORKFLOW, "triage")),
        ("tenant!=acme", Condition(Dimension.TENANT, "acme", is_equal=False)),
        ("model=a=b", Condition(Dimension.MODEL, "a=b")),
        ("workflow=", Condition(Dimension.WORKFLOW, "")),
        ("day=2026-01-31", Condition(Dimension.DAY, "2026-01-31")),
    ],
)
def test_a_condition_is_a_key_a_sign_and_a_value(text: str, condition: Condition) -> None:
    assert parse_where([text]) == (condition,)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("workflow", "is no condition"),
        ("workflw=a", "there is no 'workflw'; did you mean workflow?"),
        ("1=1 or workflow=a", "there is no '1'"),
        ("cost_usd=1", "there is no 'cost_usd'"),
        ("day=soon", "is not a day"),
        ("=x", "there is no ''"),
    ],
)
def test_what_is_no_condition_is_refused(text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_where([text])
    assert words in caught.value.message


def test_an_unknown_key_lists_all_of_them() -> None:
    with pytest.raises(UsageError) as caught:
        parse_where(["moon=full"])
    assert caught.value.hint == (
        "one of workflow, tenant, model, prompt, route, gateway, provider, target, source,"
        " conversation, error, day"
    )


hostile = st.text(max_size=20) | st.sampled_from(["'; drop table model_call; --", "$w", "{where}"])


@given(st.lists(st.tuples(st.sampled_from(list(Dimension)), hostile, st.booleans()), max_size=5))
def test_a_value_is_never_part_of_the_text(parts: list[tuple[Dimension, str, bool]]) -> None:
    where = tuple(
        Condition(key, "2026-01-31" if key is Dimension.DAY else value, is_equal=sign)
        for key, value, sign in parts
    )
    plain = tuple(
        Condition(item.key, item.value and "2026-01-31", is_equal=item.is_equal) for item in where
    )
    for fill in (over_calls, over_days_and_edges):
        window = Window(MIDNIGHT, MIDNIGHT + timedelta(hours=36))
        coloned = any(c.key is Dimension.CONVERSATION and ":" in c.value for c in where)
        if not coloned:  # a full name is looked for in another expression
            assert fill(Slice(window, where)).markers == fill(Slice(window, plain)).markers


def test_only_what_one_grain_of_the_roll_up_keeps_is_asked_of_it() -> None:
    window = Window(MIDNIGHT, MIDNIGHT + timedelta(days=1))
    for key in Dimension:
        filled = over_days_and_edges(Slice(window), key)
        assert (filled.markers["day_where"] == "false") == (key not in IN_DAYS), key
        assert (filled.markers["where"] == "false") == (key in IN_DAYS), key
    assert set(IN_CALLS) == set(Dimension)


@pytest.mark.parametrize(
    ("asked", "kept", "grain"),
    [
        ([], DAYS, "route"),
        (["day"], DAYS, "route"),
        (["workflow", "day"], DAYS, "workflow"),
        (["route", "gateway", "target"], DAYS, "route"),
        (["workflow", "tenant"], DAYS, None),
        (["error"], DAYS, None),
        (["provider"], DAYS, None),
        (["error", "model", "day"], FAILURES, "model"),
        (["prompt"], FAILURES, None),
        (["workflow"], LATENCIES, "workflow"),
        (["tenant"], LATENCIES, None),
    ],
)
def test_two_names_that_are_not_kept_together_go_to_the_table(
    asked: list[str], kept: RollUp, grain: str | None
) -> None:
    assert kept.grain([Dimension(name) for name in asked]) == grain
