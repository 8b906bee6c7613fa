"""The group `wai report`: commands register on `app` when `cli/report.py` imports them."""

from wai_ops.cli.app import new_app

app = new_app("Answer questions from the ledger.")


@app.callback()
def report() -> None:
    """Answer questions from the ledger."""
