"""`wai envelope`."""

from wai_ops.cli.app import new_app

app = new_app("Show and reconcile money that is set aside.")


@app.callback()
def envelope() -> None:
    """Show and reconcile money that is set aside."""
