"""What can be wrong inside one block of the lock: numbers, labels, approvals, history."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from wai_ops.prompts.lockfile import PromptLock
from wai_ops.prompts.names import label_base

Found = Iterable[tuple[str, str]]
"""Id of the rule, and what is wrong."""


def lock_problems(
    prompt: PromptLock, protected: Mapping[str, Sequence[str]]
) -> Iterator[tuple[str, str]]:
    """Find what is wrong; `protected` is label -> who may approve for it."""
    yield from _numbering(prompt)
    yield from _pointers(prompt)
    yield from _approvals(prompt, protected)
    yield from _history(prompt)


def _numbering(prompt: PromptLock) -> Found:
    for place, version in enumerate(prompt.versions, 1):
        if version.version != place:
            yield "WV008", f"version {place} is missing"
            break
    first: dict[str, int] = {}
    for version in prompt.versions:
        if version.sha256 in first:
            yield "WV008", f"versions {first[version.sha256]} and {version.version} are the same"
        first.setdefault(version.sha256, version.version)


def _pointers(prompt: PromptLock) -> Found:
    numbers = {version.version for version in prompt.versions}
    for label, number in prompt.labels.items():
        if number not in numbers:
            yield "WV007", f"the label {label} points at version {number}, which is not frozen"
    for canary in prompt.canaries:
        if canary.version not in numbers:
            yield "WV007", f"the canary of {canary.label} is version {canary.version}: not frozen"
        if canary.label not in prompt.labels:
            yield "WV007", f"the canary of {canary.label} belongs to a label that is not there"
        elif prompt.labels[canary.label] == canary.version:
            yield "WV007", f"the canary of {canary.label} is the version that the label has"


def _approvals(prompt: PromptLock, protected: Mapping[str, Sequence[str]]) -> Found:
    used = [*prompt.labels.items(), *((item.label, item.version) for item in prompt.canaries)]
    for label, number in used:
        owners = protected.get(label_base(label))
        if owners is None:
            continue
        is_approved = any(
            item.version == number
            and item.label in (label, label_base(label))
            and item.approved_by in owners
            for item in prompt.approvals
        )
        if not is_approved:
            yield "WV009", f"nobody of {', '.join(owners)} approved version {number} for {label}"


def _history(prompt: PromptLock) -> Found:
    last: dict[str, int | None] = {item.label: item.version for item in prompt.releases}
    for label, number in prompt.labels.items():
        if label not in last:
            yield "WV010", f"no release of {label} is recorded"
        elif last[label] != number:
            yield "WV010", f"{label} is version {number}; its last recorded release says otherwise"
    for label, released in last.items():
        if label not in prompt.labels and released is not None:
            yield "WV010", f"{label} was released as version {released} and is not there"
    moved = {item.label: item.released_at for item in prompt.releases}
    for canary in prompt.canaries:
        # Every release ends the canary on its label; a merge can bring a line back.
        if canary.label in moved and canary.started_at < moved[canary.label]:
            yield (
                "WV010",
                f"the canary of {canary.label} began before its last release, which ended it",
            )
