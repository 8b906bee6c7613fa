"""The budgets of gateways across a restart."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from wai_ops.emulator.errors import ApiError
from wai_ops.emulator.gateway.budget_file import FILE_NAME, load_budgets, save_budgets
from wai_ops.emulator.gateway.budgets import Budgets, GatewayBudget
from wai_ops.emulator.gateway.labels import Labels
from wai_ops.emulator.gateway.policies.policy import parse_policy

NOW = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
LABELS = Labels(provider="workers-ai", model="@cf/a/b", metadata={"tenant": "t"})
RULES = {
    "enabled": True,
    "rules": [{"id": "r", "limit": 1, "limitType": "cost", "window": 3600, "technique": "fixed"}],
}
POLICY = parse_policy(
    {
        "name": "cap",
        "actor": "{metadata.tenant}",
        "resource": "*",
        "condition": "true",
        "action": {
            "type": "limit",
            "amount": 1,
            "period": "monthly",
            "technique": "named-interval",
        },
    }
)


def spend(budget: GatewayBudget, amount: str, *, with_policy: bool, with_rules: bool) -> None:
    admission = budget.admit(
        LABELS,
        rules=budget.rules(RULES) if with_rules else (),
        policies=[POLICY] if with_policy else (),
        passed=(),
        now=NOW,
        fail_open=False,
    )
    budget.settle(admission, Decimal(amount), NOW, delay_s=0)


@pytest.mark.parametrize(
    ("with_policy", "with_rules", "status"), [(True, False, 429), (False, True, 429)]
)
def test_what_was_spent_is_known_after_a_restart(
    tmp_path: Path, with_policy: bool, with_rules: bool, status: int
) -> None:
    before, after = Budgets(), Budgets()
    spend(before.of("g"), "2", with_policy=with_policy, with_rules=with_rules)
    save_budgets(tmp_path, before)
    load_budgets(tmp_path, after)
    with pytest.raises(ApiError) as refused:
        spend(after.of("g"), "0", with_policy=with_policy, with_rules=with_rules)
    assert refused.value.status == status
    spend(after.of("another"), "0", with_policy=with_policy, with_rules=with_rules)


@pytest.mark.parametrize("text", ["", "[]", '{"g": {}}', '{"g": {"limits": 3}}', "null"])
def test_a_file_that_makes_no_sense_is_passed_over(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE_NAME).write_text(text)
    budgets = Budgets()
    load_budgets(tmp_path, budgets)
    spend(budgets.of("g"), "1", with_policy=True, with_rules=True)
    save_budgets(tmp_path, budgets)
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600


def test_spend_limits_that_make_no_sense_limit_nothing() -> None:
    budget = GatewayBudget()
    assert budget.rules({"enabled": True, "rules": [{"limit": "much"}]}) == ()
    assert len(budget.rules(RULES)) == 1
