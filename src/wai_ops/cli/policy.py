"""`wai policy`."""

from wai_ops.cli.app import new_app

app = new_app("Check, test, explain and backtest policies.")


@app.callback()
def policy() -> None:
    """Check, test, explain and backtest policies."""
