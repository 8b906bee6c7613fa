"""`wai chat`."""

from wai_ops.cli.app import new_app

app = new_app("Talk in a conversation that is kept, with tools under policy.")


@app.callback()
def chat() -> None:
    """Talk in a conversation that is kept, with tools under policy."""
