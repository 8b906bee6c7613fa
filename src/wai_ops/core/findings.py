"""What a check of files found: rules with stable ids, and findings with a place.

Shared by everything that reviews files (`wai prompts lint`, `verify`, `diff`); renderers turn
findings into a list for people, GitHub annotations or SARIF, and know nothing of who found them.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from wai_ops.core.table import Verdict


class Level(StrEnum):
    """How bad a finding is. Named as SARIF does; GitHub calls a note a notice."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One thing that is looked for. The id never changes and is never given to another rule."""

    id: str
    name: str
    """Words with dashes, as people say it: `volatile-prefix`."""
    level: Level
    why: str
    """What goes wrong when it is left as it is: one or two sentences."""
    fix: str
    """What to do about it: one or two sentences."""
    is_fixable: bool = False
    """Whether `--fix` can do it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One place where a rule is broken."""

    rule: str
    """The id of the rule."""
    level: Level
    message: str
    file: str = ""
    """Relative to the folder of `wai.yaml`, parts separated by `/`. Empty: no single file."""
    line: int = 0
    """From 1; 0 means the file as a whole."""
    column: int = 0
    """In characters, from 1; 0 means the whole line."""
    end_line: int = 0
    """0: the same line."""
    end_column: int = 0
    """Just behind the last character; 0 means to the end of the line."""
    hint: str = ""
    key: str = ""
    """What tells this finding from others of its rule in its file when lines move; without one,
    the message does."""

    @property
    def text(self) -> str:
        """Message and hint as two sentences."""
        return f"{self.message.removesuffix('.')}. {self.hint}" if self.hint else self.message

    @property
    def place(self) -> str:
        """`file:line:column`, as much of it as is known."""
        parts = [self.file]
        if self.file and self.line:
            parts.append(str(self.line))
            if self.column:
                parts.append(str(self.column))
        return ":".join(parts)


def verdict_of(findings: Iterable[Finding], *, is_strict: bool = False) -> Verdict:
    """FAIL with an error (strict: or a warning), WARN with a warning, else PASS."""
    levels = {finding.level for finding in findings}
    if Level.ERROR in levels or (is_strict and Level.WARNING in levels):
        return Verdict.FAIL
    return Verdict.WARN if Level.WARNING in levels else Verdict.PASS


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Sort by file, place and rule, so that two runs print the same."""
    return sorted(
        findings,
        key=lambda item: (item.file, item.line, item.column, item.rule, item.key, item.message),
    )


def count_levels(findings: Sequence[Finding]) -> str:
    """Write how many of each level there are: `2 errors, 1 warning`; `nothing found`."""
    counts = Counter(finding.level for finding in findings)
    words = [
        f"{counts[level]:,} {level.value}{'s' if counts[level] > 1 else ''}"
        for level in Level
        if counts[level]
    ]
    return ", ".join(words) or "nothing found"
