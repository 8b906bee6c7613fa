"""Looking at all budgets: every rule, what is ignored left out, and what could not be looked at."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from wai_ops.control.budgets.lint.look import Look
from wai_ops.control.budgets.lint.registry import BY_ID, CHECKS, RULES
from wai_ops.core.errors import UsageError
from wai_ops.core.findings import Finding, Level, in_order, verdict_of
from wai_ops.core.table import Table, Verdict, col


@dataclass(frozen=True, slots=True, kw_only=True)
class NotEvaluated:
    """Rules that could not be asked, or not fully: they are no clean bill."""

    rules: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LintReport:
    """The findings about the budgets of a project."""

    verdict: Verdict
    budget_count: int
    call_count: int | None
    """Recorded calls that were looked at. None: there is no ledger, or no call in it."""
    ignored_count: int
    not_evaluated: tuple[NotEvaluated, ...]
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
    return Table(row_type=RuleRow, title="Rules of wai budget lint", rows=rows)


def lint_budgets(look: Look, *, levels: Mapping[str, Level | None], is_strict: bool) -> LintReport:
    """Ask every rule. `levels`: rule -> another level than its own; None leaves it out.

    Raises UsageError when a level is given to a rule that there is not.
    """
    for rule in levels:
        if rule not in BY_ID:
            raise UsageError(
                f"guards.lint.levels: there is no rule {rule}", hint="see: wai budget lint --rules"
            )
    findings = list(dict.fromkeys(item for check in CHECKS for item in check(look)))
    kept = [
        replace(item, level=level)
        for item in findings
        if (level := levels.get(item.rule, item.level)) is not None
    ]
    return LintReport(
        verdict=verdict_of(kept, is_strict=is_strict),
        budget_count=len(look.budgets),
        call_count=sum(row.call_count for row in look.traffic) if look.traffic else None,
        ignored_count=len(findings) - len(kept),
        not_evaluated=tuple(_not_evaluated(look)),
        findings=tuple(in_order(kept)),
    )


def _not_evaluated(look: Look) -> list[NotEvaluated]:
    gone = []
    if not look.traffic:
        why = "there are no recorded calls in the period: pull the gateway's log (wai logs pull)"
        gone.append(NotEvaluated(rules=("WB002", "WB003", "WB005", "WB019", "WB020"), why=why))
    if look.remote is None:
        why = "the gateway was not read: objects of others and its cache are not known (--remote)"
        gone.append(NotEvaluated(rules=("WB004", "WB007", "WB008"), why=why))
    if look.registry is None:
        gone.append(NotEvaluated(rules=("WB017",), why="the project has no policies"))
    unknown = sorted(look.budgets.keys() - look.worst_usd.keys())
    if unknown:
        why = f"what one request can cost at most is not known for {', '.join(unknown)}"
        gone.append(NotEvaluated(rules=("WB010",), why=why))
    return gone
