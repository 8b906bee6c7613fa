"""Looking at all policies of a project: every rule, what is ignored left out."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from wai_ops.control.policy.files import SUFFIX, TESTS
from wai_ops.control.policy.lint.look import Look, Surroundings, found
from wai_ops.control.policy.lint.registry import BY_ID, CHECKS, RULES, UNREADABLE
from wai_ops.control.policy.loading import folder_label
from wai_ops.control.policy.registry import load_registry
from wai_ops.control.policy.tabled import load_tests
from wai_ops.core.errors import UsageError
from wai_ops.core.findings import Finding, Level, in_order, verdict_of
from wai_ops.core.table import Table, Verdict, col
from wai_ops.core.text import one_line

_PLACED = re.compile(r"(?P<file>[^:]+):(?P<line>\d+):(?P<column>\d+): (?P<text>.*)\Z")
_BARE = re.compile(r"(?P<file>[^:]+): (?P<text>.*)\Z")
_DEEPEST = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class LintReport:
    """The findings in the policies of a project."""

    verdict: Verdict
    policy_count: int
    workflow_count: int
    ignored_count: int
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleRow:
    """One rule."""

    id: str = col("Rule")
    name: str = col("Name")
    level: Level = col("Level")
    why: str = col("Why")
    fix: str = col("What to do")


def rules_table() -> Table[RuleRow]:
    """All rules in the order of their ids."""
    rows = [
        RuleRow(id=rule.id, name=rule.name, level=rule.level, why=rule.why, fix=rule.fix)
        for rule in RULES
    ]
    return Table(row_type=RuleRow, title="Rules of wai policy lint", rows=rows)


def lint_policies(
    folder: Path,
    root: Path,
    around: Surroundings,
    *,
    levels: Mapping[str, Level | None],
    is_strict: bool,
) -> LintReport:
    """Look at all policies. `levels`: rule -> another level than its own; None leaves it out.

    Raises UsageError when a level is given to a rule that there is not.
    """
    for rule in levels:
        if rule not in BY_ID:
            raise UsageError(
                f"policy.lint.levels: there is no rule {rule}", hint="see: wai policy lint --rules"
            )
    policy_count = workflow_count = 0
    try:
        registry = load_registry(folder, root)
        label = folder_label(folder, root)
        look = Look(
            registry=registry,
            label=label,
            tests=load_tests(folder, label),
            around=around,
            unread=tuple(sorted(_unread(folder, label))),
        )
    except UsageError as error:
        findings = list(_unreadable(error))
    else:
        policy_count, workflow_count = len(registry.policies), len(registry.workflows)
        findings = [item for check in CHECKS for item in check(look)]
    kept = [
        replace(item, level=level)
        for item in dict.fromkeys(findings)
        if (level := levels.get(item.rule, item.level)) is not None
    ]
    return LintReport(
        verdict=verdict_of(kept, is_strict=is_strict),
        policy_count=policy_count,
        workflow_count=workflow_count,
        ignored_count=len(set(findings)) - len(kept),
        findings=tuple(in_order(kept)),
    )


def _unreadable(error: UsageError) -> Iterator[Finding]:
    """A finding for every line of an error that lists the problems of files."""
    for line in error.message.splitlines():
        match = _PLACED.match(line) or _BARE.match(line)
        if match is None or error.where:
            yield found(UNREADABLE, error.where or "", line)
            continue
        place = match.groupdict()
        yield Finding(
            rule=UNREADABLE.id,
            level=UNREADABLE.level,
            message=place["text"],
            file=place["file"],
            line=int(place.get("line") or 0),
            column=int(place.get("column") or 0),
            hint=UNREADABLE.fix,
        )


def _unread(folder: Path, label: str, depth: int = 0) -> Iterator[str]:
    """YAML files in folders below, but for the table tests."""
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.name.startswith(".") or (depth == 0 and entry.name == TESTS):
                continue
            where = f"{label}/{one_line(entry.name, 200)}"
            if entry.is_dir(follow_symlinks=False):
                if depth < _DEEPEST:
                    yield from _unread(Path(entry.path), where, depth + 1)
            elif depth > 0 and entry.name.endswith((SUFFIX, ".yml")):
                yield where
