"""`wai report slo`."""

from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wai_ops.cli.report_app import app
from wai_ops.cli.report_options import ByOption, Grouping, ReportCall, report_command

if TYPE_CHECKING:
    from wai_ops.core.table import Table
    from wai_ops.observe.ledger.store import Store
    from wai_ops.observe.reports.slice import Slice


class TtftClock(StrEnum):
    """The values of `observe.reports.slo.TtftSource`, without importing it."""

    CLIENT = "client"
    GATEWAY = "gateway"


@app.command()
@report_command
def slo(
    call: ReportCall,
    by: ByOption = Grouping.WORKFLOW,
    check: Annotated[
        bool, typer.Option("--check", help="Exit 1 when a row misses a target of wai.yaml.")
    ] = False,
    ttft_source: Annotated[
        TtftClock,
        typer.Option("--ttft-source", help="gateway: an undocumented field of its log."),
    ] = TtftClock.CLIENT,
) -> None:
    """Show latency, completion and cost against the targets, with error budget and burn rate.

    Without --since it looks at the period slo.window of wai.yaml.

    \b
    Examples:
      wai report slo
      wai report slo --check --since 7d
      wai report slo --by model --compare previous --since 24h
      wai report slo --fail-on "any(ttft_p95_ms > 2000)"
    """
    settings = call.context.settings.slo

    def build(store: "Store", part: "Slice") -> "Table[Any]":
        from wai_ops.observe.reports.slice import Dimension
        from wai_ops.observe.reports.slo import SloRequest, TtftSource, slo_report

        asked = SloRequest(
            settings=settings,
            now=call.context.clock.now(),
            by=Dimension(by.value),
            ttft_source=TtftSource(ttft_source.value),
            is_checked=check,
        )
        return slo_report(store, part, asked)

    since = settings.window if call.since is None and call.until is None else call.since
    replace(call, since=since).run(build)
