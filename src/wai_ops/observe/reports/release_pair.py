"""Which two versions of a prompt are compared, and over which time: chosen from the lock, pure.

A canary is the better evidence: both versions run at the same time, and a hash decides who gets
which. Without one it is the time before a promotion against the time after it.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from wai_ops.core.errors import UsageError
from wai_ops.core.text import one_line
from wai_ops.core.window import Window
from wai_ops.observe.reports.prompt_facts import CanaryFact, PromptFacts, ReleaseFact

DEFAULT_LABEL = "production"
LEAST_BEFORE = timedelta(days=7)
"""So long a time before a promotion is looked at even when the time after is shorter."""
RUN_UP = timedelta(days=1)
"""So long before a period calls are read, to know the conversations that are older than it."""


class Design(StrEnum):
    """How the two versions ran."""

    CANARY = "canary"
    SIDE_BY_SIDE = "side by side"
    BEFORE_AFTER = "before and after"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two versions, and when a conversation must have begun to count for either."""

    old: str
    new: str
    old_window: Window
    new_window: Window
    span: Window
    """All that has to be read: a little more, so that older conversations are known for such."""
    design: Design
    label: str | None = None
    tenant: str | None = None
    """Of a label that is one tenant's alone."""
    percent: int | None = None
    """What the canary was to get."""


def pair_of_label(
    prompt: str,
    facts: PromptFacts,
    label: str | None,
    at: datetime | None,
    *,
    window: Window,
    now: datetime,
) -> Pair:
    """The canary of a label, else its newest promotion, or the one in force at a time.

    Without a label: any canary, else the newest promotion of `production`, else of any label.
    Raises UsageError where there is nothing to compare.
    """
    until = window.until or now
    name = one_line(prompt, 80)
    if at is None and (canary := _canary(facts, label, until)):
        old = facts.labels.get(canary.label)
        if old is not None and old != canary.version:
            return _canary_pair(canary, old, window, until)
    release = _release(facts, label, at or until)
    if release is None:
        where = f"{name}@{one_line(label, 80)}" if label else name
        raise UsageError(
            f"{where} was never promoted from one version to another"
            + (f" before {at:%Y-%m-%d %H:%M}" if at else ""),
            hint="compare two versions with --versions OLD NEW",
        )
    return _release_pair(facts, release, window, until)


def _canary(facts: PromptFacts, label: str | None, until: datetime) -> CanaryFact | None:
    fitting = [c for c in facts.canaries if label in {None, c.label} and c.started_at < until]
    fitting.sort(key=lambda item: (item.label == DEFAULT_LABEL, item.started_at))
    return fitting[-1] if fitting else None


def _canary_pair(canary: CanaryFact, old: str, window: Window, until: datetime) -> Pair:
    since = canary.started_at if window.since is None else max(window.since, canary.started_at)
    if since >= until:
        raise UsageError(
            f"the canary of {canary.label} began after the window", hint="leave out --until"
        )
    both = Window(since, until)
    return Pair(
        old=old,
        new=canary.version,
        old_window=both,
        new_window=both,
        span=_with_run_up(since, until),
        design=Design.CANARY,
        label=canary.label,
        tenant=_tenant(canary.label),
        percent=canary.percent,
    )


def _release(facts: PromptFacts, label: str | None, until: datetime) -> ReleaseFact | None:
    moved = [
        release
        for release in facts.releases
        if release.version is not None
        and release.previous not in {None, release.version}
        and release.released_at <= until
        and label in {None, release.label}
    ]
    moved.sort(key=lambda item: item.released_at)
    if label is None and (usual := [item for item in moved if item.label == DEFAULT_LABEL]):
        moved = usual
    return moved[-1] if moved else None


def _release_pair(
    facts: PromptFacts, release: ReleaseFact, window: Window, until: datetime
) -> Pair:
    at = release.released_at
    others = [item.released_at for item in facts.releases if item.label == release.label]
    after = min([item for item in others if item > at], default=until)
    after = min(after, until)
    since = max([_earlier(at, max(after - at, LEAST_BEFORE)), *(i for i in others if i < at)])
    if window.since is not None:
        since = min(max(since, window.since), at)
    assert release.previous is not None
    assert release.version is not None
    return Pair(
        old=release.previous,
        new=release.version,
        old_window=Window(since, at),
        new_window=Window(at, after),
        span=_with_run_up(since, after),
        design=Design.BEFORE_AFTER,
        label=release.label,
        tenant=_tenant(release.label),
    )


def pair_of_versions(
    old: str, new: str, seen: dict[str, tuple[datetime, datetime]], *, window: Window
) -> Pair:
    """Two versions while both had calls, or each of them over the whole window.

    `seen`: first and last call of each. Raises UsageError for a version without calls, or twice the
    same.
    """
    if old == new:
        raise UsageError("--versions names one version twice", hint="give an old and a new one")
    for version in (old, new):
        if version not in seen:
            raise UsageError(
                f"version {one_line(version, 80)} has no call in the window",
                hint="see what there is: wai report prompts",
            )
    since = max(seen[old][0], seen[new][0])
    until = min(seen[old][1], seen[new][1])
    if since < until:
        both = Window(since, until)
        return Pair(
            old=old,
            new=new,
            old_window=both,
            new_window=both,
            span=window,
            design=Design.SIDE_BY_SIDE,
        )
    return one_after_the_other(old, new, window)


def one_after_the_other(old: str, new: str, window: Window) -> Pair:
    """Each version with all its conversations in the window."""
    return Pair(
        old=old,
        new=new,
        old_window=window,
        new_window=window,
        span=window,
        design=Design.BEFORE_AFTER,
    )


def _tenant(label: str) -> str | None:
    return label.partition("/")[2] or None


def _with_run_up(since: datetime, until: datetime) -> Window:
    return Window(_earlier(since, RUN_UP), until)


def _earlier(at: datetime, by: timedelta) -> datetime:
    """The time so long before, or the first that there is."""
    try:
        return at - by
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC)
