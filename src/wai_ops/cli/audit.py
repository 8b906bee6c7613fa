"""`wai audit`."""

from wai_ops.cli.app import new_app

app = new_app("Verify, prove, anchor and reconstruct recorded decisions.")


@app.callback()
def audit() -> None:
    """Verify, prove, anchor and reconstruct recorded decisions."""
