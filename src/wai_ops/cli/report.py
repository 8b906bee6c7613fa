"""`wai report`: questions answered from the ledger. The imports stand in the order of its help."""

from wai_ops.cli import report_cost
from wai_ops.cli.report_app import app

__all__ = ["app", "report_cost"]
