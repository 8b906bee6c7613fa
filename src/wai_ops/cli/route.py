"""`wai route`: the commands on routing, each registering itself on the group's app."""

from wai_ops.cli import route_explain
from wai_ops.cli.route_app import app

__all__ = ["app", "route_explain"]
