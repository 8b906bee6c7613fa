"""`wai report anomalies`."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wai_ops.cli.report_app import app
from wai_ops.cli.report_options import NarrowGrouping, ReportCall, report_command

if TYPE_CHECKING:
    from wai_ops.core.table import Table
    from wai_ops.observe.ledger.store import Store
    from wai_ops.observe.reports.slice import Slice


class AnomalyMeasure(StrEnum):
    """The values of `observe.reports.anomalies.Measure`, without importing it."""

    COST = "cost"
    TOKENS = "tokens"


@app.command()
@report_command
def anomalies(
    call: ReportCall,
    by: Annotated[
        NarrowGrouping | None,
        typer.Option("--by", help="Whose they are: how many and what they cost, for each."),
    ] = None,
    measure: Annotated[
        AnomalyMeasure, typer.Option("--measure", help="By what a conversation stands out.")
    ] = AnomalyMeasure.COST,
) -> None:
    """Show conversations above twice their tenant's p95 and above the p99 of all.

    Each with what it has more of than its tenant's median: turns, retries, tokens a call, and how
    much less of its input was cached.

    \b
    Examples:
      wai report anomalies --since 7d
      wai report anomalies --since 7d --by tenant
      wai report anomalies --measure tokens --where tenant=acme
      wai report anomalies --since 24h --fail-on "any(cost_usd > 5)"
    """

    def build(store: "Store", part: "Slice") -> "Table[Any]":
        from wai_ops.observe.reports.anomalies import Measure, anomaly_report
        from wai_ops.observe.reports.anomalies_by import anomalies_by
        from wai_ops.observe.reports.slice import Dimension

        if by is None:
            return anomaly_report(store, part, Measure(measure.value))
        return anomalies_by(store, part, Measure(measure.value), Dimension(by.value))

    call.run(build)
