"""`wai route`."""

from wai_ops.cli.app import new_app

app = new_app("Explain and backtest which model serves which risk.")


@app.callback()
def route() -> None:
    """Explain and backtest which model serves which risk."""
