"""All rules of `wai policy lint`, in the order of their ids, and the checks that find them."""

from wai_ops.control.policy.lint import reach, shadows, tools, workflows
from wai_ops.control.policy.lint.look import Check
from wai_ops.core.findings import Level, Rule

UNREADABLE = Rule(
    id="WG001",
    name="unreadable",
    level=Level.ERROR,
    why="The policies cannot be loaded, so every run of the project fails.",
    fix="Correct what the message names; the other rules look at the policies after that.",
)
RULES: tuple[Rule, ...] = tuple(
    sorted(
        (UNREADABLE, *shadows.RULES, *reach.RULES, *tools.RULES, *workflows.RULES),
        key=lambda rule: rule.id,
    )
)
BY_ID = {rule.id: rule for rule in RULES}
CHECKS: tuple[Check, ...] = (
    shadows.check_shadows,
    reach.check_hosts,
    tools.check_tools,
    workflows.check_workflows,
    workflows.check_project,
)
