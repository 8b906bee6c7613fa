"""`wai report cache`."""

from typing import TYPE_CHECKING, Any

from wai_ops.cli.report_app import app
from wai_ops.cli.report_options import (
    NarrowByOption,
    NarrowGrouping,
    ReportCall,
    report_command,
)

if TYPE_CHECKING:
    from wai_ops.core.table import Table
    from wai_ops.observe.ledger.store import Store
    from wai_ops.observe.reports.slice import Slice


@app.command()
@report_command
def cache(call: ReportCall, by: NarrowByOption = NarrowGrouping.WORKFLOW) -> None:
    """Show the share of input from the prefix cache against its target; the gateway's cache apart.

    \b
    Examples:
      wai report cache --since 7d
      wai report cache --by model --where workflow=triage
      wai report cache --since 24h --fail-on "any(target_verdict == 'missed')"
    """
    settings = call.context.settings.cache

    def build(store: "Store", part: "Slice") -> "Table[Any]":
        from wai_ops.observe.reports.cache import CacheTargets, cache_report
        from wai_ops.observe.reports.slice import Dimension

        targets = CacheTargets(default=settings.target_ratio, workflows=settings.workflows)
        return cache_report(store, part, Dimension(by.value), targets)

    call.run(build)
