"""`wai report audit-cost`."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wai_ops.cli.report_app import app
from wai_ops.cli.report_options import ReportCall, report_command

if TYPE_CHECKING:
    from wai_ops.core.table import Table
    from wai_ops.observe.ledger.store import Store
    from wai_ops.observe.reports.slice import Slice


class AuditBy(StrEnum):
    """The values of `observe.reports.audit_cost.AuditGrouping`, without importing it."""

    MODEL = "model"
    CACHED = "cached"
    DAY = "day"
    WORKFLOW = "workflow"
    TENANT = "tenant"
    PROMPT = "prompt"
    GATEWAY = "gateway"
    PROVIDER = "provider"
    ROUTE = "route"


@app.command("audit-cost")
@report_command
def audit_cost(
    call: ReportCall,
    by: Annotated[
        AuditBy, typer.Option("--by", help="What one row stands for; cached: bands of its share.")
    ] = AuditBy.MODEL,
    fail_above: Annotated[
        str | None,
        typer.Option("--fail-above", metavar="SHARE", help="Exit 1 above this drift, such as 2%."),
    ] = None,
) -> None:
    """Hold the gateway's cost of each call against ours, from its usage and the prices of its day.

    The cost in the gateway's log is known to be wrong on prompt-cache hits: --by cached shows it.

    \b
    Examples:
      wai report audit-cost --since 30d
      wai report audit-cost --by cached
      wai report audit-cost --since 24h --fail-above 2%
    """
    from wai_ops.observe.reports.audit_cost import AuditGrouping, audit_report, parse_share

    limit = None if fail_above is None else parse_share(fail_above)

    def build(store: "Store", part: "Slice") -> "Table[Any]":
        return audit_report(store, part, AuditGrouping(by.value), fail_above=limit)

    call.run(build)
