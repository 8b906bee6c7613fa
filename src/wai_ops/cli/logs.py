"""`wai logs`: the commands on a gateway's log, each registering itself on the group's app."""

from wai_ops.cli import logs_audit, logs_import, logs_pull
from wai_ops.cli.logs_app import app

__all__ = ["app", "logs_audit", "logs_import", "logs_pull"]
