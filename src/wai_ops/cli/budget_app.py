"""The group `wai budget`. Its commands register themselves when `cli/budget.py` imports them."""

from wai_ops.cli.app import new_app

app = new_app("Plan, push and prove budgets as guards of the gateway.")


@app.callback()
def budget() -> None:
    """Plan, push and prove budgets as guards of the gateway."""
