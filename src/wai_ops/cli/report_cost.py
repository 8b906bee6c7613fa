"""`wai report cost`."""

from typing import TYPE_CHECKING, Any

from wai_ops.cli.report_app import app
from wai_ops.cli.report_options import ByOption, Grouping, ReportCall, report_command

if TYPE_CHECKING:
    from wai_ops.core.table import Table
    from wai_ops.observe.ledger.store import Store
    from wai_ops.observe.reports.slice import Slice


@app.command()
@report_command
def cost(call: ReportCall, by: ByOption = Grouping.WORKFLOW) -> None:
    """Show what calls cost, dearest first: metered, confirmed, estimated and unknown apart.

    \b
    Examples:
      wai report cost
      wai report cost --by tenant --since 7d --compare previous
      wai report cost --by day --since 2026-01-01 --output january.csv
      wai report cost --where workflow=triage --fail-on "cost_usd > 10"
    """

    def build(store: "Store", part: "Slice") -> "Table[Any]":
        from wai_ops.observe.reports.cost import cost_report
        from wai_ops.observe.reports.slice import Dimension

        return cost_report(store, part, Dimension(by.value))

    call.run(build)
