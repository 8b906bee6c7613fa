"""Lines on stderr while the ledger is waited for or worked on."""

from wai_ops.cli import diagnostics
from wai_ops.observe.ledger.progress import Step, describe


def watch(step: Step, *, rows: int = 0, detail: str = "") -> None:
    """Say who is being waited for, and how far long work has come."""
    if text := describe(step, rows=rows, detail=detail):
        diagnostics.message(text)
