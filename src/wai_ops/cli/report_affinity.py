"""`wai report affinity`."""

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
def affinity(call: ReportCall, by: NarrowByOption = NarrowGrouping.WORKFLOW) -> None:
    """Show what affinity brings: hits, causes of misses, time to first token, money.

    \b
    Examples:
      wai report affinity --since 7d
      wai report affinity --by model --compare previous --since 24h
      wai report affinity --fail-on "hit_ratio < 0.5"
    """

    def build(store: "Store", part: "Slice") -> "Table[Any]":
        from wai_ops.observe.reports.affinity import affinity_report
        from wai_ops.observe.reports.slice import Dimension

        return affinity_report(store, part, Dimension(by.value))

    call.run(build)
