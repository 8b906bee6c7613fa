"""Moving labels, as pure rules: history, protection, canaries."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.facts import NOON
from wai_ops.core.errors import DeniedError, UsageError, WaiError
from wai_ops.prompts.lock_checks import lock_problems
from wai_ops.prompts.lock_read import parse_lock
from wai_ops.prompts.lock_text import to_text
from wai_ops.prompts.lockfile import Canary, FrozenVersion, Lock, PromptLock
from wai_ops.prompts.promotion import (
    Act,
    Rules,
    promote,
    roll_back,
    start_canary,
    stop_canary,
    take_away,
)
from wai_ops.prompts.reference import in_canary

OPEN = Rules()
GUARDED = Rules(protected={"production": ("ann@example.com", "Bob@example.com")})
FAY = Act(author="fay@example.com", at=NOON)
ANN = Act(author="ann@example.com", at=NOON)


def prompt_of(count: int, *, author: str = "fay@example.com") -> PromptLock:
    """A prompt with so many versions and no labels."""
    versions = tuple(
        FrozenVersion(
            version=number,
            sha256=f"{number:064x}",
            file_sha256=f"{number:064x}",
            frozen_at=NOON,
            author=author,
            message="a reason",
        )
        for number in range(1, count + 1)
    )
    return PromptLock(name="triage", versions=versions)


def test_promoting_moves_the_label_and_keeps_what_it_was() -> None:
    moved = promote(promote(prompt_of(2), "staging", 1, FAY, OPEN), "staging", 2, FAY, OPEN)
    assert moved.labels == {"staging": 2}
    assert [(item.previous, item.version) for item in moved.releases] == [(None, 1), (1, 2)]


def test_promoting_what_is_there_changes_nothing() -> None:
    once = promote(prompt_of(1), "staging", 1, FAY, OPEN)
    assert promote(once, "staging", 1, FAY, OPEN) is once


def test_a_label_that_was_protected_later_gets_its_approval_where_it_stands() -> None:
    """What `verify` then asks for: without this nothing but moving the label away would do."""
    loose = promote(prompt_of(1), "production", 1, FAY, OPEN)
    with pytest.raises(DeniedError, match="none of its owners"):
        promote(loose, "production", 1, FAY, GUARDED)
    approved = promote(loose, "production", 1, ANN, GUARDED)
    assert [(item.label, item.version, item.approved_by) for item in approved.approvals] == [
        ("production", 1, "ann@example.com")
    ]
    assert approved.releases == loose.releases
    assert promote(approved, "production", 1, FAY, GUARDED) is approved
    assert promote(approved, "production", 1, ANN, GUARDED) is approved


@given(st.lists(st.integers(1, 5), min_size=1, max_size=8))
def test_rolling_back_again_and_again_undoes_every_release_in_turn(numbers: list[int]) -> None:
    """Each step back leads to the release before, until there is none; a model of a stack."""
    prompt = prompt_of(5)
    trail: list[int] = []
    for number in numbers:
        prompt = promote(prompt, "production", number, FAY, OPEN)
        if trail and trail[-1] == number:
            continue
        if len(trail) > 1 and trail[-2] == number:
            trail.pop()
        else:
            trail.append(number)
    for expected in reversed(trail[:-1]):
        prompt = roll_back(prompt, "production", FAY, OPEN)
        assert prompt.labels["production"] == expected
    with pytest.raises(UsageError, match="pointed to nothing before"):
        roll_back(prompt, "production", FAY, OPEN)


def test_a_label_that_was_taken_away_can_be_given_again_but_not_rolled_back() -> None:
    once = promote(prompt_of(2), "staging", 1, FAY, OPEN)
    gone = take_away(once, "staging", FAY, OPEN)
    assert (gone.labels, gone.releases[-1].version) == ({}, None)
    with pytest.raises(UsageError, match="no label staging"):
        roll_back(gone, "staging", FAY, OPEN)
    again = promote(gone, "staging", 2, FAY, OPEN)
    with pytest.raises(UsageError, match="pointed to nothing before"):
        roll_back(again, "staging", FAY, OPEN)


class TestProtected:
    """A label with owners."""

    def test_only_an_owner_may_approve(self) -> None:
        with pytest.raises(DeniedError, match=r"fay@example\.com is none of its owners"):
            promote(prompt_of(1), "production", 1, FAY, GUARDED)
        stranger = Act(author="ann@example.com", at=NOON, approved_by="eve@example.com")
        with pytest.raises(DeniedError, match=r"eve@example\.com is none of its owners"):
            promote(prompt_of(1), "production", 1, stranger, GUARDED)

    def test_whoever_froze_it_may_not_approve_it_unless_the_config_allows_it(self) -> None:
        own = prompt_of(1, author="ANN@example.com")
        with pytest.raises(DeniedError, match=r"froze version 1 .*self_approval"):
            promote(own, "production", 1, ANN, GUARDED)
        allowed = Rules(protected=GUARDED.protected, self_approval=True)
        assert promote(own, "production", 1, ANN, allowed).labels == {"production": 1}

    def test_the_approval_is_recorded_and_verify_finds_it(self) -> None:
        done = promote(prompt_of(1), "production", 1, ANN, GUARDED)
        assert [item.approved_by for item in done.approvals] == ["ann@example.com"]
        assert done.releases[-1].approved_by == "ann@example.com"
        assert list(lock_problems(done, GUARDED.protected)) == []

    def test_a_tenant_of_a_protected_label_is_protected_as_well(self) -> None:
        with pytest.raises(DeniedError, match="production/acme is protected"):
            promote(prompt_of(1), "production/acme", 1, FAY, GUARDED)
        whole = promote(prompt_of(1), "production", 1, ANN, GUARDED)
        part = promote(whole, "production/acme", 1, FAY, GUARDED)
        assert part.releases[-1].approved_by == "ann@example.com"

    def test_a_tenants_approval_does_not_hold_for_all(self) -> None:
        part = promote(prompt_of(1), "production/acme", 1, ANN, GUARDED)
        with pytest.raises(DeniedError, match="none of its owners"):
            promote(part, "production", 1, FAY, GUARDED)

    def test_rolling_back_to_what_was_approved_needs_no_owner(self) -> None:
        first = promote(prompt_of(2), "production", 1, ANN, GUARDED)
        second = promote(first, "production", 2, ANN, GUARDED)
        back = roll_back(second, "production", FAY, GUARDED)
        assert back.labels == {"production": 1}
        assert back.releases[-1].approved_by == "ann@example.com"

    def test_a_canary_and_taking_away_need_an_owner_too(self) -> None:
        base = promote(prompt_of(2), "production", 1, ANN, GUARDED)
        with pytest.raises(DeniedError, match="is protected"):
            start_canary(base, "production", 2, FAY, GUARDED, percent=10)
        with pytest.raises(DeniedError, match="is protected"):
            take_away(base, "production", FAY, GUARDED)
        running = start_canary(base, "production", 2, ANN, GUARDED, percent=10)
        assert list(lock_problems(running, GUARDED.protected)) == []


class TestCanary:
    """A share of the conversations."""

    def test_it_grows_ends_with_its_promotion_and_bars_another(self) -> None:
        base = promote(prompt_of(3), "production", 1, FAY, OPEN)
        running = start_canary(base, "production", 2, FAY, OPEN, percent=10)
        later = Act(author="ann@example.com", at=NOON + timedelta(hours=1))
        grown = start_canary(running, "production", 2, later, OPEN, percent=60)
        (canary,) = grown.canaries
        assert (canary.percent, canary.started_at) == (60, NOON)
        with pytest.raises(UsageError, match="a canary of version 2 stands"):
            start_canary(grown, "production", 3, FAY, OPEN, percent=5)
        with pytest.raises(UsageError, match="a canary of version 2 stands"):
            promote(grown, "production", 3, FAY, OPEN)
        assert promote(grown, "production", 2, FAY, OPEN).canaries == ()
        assert stop_canary(grown, "production").canaries == ()
        assert stop_canary(grown, "production").labels == {"production": 1}

    @given(
        conversation=st.text(max_size=40),
        shares=st.lists(st.integers(1, 99), min_size=2, max_size=6),
        version=st.integers(1, 999),
    )
    def test_whoever_is_in_stays_in_while_the_share_grows(
        self, conversation: str, shares: list[int], version: int
    ) -> None:
        answers = [
            in_canary("triage", canary_of(share, version), conversation) for share in sorted(shares)
        ]
        assert answers == sorted(answers)
        again = [
            in_canary("triage", canary_of(share, version), conversation) for share in sorted(shares)
        ]
        assert again == answers

    @pytest.mark.parametrize("share", [1, 10, 50, 99])
    def test_the_share_is_the_share(self, share: int) -> None:
        """20,000 conversations: within six standard deviations of a fair draw."""
        count = 20_000
        canary = canary_of(share, 4)
        inside = sum(in_canary("triage", canary, f"c{number}") for number in range(count))
        expected = count * share / 100
        deviation = (expected * (1 - share / 100)) ** 0.5
        assert abs(inside - expected) < 6 * deviation

    def test_two_canaries_draw_independently(self) -> None:
        """Or the same conversations would be the first to try everything."""
        names = [f"c{number}" for number in range(20_000)]
        both = sum(
            in_canary("triage", canary_of(50, 4), name)
            and in_canary("triage", canary_of(50, 5), name)
            for name in names
        )
        assert abs(both - 5000) < 6 * (20_000 * 0.25 * 0.75) ** 0.5


def canary_of(percent: int, version: int) -> Canary:
    return Canary(
        label="production", version=version, percent=percent, started_at=NOON, author="fay"
    )


ACTS = st.one_of(
    st.tuples(
        st.just("promote"), st.sampled_from(["production", "staging/acme"]), st.integers(1, 4)
    ),
    st.tuples(st.just("canary"), st.just("production"), st.integers(1, 4)),
    st.tuples(st.sampled_from(["back", "stop", "away"]), st.just("production"), st.just(0)),
)


@given(st.lists(ACTS, max_size=12))
def test_whatever_is_done_the_lock_stays_one_that_verify_accepts(
    acts: list[tuple[str, str, int]],
) -> None:
    """A refusal changes nothing; everything else leaves labels, history and approvals in step."""
    prompt = prompt_of(4)
    for act, label, number in acts:
        try:
            match act:
                case "promote":
                    prompt = promote(prompt, label, number, ANN, GUARDED)
                case "canary":
                    prompt = start_canary(prompt, label, number, ANN, GUARDED, percent=7)
                case "back":
                    prompt = roll_back(prompt, label, ANN, GUARDED)
                case "stop":
                    prompt = stop_canary(prompt, label)
                case _:
                    prompt = take_away(prompt, label, ANN, GUARDED)
        except WaiError:
            continue
        assert list(lock_problems(prompt, GUARDED.protected)) == []
        lock = Lock(prompts={"triage": prompt})
        assert parse_lock(to_text(lock).encode(), "prompts.lock") == lock
