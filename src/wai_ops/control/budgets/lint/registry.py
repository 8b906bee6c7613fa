"""All rules of `wai budget lint`, in the order of their ids, and the checks that find them."""

from wai_ops.control.budgets.lint import guard_rules, settings_rules, traffic_rules
from wai_ops.control.budgets.lint.look import Check
from wai_ops.core.findings import Rule

RULES: tuple[Rule, ...] = tuple(
    sorted(
        (*settings_rules.RULES, *guard_rules.RULES, *traffic_rules.RULES),
        key=lambda rule: rule.id,
    )
)
BY_ID = {rule.id: rule for rule in RULES}
CHECKS: tuple[Check, ...] = (
    settings_rules.check_settings,
    settings_rules.check_overlaps,
    guard_rules.check_guards,
    traffic_rules.check_traffic,
)
