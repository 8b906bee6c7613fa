"""Moving labels: promote, roll back, take away, canary. Pure: a prompt's block in, a new one out.

A protected label moves only to a version that one of its owners approved, and not whoever froze
it. Names are taken as they are told: what proves who approved is the signed commit or the review
that brings `prompts.lock` into the main branch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from wai_ops.core.errors import DeniedError, UsageError
from wai_ops.prompts.errors import PromptError
from wai_ops.prompts.lockfile import Approval, Canary, PromptLock, Release
from wai_ops.prompts.names import label_base


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the config says about labels."""

    protected: Mapping[str, Sequence[str]] = field(default_factory=dict)
    self_approval: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """Who does something, when and why."""

    author: str
    at: datetime
    message: str = ""
    approved_by: str | None = None
    """None: the author."""


def promote(prompt: PromptLock, label: str, version: int, act: Act, rules: Rules) -> PromptLock:
    """Point a label at a version. The same block comes back when it is there already, and approved.

    An approval that is missing, because the label was protected later, is recorded. A canary of
    that version has done its work and ends. Raises PromptError for a version that is not frozen,
    UsageError while a canary of another version stands, and DeniedError.
    """
    _require(prompt, version)
    standing = canary_of(prompt, label)
    if standing is not None and standing.version != version:
        raise UsageError(
            f"a canary of version {standing.version} stands on {label}",
            hint=f"stop it first: wai prompts canary {prompt.name} --stop {label}",
        )
    if prompt.labels.get(label) == version:
        owners = rules.protected.get(label_base(label))
        if owners is None or _known_approval(prompt, label, version, owners, rules) is not None:
            return prompt
        return _approved(prompt, label, version, act, rules)[0]
    return _moved(prompt, label, version, act, rules)


def roll_back(prompt: PromptLock, label: str, act: Act, rules: Rules) -> PromptLock:
    """Point a label at what it pointed to before; a canary on it ends.

    Rolling back twice goes back two releases. Raises UsageError when there is nothing before.
    """
    _require_label(prompt, label)
    return _moved(prompt, label, version_before(prompt, label), act, rules)


def version_before(prompt: PromptLock, label: str) -> int:
    """The version that a label pointed to before the one it has. Raises UsageError without one."""
    trail: list[int | None] = []
    for release in prompt.releases:
        if release.label != label:
            continue
        if len(trail) > 1 and trail[-2] == release.version:
            trail.pop()  # a step back: what was left is not gone back to
        else:
            trail.append(release.version)
    before = trail[-2] if len(trail) > 1 and trail[-1] == prompt.labels.get(label) else None
    if before is None:
        raise UsageError(
            f"{label} of {prompt.name} has pointed to nothing before version "
            f"{prompt.labels.get(label)}",
            hint=f"see: wai prompts log {prompt.name}",
        )
    return before


def take_away(prompt: PromptLock, label: str, act: Act, rules: Rules) -> PromptLock:
    """Remove a label, with the canary on it. Raises UsageError when there is no such label."""
    _require_label(prompt, label)
    owners = rules.protected.get(label_base(label))
    approver = act.approved_by
    if owners is not None:
        approver = approver or act.author
        _require_owner(label, owners, approver)
    return _released(prompt, label, None, act, approver)


def start_canary(
    prompt: PromptLock, label: str, version: int, act: Act, rules: Rules, *, percent: int
) -> PromptLock:
    """Give a share of a label's conversations another version, or change the share.

    Conversations that are in stay in when the share grows. Raises as `promote` does.
    """
    _require(prompt, version)
    _require_label(prompt, label)
    if prompt.labels[label] == version:
        raise UsageError(f"{label} is version {version} already: a canary is another version")
    standing = canary_of(prompt, label)
    if standing is not None and standing.version != version:
        raise UsageError(
            f"a canary of version {standing.version} stands on {label}",
            hint=f"stop it first: wai prompts canary {prompt.name} --stop {label}",
        )
    approved, _ = _approved(prompt, label, version, act, rules)
    canary = Canary(
        label=label,
        version=version,
        percent=percent,
        started_at=act.at if standing is None else standing.started_at,
        author=act.author,
    )
    others = tuple(item for item in approved.canaries if item.label != label)
    return replace(approved, canaries=(*others, canary))


def stop_canary(prompt: PromptLock, label: str) -> PromptLock:
    """End a canary: all conversations get the label's version. Raises UsageError without one."""
    if canary_of(prompt, label) is None:
        raise UsageError(f"no canary stands on {label} of {prompt.name}")
    return replace(prompt, canaries=tuple(i for i in prompt.canaries if i.label != label))


def canary_of(prompt: PromptLock, label: str) -> Canary | None:
    """The canary on a label."""
    return next((item for item in prompt.canaries if item.label == label), None)


def _moved(prompt: PromptLock, label: str, version: int, act: Act, rules: Rules) -> PromptLock:
    approved, approver = _approved(prompt, label, version, act, rules)
    return _released(approved, label, version, act, approver)


def _released(
    prompt: PromptLock, label: str, version: int | None, act: Act, approver: str | None
) -> PromptLock:
    release = Release(
        label=label,
        version=version,
        previous=prompt.labels.get(label),
        released_at=act.at,
        author=act.author,
        message=act.message,
        approved_by=approver,
    )
    labels = {name: number for name, number in prompt.labels.items() if name != label}
    return replace(
        prompt,
        labels=labels if version is None else {**labels, label: version},
        canaries=tuple(item for item in prompt.canaries if item.label != label),
        releases=(*prompt.releases, release),
    )


def _approved(
    prompt: PromptLock, label: str, version: int, act: Act, rules: Rules
) -> tuple[PromptLock, str | None]:
    """The block with its approval, and who approved; None where nobody has to."""
    owners = rules.protected.get(label_base(label))
    if owners is None:
        return prompt, act.approved_by
    if act.approved_by is None:
        known = _known_approval(prompt, label, version, owners, rules)
        if known is not None:
            return prompt, known.approved_by
    approver = act.approved_by or act.author
    _require_owner(label, owners, approver)
    frozen = prompt.version(version)
    if frozen is not None and _is_same(approver, frozen.author) and not rules.self_approval:
        raise DeniedError(
            f"{approver} froze version {version} and cannot approve it for {label} "
            "(prompts.self_approval is false)",
            hint=f"have another owner approve it: --approved-by {_other(owners, approver)}",
        )
    approval = Approval(label=label, version=version, approved_by=approver, approved_at=act.at)
    return replace(prompt, approvals=(*prompt.approvals, approval)), approver


def _known_approval(
    prompt: PromptLock, label: str, version: int, owners: Sequence[str], rules: Rules
) -> Approval | None:
    """An approval of before: for this label, or for the one that it is a tenant's of."""
    frozen = prompt.version(version)
    for item in prompt.approvals:
        fits = item.version == version and item.label in (label, label_base(label))
        is_own = frozen is not None and _is_same(item.approved_by, frozen.author)
        if fits and item.approved_by in owners and (rules.self_approval or not is_own):
            return item
    return None


def _require_owner(label: str, owners: Sequence[str], approver: str) -> None:
    if approver not in owners:
        raise DeniedError(
            f"{label} is protected (prompts.protected), and {approver} is none of its owners",
            hint=f"have one of them approve: --approved-by {' | '.join(owners)}",
        )


def _other(owners: Sequence[str], approver: str) -> str:
    return " | ".join(owner for owner in owners if not _is_same(owner, approver)) or "WHO"


def _is_same(one: str, other: str) -> bool:
    return one.casefold() == other.casefold()


def _require(prompt: PromptLock, version: int) -> None:
    if prompt.version(version) is None:
        newest = prompt.newest
        raise PromptError(
            f"{prompt.name} has no version {version}",
            hint=f"nothing is frozen: wai prompts freeze {prompt.name} -m WHY"
            if newest is None
            else f"frozen: 1 to {newest.version}",
        )


def _require_label(prompt: PromptLock, label: str) -> None:
    if label not in prompt.labels:
        known = ", ".join(sorted(prompt.labels)) or "none"
        raise PromptError(f"{prompt.name} has no label {label}", hint=f"labels: {known}")
