"""Which two versions are compared, and over which time."""

from datetime import UTC, datetime, timedelta

import pytest

from wai_ops.core.errors import UsageError
from wai_ops.core.window import Window
from wai_ops.observe.reports.prompt_facts import CanaryFact, PromptFacts, ReleaseFact
from wai_ops.observe.reports.release_pair import (
    Design,
    Pair,
    one_after_the_other,
    pair_of_label,
    pair_of_versions,
)

NOW = datetime(2026, 3, 20, tzinfo=UTC)
EVER = Window(None, None)


def day(number: int) -> datetime:
    """Midnight of that day in March."""
    return datetime(2026, 3, number, tzinfo=UTC)


def moved(label: str, version: str | None, previous: str | None, number: int) -> ReleaseFact:
    """A label that was moved on that day."""
    return ReleaseFact(label=label, version=version, previous=previous, released_at=day(number))


HISTORY = PromptFacts(
    labels={"production": "3", "staging": "4", "production/acme": "2"},
    releases=(
        moved("production", "1", None, 1),
        moved("production", "2", "1", 4),
        moved("production/acme", "2", "1", 5),
        moved("production", "3", "2", 17),
        moved("staging", "4", "3", 19),
    ),
)


def chosen(
    label: str | None = None,
    at: datetime | None = None,
    window: Window = EVER,
    facts: PromptFacts = HISTORY,
) -> Pair:
    """The pair of a label."""
    return pair_of_label("triage", facts, label, at, window=window, now=NOW)


def test_the_newest_promotion_of_production_is_compared_with_the_time_before_it() -> None:
    pair = chosen()
    assert (pair.old, pair.new, pair.label, pair.design) == (
        "2",
        "3",
        "production",
        Design.BEFORE_AFTER,
    )
    assert pair.new_window == Window(day(17), NOW)
    assert pair.old_window == Window(day(10), day(17))  # a week, although three days have passed


def test_the_time_before_ends_where_the_label_was_moved_before() -> None:
    pair = chosen("production", day(10))
    assert (pair.old, pair.new) == ("1", "2")
    assert pair.old_window == Window(day(1), day(4))
    assert pair.new_window == Window(day(4), day(17))  # until the next promotion


def test_the_window_of_the_report_cuts_both_times() -> None:
    pair = chosen(window=Window(day(15), day(18)))
    assert pair.old_window == Window(day(15), day(17))
    assert pair.new_window == Window(day(17), day(18))
    assert pair.span == Window(day(14), day(18))


def test_a_label_of_a_tenant_is_compared_for_this_tenant_alone() -> None:
    pair = chosen("production/acme")
    assert (pair.old, pair.new, pair.tenant) == ("1", "2", "acme")
    assert chosen("staging").tenant is None


def test_a_canary_comes_before_any_promotion_and_runs_side_by_side() -> None:
    canary = CanaryFact(label="production", version="4", percent=10, started_at=day(18))
    facts = PromptFacts(labels=HISTORY.labels, releases=HISTORY.releases, canaries=(canary,))
    pair = chosen(facts=facts)
    assert (pair.old, pair.new, pair.design, pair.percent) == ("3", "4", Design.CANARY, 10)
    assert pair.old_window == pair.new_window == Window(day(18), NOW)
    assert pair.span == Window(day(17), NOW)  # older conversations are known for what they are
    assert chosen("staging", facts=facts).design is Design.BEFORE_AFTER
    assert chosen("production", day(17), facts=facts).design is Design.BEFORE_AFTER
    assert chosen(facts=facts, window=Window(None, day(18))).design is Design.BEFORE_AFTER


def test_a_rollback_is_a_promotion_like_any_other() -> None:
    facts = PromptFacts(
        labels={"production": "2"},
        releases=(*HISTORY.releases, moved("production", "2", "3", 18)),
    )
    pair = chosen(facts=facts)
    assert (pair.old, pair.new) == ("3", "2")
    assert pair.old_window == Window(day(17), day(18))


@pytest.mark.parametrize(
    ("facts", "label"),
    [
        (PromptFacts(), None),
        (HISTORY, "nightly"),
        (PromptFacts(releases=(moved("production", "1", None, 1),)), "production"),
        (PromptFacts(releases=(moved("production", None, "1", 1),)), "production"),
        (PromptFacts(releases=(moved("production", "2", "2", 1),)), "production"),
    ],
)
def test_without_a_move_from_one_version_to_another_there_is_nothing_to_compare(
    facts: PromptFacts, label: str | None
) -> None:
    with pytest.raises(UsageError, match="never promoted from one version to another"):
        chosen(label, facts=facts)


def test_two_versions_are_compared_while_both_were_in_use() -> None:
    seen = {"1": (day(1), day(10)), "2": (day(8), day(12))}
    pair = pair_of_versions("1", "2", seen, window=EVER)
    assert pair.design is Design.SIDE_BY_SIDE
    assert pair.old_window == pair.new_window == Window(day(8), day(10))
    assert pair.span == EVER


def test_versions_that_never_met_are_compared_one_after_the_other() -> None:
    seen = {"1": (day(1), day(8)), "2": (day(8), day(12))}
    pair = pair_of_versions("1", "2", seen, window=EVER)
    assert pair == one_after_the_other("1", "2", EVER)
    assert pair.design is Design.BEFORE_AFTER
    assert pair.label is None


def test_a_version_without_calls_or_twice_the_same_is_refused() -> None:
    seen = {"1": (day(1), day(8))}
    with pytest.raises(UsageError, match="version 2 has no call"):
        pair_of_versions("1", "2", seen, window=EVER)
    with pytest.raises(UsageError, match="one version twice"):
        pair_of_versions("1", "1", seen, window=EVER)


def test_the_first_day_that_there_is_has_no_day_before() -> None:
    first = datetime.min.replace(tzinfo=UTC)
    release = ReleaseFact(
        label="production", version="2", previous="1", released_at=first + timedelta(days=8)
    )
    pair = chosen(facts=PromptFacts(releases=(release,)), window=Window(first, NOW))
    assert pair.span == Window(first, NOW)
