"""Changing labels in `prompts.lock`, one process at a time, and saying what changed."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from wai_ops.core.clock import Clock
from wai_ops.core.errors import UsageError
from wai_ops.core.table import Table, Unit, col
from wai_ops.prompts.lockfile import Lock, PromptLock, lock_path, read_lock, write_lock
from wai_ops.prompts.names import check_label, check_prompt_name, label_base
from wai_ops.prompts.promotion import Rules, canary_of
from wai_ops.prompts.reference import Kind, Resolved, parse_reference, resolve
from wai_ops.prompts.store import locked

Change = Callable[[PromptLock], PromptLock]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseChange:
    """What became of a label, or would."""

    name: str
    label: str
    version: int | None
    """What the label points to now; null: it was taken away."""
    previous: int | None
    canary_version: int | None
    canary_percent: int | None
    approved_by: str | None
    """Who approved this change; null where nobody has to."""
    is_changed: bool
    """False: it was like that already."""
    is_dry_run: bool
    """True: nothing was written."""

    def to_text(self) -> str:
        """One line about it."""
        head = f"{self.name}: {self.label}"
        if self.version is None:
            line = f"{head} taken away (was {self.previous})"
        elif self.version != self.previous:
            line = f"{head} {_number(self.previous)} -> {self.version}"
        else:
            line = f"{head} is version {self.version}"
        if self.canary_version is not None:
            line += f", canary {self.canary_version} for {self.canary_percent}%"
        if self.approved_by is not None and self.is_changed:
            line += f", approved by {self.approved_by}"
        if not self.is_changed:
            line += ": nothing to change"
        return f"{line} (dry run)" if self.is_dry_run else line


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRow:
    """One label of a prompt."""

    label: str = col("Label")
    version: int = col("Version", Unit.COUNT)
    sha256: str = col("Hash")
    released_at: datetime | None = col("Since", Unit.TIME)
    author: str | None = col("By")
    approved_by: str | None = col("Approved by")
    canary_version: int | None = col("Canary", Unit.COUNT)
    canary_percent: int | None = col("Canary %", Unit.COUNT)


def change_label(
    folder: Path, name: str, label: str, change: Change, clock: Clock, *, is_dry_run: bool
) -> ReleaseChange:
    """Apply a change to the prompt's block of the lock, while nobody else may write it.

    Raises what `change` raises; then nothing is written.
    """
    check_prompt_name(name)
    check_label(label)
    if not folder.is_dir():
        raise UsageError("there is no folder prompts/ here", where=str(folder))
    path = lock_path(folder)
    if is_dry_run:
        before = read_lock(path).get(name)
        return _changed(before, change(before), label, is_dry_run=True)
    with locked(folder, clock):
        lock = read_lock(path)
        before = lock.get(name)
        after = change(before)
        if after != before:
            write_lock(path, lock.with_prompt(after))
    return _changed(before, after, label, is_dry_run=False)


def frozen_number(lock: Lock, folder: Path, name: str, version: str) -> int:
    """The number of `3`, `sha256:…` or another label, its file proved to be whole.

    Raises PromptError when there is no such version, UsageError for what is not frozen, and
    DataError for a file that is not what was frozen.
    """
    reference = parse_reference(f"{check_prompt_name(name)}@{version}")
    if reference.kind in (Kind.WORK, Kind.BARE):
        raise UsageError(
            "only a frozen version gets a label",
            hint=f"freeze it first: wai prompts freeze {name} -m WHY",
        )
    resolved: Resolved = resolve(lock, folder, reference)
    assert resolved.frozen is not None
    return resolved.frozen.version


def list_labels(lock: Lock, name: str, rules: Rules) -> Table[LabelRow]:
    """The labels of a prompt, with who released them and the canaries on them."""
    prompt = lock.get(check_prompt_name(name))
    notes = [
        f"{label} is protected: {', '.join(owners)} may approve a version for it"
        for label, owners in sorted(rules.protected.items())
        if any(label_base(item) == label for item in prompt.labels)
    ]
    rows = [_row(prompt, label) for label in sorted(prompt.labels)]
    return Table(row_type=LabelRow, rows=rows, title=f"Labels of {name}", notes=tuple(notes))


def _row(prompt: PromptLock, label: str) -> LabelRow:
    version = prompt.labels[label]
    frozen, canary = prompt.version(version), canary_of(prompt, label)
    releases = [item for item in prompt.releases if item.label == label]
    last = releases[-1] if releases and releases[-1].version == version else None
    return LabelRow(
        label=label,
        version=version,
        sha256=frozen.sha256[:12] if frozen else "",
        released_at=last.released_at if last else None,
        author=last.author if last else None,
        approved_by=last.approved_by if last else None,
        canary_version=canary.version if canary else None,
        canary_percent=canary.percent if canary else None,
    )


def _changed(
    before: PromptLock, after: PromptLock, label: str, *, is_dry_run: bool
) -> ReleaseChange:
    canary = canary_of(after, label)
    approver = None
    if len(after.releases) > len(before.releases):
        approver = after.releases[-1].approved_by
    elif len(after.approvals) > len(before.approvals):
        approver = after.approvals[-1].approved_by
    return ReleaseChange(
        name=before.name,
        label=label,
        version=after.labels.get(label),
        previous=before.labels.get(label),
        canary_version=canary.version if canary else None,
        canary_percent=canary.percent if canary else None,
        approved_by=approver,
        is_changed=after != before,
        is_dry_run=is_dry_run,
    )


def _number(version: int | None) -> str:
    return "nothing" if version is None else str(version)
