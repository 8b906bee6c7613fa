"""Findings for people: a line of place, level and rule, and below it what is wrong and what to do.

A list and no table: places and sentences do not share 80 columns.
"""

import textwrap
from collections.abc import Mapping, Sequence

from wai_ops.core.findings import Finding, Rule, count_levels
from wai_ops.core.table import Verdict
from wai_ops.core.text import one_line

_INDENT = "    "
_NARROWEST = 40


def to_text(
    findings: Sequence[Finding],
    *,
    rules: Mapping[str, Rule],
    verdict: Verdict,
    width: int | None,
    counted: str = "",
) -> str:
    """Return the list and a last line with the verdict. `width` None: nothing is wrapped.

    `counted` says how much was looked at: `12 prompts`.
    """
    lines: list[str] = []
    said: set[tuple[str, str]] = set()
    for finding in findings:
        rule = rules.get(finding.rule)
        name = f" {rule.name}" if rule else ""
        head = f"{one_line(finding.place) or '(no file)'}: {finding.level.value} {finding.rule}"
        lines.append(head + name)
        lines += _wrapped(finding.message, width, "")
        # What to do is said once a rule: the tenth time it would hide the findings.
        if finding.hint and (finding.rule, finding.hint) not in said:
            said.add((finding.rule, finding.hint))
            lines += _wrapped(finding.hint, width, "fix: ")
        lines.append("")
    seen = f" ({counted})" if counted else ""
    lines.append(f"{verdict.value}: {count_levels(findings)}{seen}")
    return "".join(f"{line}\n" for line in lines)


def rules_to_text(rules: Sequence[Rule], *, width: int | None) -> str:
    """Return every rule with its level, why it matters and what to do."""
    blocks = []
    for rule in rules:
        fixable = ", --fix" if rule.is_fixable else ""
        lines = [f"{rule.id} {rule.name} ({rule.level.value}{fixable})"]
        lines += _wrapped(rule.why, width, "")
        lines += _wrapped(rule.fix, width, "fix: ")
        blocks.append("".join(f"{line}\n" for line in lines))
    return "\n".join(blocks)


def _wrapped(text: str, width: int | None, begin: str) -> list[str]:
    line = begin + one_line(text, 1000)
    if width is None:
        return [_INDENT + line]
    return textwrap.wrap(
        line,
        max(width, _NARROWEST),
        initial_indent=_INDENT,
        subsequent_indent=_INDENT + " " * len(begin),
        break_on_hyphens=False,
    )
