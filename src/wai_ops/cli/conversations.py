"""`wai conversations`."""

from wai_ops.cli.app import new_app

app = new_app("List, show, fork, export and delete conversations.")


@app.callback()
def conversations() -> None:
    """List, show, fork, export and delete conversations."""
