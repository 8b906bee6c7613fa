"""`wai route`: the commands on routing. The imports stand in the order of its help."""
# isort: skip_file

from wai_ops.cli import route_explain, route_backtest
from wai_ops.cli.route_app import app

__all__ = ["app", "route_backtest", "route_explain"]
