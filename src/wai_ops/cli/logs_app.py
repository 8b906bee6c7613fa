"""The group `wai logs`. Its commands register themselves when `cli/logs.py` imports them."""

from wai_ops.cli.app import new_app

app = new_app("Pull, import, check and export gateway logs.")


@app.callback()
def logs() -> None:
    """Pull, import, check and export gateway logs."""
