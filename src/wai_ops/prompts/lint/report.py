"""What `wai prompts lint` says to machines, and its list of rules."""

from dataclasses import dataclass

from wai_ops.core.findings import Finding, Level, verdict_of
from wai_ops.core.table import Table, Unit, Verdict, col
from wai_ops.prompts.lint.fixing import Fix
from wai_ops.prompts.lint.registry import RULES
from wai_ops.prompts.lint.runner import Linted


@dataclass(frozen=True, slots=True, kw_only=True)
class LintReport:
    """The findings in the prompts that were looked at."""

    verdict: Verdict
    prompt_count: int
    ignored_count: int
    fixes: tuple[Fix, ...]
    findings: tuple[Finding, ...]


def report_of(linted: Linted, fixes: tuple[Fix, ...], *, is_strict: bool) -> LintReport:
    """Put together what was found and what was corrected before."""
    return LintReport(
        verdict=verdict_of(linted.findings, is_strict=is_strict),
        prompt_count=linted.prompt_count,
        ignored_count=linted.ignored_count,
        fixes=fixes,
        findings=linted.findings,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleRow:
    """One rule."""

    id: str = col("Rule")
    name: str = col("Name")
    level: Level = col("Level")
    is_fixable: bool = col("--fix", Unit.FLAG)
    why: str = col("Why")
    fix: str = col("What to do")


def rules_table() -> Table[RuleRow]:
    """All rules in the order of their ids."""
    return Table(
        row_type=RuleRow,
        title="Rules of wai prompts lint",
        rows=[
            RuleRow(
                id=rule.id,
                name=rule.name,
                level=rule.level,
                is_fixable=rule.is_fixable,
                why=rule.why,
                fix=rule.fix,
            )
            for rule in RULES
        ],
    )
