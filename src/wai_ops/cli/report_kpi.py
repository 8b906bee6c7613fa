"""`wai report kpi`."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wai_ops.cli.report_app import app
from wai_ops.cli.report_options import NarrowGrouping, ReportCall, report_command

if TYPE_CHECKING:
    from wai_ops.core.table import Table
    from wai_ops.observe.ledger.store import Store
    from wai_ops.observe.reports.slice import Slice


@app.command()
@report_command
def kpi(
    call: ReportCall,
    by: Annotated[
        NarrowGrouping | None, typer.Option("--by", help="All three numbers for each of these.")
    ] = None,
) -> None:
    """Show cost per resolved workflow, cached-input ratio, and output-token p95 by tool family.

    Each with its target of wai.yaml, its trend and what it stands on. Without --since it looks at
    the period slo.window of wai.yaml.

    \b
    Examples:
      wai report kpi
      wai report kpi --since 7d --where tenant=acme
      wai report kpi --since 30d --by tenant
      wai report kpi --since 7d --fail-on "any(resolved_cost_usd > 0.50)"
    """
    context = call.context

    def build(store: "Store", part: "Slice") -> "Table[Any]":
        from wai_ops.observe.reports.kpi import kpi_report
        from wai_ops.observe.reports.slice import Dimension

        grouping = None if by is None else Dimension(by.value)
        return kpi_report(store, part, context.settings, context.clock.now(), grouping)

    is_open = call.since is None and call.until is None
    replace(call, since=context.settings.slo.window if is_open else call.since).run(build)
