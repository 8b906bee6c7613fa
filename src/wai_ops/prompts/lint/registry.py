"""All rules, in the order of their ids, and the checks that find them."""

from wai_ops.core.findings import Level, Rule
from wai_ops.prompts.lint import (
    duplicates,
    limits,
    mappings,
    secrets,
    short_prefix,
    variables,
    volatile,
    wording,
)
from wai_ops.prompts.lint.look import Check

UNREADABLE = Rule(
    id="WP001",
    name="unreadable",
    level=Level.ERROR,
    why="The prompt cannot be loaded or rendered at all.",
    fix="Correct what the message names; the other rules look at the prompt after that.",
)
UNKNOWN_RULE = Rule(
    id="WP019",
    name="unknown-rule",
    level=Level.WARNING,
    why="`lint.ignore` names a rule that there is not, so nothing is left out by it.",
    fix="Correct the id; wai prompts lint --rules lists all of them.",
)
RULES: tuple[Rule, ...] = tuple(
    sorted(
        (
            UNREADABLE,
            UNKNOWN_RULE,
            *volatile.RULES,
            *mappings.RULES,
            *wording.RULES,
            *short_prefix.RULES,
            *limits.RULES,
            *duplicates.RULES,
            *secrets.RULES,
            *variables.RULES,
        ),
        key=lambda rule: rule.id,
    )
)
BY_ID = {rule.id: rule for rule in RULES}
CHECKS: tuple[Check, ...] = (
    volatile.check_volatile,
    volatile.check_early,
    mappings.check_mappings,
    wording.check_wording,
    wording.check_schema,
    short_prefix.check_prefix,
    limits.check_tools,
    limits.check_limit,
    duplicates.check_duplicates,
    secrets.check_secrets,
    variables.check_variables,
)
