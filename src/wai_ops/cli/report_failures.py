"""`wai report failures`."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wai_ops.cli.report_app import app
from wai_ops.cli.report_options import ReportCall, report_command

if TYPE_CHECKING:
    from wai_ops.core.table import Table
    from wai_ops.observe.ledger.store import Store
    from wai_ops.observe.reports.slice import Slice


class FailureGrouping(StrEnum):
    """What a class of failures can be split by."""

    WORKFLOW = "workflow"
    TENANT = "tenant"
    MODEL = "model"
    PROMPT = "prompt"
    ROUTE = "route"
    GATEWAY = "gateway"
    PROVIDER = "provider"
    SOURCE = "source"
    DAY = "day"


@app.command()
@report_command
def failures(
    call: ReportCall,
    by: Annotated[
        FailureGrouping | None, typer.Option("--by", help="Split each class of failures further.")
    ] = None,
    unknown: Annotated[
        bool, typer.Option("--unknown", help="Cluster what no rule knows by message shape.")
    ] = False,
) -> None:
    """Show why calls fail: each class with its rate, cost, trend, fault and newest message.

    \b
    Examples:
      wai report failures --since 24h
      wai report failures --by model --where workflow=triage
      wai report failures --unknown
      wai report failures --since 1h --fail-on "request_ratio > 0.05"
    """

    def build(store: "Store", part: "Slice") -> "Table[Any]":
        from wai_ops.observe.reports.failures import failures_report, unknown_report
        from wai_ops.observe.reports.slice import Dimension

        if unknown:
            return unknown_report(store, part)
        grouping = None if by is None else Dimension(by.value)
        return failures_report(store, part, grouping, now=call.context.clock.now())

    call.run(build)
