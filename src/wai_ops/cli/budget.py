"""`wai budget`: the commands on budgets, each registering itself on the group's app."""

from wai_ops.cli import (
    budget_alerts,
    budget_backtest,
    budget_bound,
    budget_lint,
    budget_plan,
    budget_push,
    budget_reconcile,
    budget_status,
    budget_verify,
)
from wai_ops.cli.budget_app import app

__all__ = [
    "app",
    "budget_alerts",
    "budget_backtest",
    "budget_bound",
    "budget_lint",
    "budget_plan",
    "budget_push",
    "budget_reconcile",
    "budget_status",
    "budget_verify",
]
