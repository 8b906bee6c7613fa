"""The shape of the `lint` sections in `wai.yaml`: what the rules of a review come to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from wai_ops.config import rules
from wai_ops.core.findings import Level


class LintLevel(StrEnum):
    """What a rule of a review comes to in this project."""

    IGNORE = "ignore"
    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class LintSettings:
    """What `wai prompts lint` looks for."""

    levels: Mapping[Annotated[str, rules.LINT_RULE], LintLevel] = field(default_factory=dict)
    """Rule -> another level than its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyLintSettings:
    """What `wai policy lint` looks for."""

    levels: Mapping[Annotated[str, rules.POLICY_RULE], LintLevel] = field(default_factory=dict)
    """Rule -> another level than its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetLintSettings:
    """What `wai budget lint` looks for."""

    levels: Mapping[Annotated[str, rules.BUDGET_RULE], LintLevel] = field(default_factory=dict)
    """Rule -> another level than its own."""


def to_levels(levels: Mapping[str, LintLevel]) -> dict[str, Level | None]:
    """The levels as reviews know them; None: the rule is left out."""
    return {
        rule: None if level is LintLevel.IGNORE else Level(level.value)
        for rule, level in levels.items()
    }
