"""`wai policy`: the commands on policies. The imports stand in the order of its help."""
# isort: skip_file

from wai_ops.cli import (
    policy_init,
    policy_show,
    policy_explain,
    policy_check_url,
    policy_test,
    policy_lint,
    policy_diff,
    policy_backtest,
)
from wai_ops.cli.policy_app import app

__all__ = [
    "app",
    "policy_backtest",
    "policy_check_url",
    "policy_diff",
    "policy_explain",
    "policy_init",
    "policy_lint",
    "policy_show",
    "policy_test",
]
