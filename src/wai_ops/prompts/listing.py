"""`wai prompts list` and `log`: what there is, and what happened to one prompt."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from wai_ops.core.errors import WaiError
from wai_ops.core.table import Table, Unit, col
from wai_ops.core.text import one_line
from wai_ops.prompts.lockfile import Lock, PromptLock, lock_path, read_lock
from wai_ops.prompts.names import check_prompt_name
from wai_ops.prompts.source import load_source
from wai_ops.prompts.store import list_names, no_such_prompt
from wai_ops.prompts.version import digest


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptRow:
    """One prompt. `newest` is its last frozen version; empty when there is none."""

    prompt: str = col("Prompt")
    newest: int | None = col("Newest", Unit.COUNT)
    labels: str = col("Labels")
    """`production 3, staging 4`, with `canary 10% 4` behind a label that has one."""
    work: str = col("Working tree")
    """`version N`, `changed`, `not frozen`, `no file`, or `broken`."""
    model: str | None = col("Model or route")
    """Of the working tree; null where it cannot be loaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRow:
    """One thing that happened to a prompt."""

    happened_at: datetime = col("At", Unit.TIME)
    event: str = col("Event")
    """`frozen`, `released`, `withdrawn`, `approved`, `canary`."""
    version: int | None = col("Version", Unit.COUNT)
    label: str | None = col("Label")
    author: str = col("By")
    message: str = col("Message")
    sha256: str | None = col("SHA-256")


def list_prompts(folder: Path) -> Table[PromptRow]:
    """Every prompt of the lock and of the working tree, sorted by name."""
    lock = read_lock(lock_path(folder))
    files = set(list_names(folder))
    rows = [_row(folder, lock, name, name in files) for name in sorted(files | set(lock.prompts))]
    notes: tuple[str, ...] = ()
    if not rows:
        notes = (f"no prompts in {folder}: wai init writes a first one",)
    return Table(row_type=PromptRow, rows=rows, title="Prompts", notes=notes)


def log_prompt(folder: Path, name: str) -> Table[LogRow]:
    """What the lock knows about a prompt, the newest first. Raises PromptError for an unknown."""
    lock = read_lock(lock_path(folder))
    known = lock.get(check_prompt_name(name))
    if not known.versions and name not in list_names(folder):
        raise no_such_prompt(folder, name, {*list_names(folder), *lock.prompts})
    rows = sorted(_events(known), key=lambda row: row.happened_at)[::-1]
    notes = () if rows else (f"nothing is frozen: wai prompts freeze {name} -m WHY",)
    return Table(row_type=LogRow, rows=rows, title=f"Log of {name}", notes=notes)


def labels_text(known: PromptLock) -> str:
    """The labels of a prompt in one line."""
    shares = {item.label: f" (canary {item.percent}% {item.version})" for item in known.canaries}
    return ", ".join(
        f"{label} {number}{shares.get(label, '')}" for label, number in sorted(known.labels.items())
    )


def _row(folder: Path, lock: Lock, name: str, has_file: bool) -> PromptRow:
    known = lock.get(name)
    work, model = _work(folder, known, name) if has_file else ("no file", None)
    return PromptRow(
        prompt=one_line(name),
        newest=known.newest.version if known.newest else None,
        labels=labels_text(known),
        work=work,
        model=model,
    )


def _work(folder: Path, known: PromptLock, name: str) -> tuple[str, str | None]:
    try:
        source = load_source(folder, name)
    except WaiError:
        return "broken", None
    model = source.front.model or source.front.route
    found = known.by_sha256(digest(source))
    if found:
        return f"version {found[0].version}", model
    return ("changed" if known.versions else "not frozen"), model


def _events(known: PromptLock) -> Iterator[LogRow]:
    hashes = {item.version: item.sha256 for item in known.versions}
    # In the order in which they happen: it decides between those of one second.
    for item in known.versions:
        yield LogRow(
            happened_at=item.frozen_at,
            event="frozen",
            version=item.version,
            label=None,
            author=item.author,
            message=item.message,
            sha256=item.sha256,
        )
    for approval in known.approvals:
        yield LogRow(
            happened_at=approval.approved_at,
            event="approved",
            version=approval.version,
            label=approval.label,
            author=approval.approved_by,
            message="",
            sha256=hashes.get(approval.version),
        )
    for canary in known.canaries:
        yield LogRow(
            happened_at=canary.started_at,
            event="canary",
            version=canary.version,
            label=canary.label,
            author=canary.author,
            message=f"{canary.percent}% of the conversations",
            sha256=hashes.get(canary.version),
        )
    for release in known.releases:
        number = release.version
        yield LogRow(
            happened_at=release.released_at,
            event="withdrawn" if number is None else "released",
            version=number,
            label=release.label,
            author=release.author,
            message=release.message,
            sha256=None if number is None else hashes.get(number),
        )
