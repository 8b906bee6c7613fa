"""What was asked of the report on prompts, checked, and the table that answers it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from wai_ops.core.errors import UsageError
from wai_ops.core.table import Table, Verdict
from wai_ops.core.text import one_line
from wai_ops.core.window import parse_instant
from wai_ops.observe.ledger.store import Store
from wai_ops.observe.reports.prompt_facts import Facts, PromptFacts
from wai_ops.observe.reports.prompts import PromptNumbers, prompts_report
from wai_ops.observe.reports.query import query_slice
from wai_ops.observe.reports.release import (
    Compared,
    advice_text,
    compare_versions,
    release_notes,
    release_report,
)
from wai_ops.observe.reports.release_advice import FEWEST, Advice
from wai_ops.observe.reports.release_pair import (
    Design,
    Pair,
    one_after_the_other,
    pair_of_label,
    pair_of_versions,
)
from wai_ops.observe.reports.slice import Dimension, Slice

_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The options of the command that are its own."""

    prompt: str | None
    by: str | None
    promotion: str | None
    versions: tuple[str, str] | None
    is_checked: bool
    is_compared: bool
    """With an earlier period or a baseline."""
    now: datetime

    @property
    def is_release(self) -> bool:
        """Whether two versions are asked for, and not a table of all."""
        return self.promotion is not None or self.versions is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """A row of `release_seen.sql`."""

    version: str
    first_at: datetime
    last_at: datetime


def check_wanted(wanted: Wanted) -> None:
    """Raise UsageError for options that do not go together."""
    if wanted.prompt is not None and "@" in wanted.prompt:
        raise UsageError(
            f"--prompt {one_line(wanted.prompt, 80)!r} names a version",
            hint="give the prompt's name alone; for one version: --where prompt=NAME@VERSION",
        )
    if wanted.promotion is not None and wanted.versions is not None:
        raise UsageError("--promotion and --versions ask for two comparisons", hint="give one")
    if wanted.prompt is None and (wanted.is_release or wanted.is_checked):
        option = "--check" if not wanted.is_release else "a comparison"
        raise UsageError(f"{option} needs to know which prompt", hint="add --prompt NAME")
    if wanted.is_release and (wanted.by is not None or wanted.is_compared):
        raise UsageError(
            "--by and --compare do not go with --promotion or --versions",
            hint="narrow the comparison with --where instead",
        )
    if wanted.promotion is not None:
        _label_and_time(wanted)


def build_report(store: Store, part: Slice, wanted: Wanted, facts: Facts) -> Table[Any]:
    """The table of versions, or the comparison of two. Raises DataError, UsageError."""
    prompt = wanted.prompt
    if prompt is not None and wanted.is_release:
        compared = _asked(store, part, prompt, wanted, facts)
        return release_report(store, prompt, compared, is_checked=wanted.is_checked)
    by = None if wanted.by is None else Dimension(wanted.by)
    table = prompts_report(store, part, by, prompt=prompt, facts=facts)
    if prompt is None:
        seen = {str(getattr(row, "prompt")).rpartition("@")[0] for row in table.rows}  # noqa: B009
        known = {name: item for name, item in facts.items() if name in seen}
        return replace(table, notes=(*table.notes, *_pointers(part, wanted, known)))
    return _advised(store, part, table, wanted, facts)


def _asked(store: Store, part: Slice, prompt: str, wanted: Wanted, facts: Facts) -> Compared:
    if wanted.versions is None:
        label, at = _label_and_time(wanted)
        known = facts.get(prompt, PromptFacts())
        pair = pair_of_label(prompt, known, label, at, window=part.window, now=wanted.now)
        return compare_versions(store, part, prompt, pair)
    old, new = wanted.versions
    rows = query_slice(store, _Seen, "release_seen", part, prompt=prompt, old=old, new=new)
    seen = {row.version: (row.first_at, row.last_at) for row in rows}
    pair = pair_of_versions(old, new, seen, window=part.window)
    compared = compare_versions(store, part, prompt, pair)
    fewest = min(compared.old.unit_count, compared.new.unit_count)
    if pair.design is Design.SIDE_BY_SIDE and fewest < FEWEST:
        whole = one_after_the_other(old, new, part.window)
        return compare_versions(store, part, prompt, whole)
    return compared


def _label_and_time(wanted: Wanted) -> tuple[str, datetime | None]:
    label, sign, time = (wanted.promotion or "").partition("@")
    if not label:
        raise UsageError("--promotion names no label", hint="such as --promotion production")
    if not sign:
        return label, None
    return label, parse_instant(time, now=wanted.now, flag="--promotion")


def _advised(
    store: Store, part: Slice, table: Table[PromptNumbers], wanted: Wanted, facts: Facts
) -> Table[PromptNumbers]:
    """The table of versions with the advice on what was released last, if anything was."""
    prompt = wanted.prompt or ""
    pair = _newest(prompt, part, wanted, facts)
    if pair is None:
        why = "it was never promoted from one version to another"
        text = f"no advice on {one_line(prompt, 80)}: {why}; see: --versions OLD NEW"
        verdict = Verdict.WARN if wanted.is_checked else None
        return replace(table, notes=(*table.notes, text), verdict=verdict)
    compared = compare_versions(store, part, prompt, pair)
    verdict = None
    if wanted.is_checked:
        verdicts = {Advice.ROLL_BACK: Verdict.FAIL, Advice.KEEP: Verdict.PASS}
        verdict = verdicts.get(compared.decision.advice, Verdict.WARN)
    notes = (advice_text(prompt, compared), *release_notes(compared), *table.notes)
    return replace(table, notes=notes, verdict=verdict)


def _newest(prompt: str, part: Slice, wanted: Wanted, facts: Facts) -> Pair | None:
    known = facts.get(prompt)
    if known is None:
        return None
    try:
        return pair_of_label(prompt, known, None, None, window=part.window, now=wanted.now)
    except UsageError:
        return None


def _pointers(part: Slice, wanted: Wanted, facts: Facts) -> Iterator[str]:
    """Name the prompts that were promoted within the window: their advice is one option away."""
    since, until = part.window.since, part.window.until or wanted.now
    released = sorted(
        (
            (item.released_at, name)
            for name, known in facts.items()
            for item in known.releases
            if item.version is not None
            and item.previous is not None
            and (since is None or item.released_at >= since)
            and item.released_at < until
        ),
        reverse=True,
    )
    names = list(dict.fromkeys(name for _, name in released))
    if names:
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        shown = ", ".join(one_line(name, 80) for name in names[:_SHOWN])
        yield f"promoted in this time: {shown}{more}; advice: wai report prompts --prompt NAME"
