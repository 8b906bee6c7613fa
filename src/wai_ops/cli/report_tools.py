"""`wai report tools`."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wai_ops.cli.report_app import app
from wai_ops.cli.report_options import ReportCall, report_command

if TYPE_CHECKING:
    from wai_ops.core.table import Table
    from wai_ops.observe.ledger.store import Store
    from wai_ops.observe.reports.slice import Slice


class ToolsBy(StrEnum):
    """The values of `observe.reports.tools.ToolGrouping`, without importing it."""

    FAMILY = "family"
    TOOL = "tool"


@app.command()
@report_command
def tools(
    call: ReportCall,
    by: Annotated[ToolsBy, typer.Option("--by", help="What one row stands for.")] = ToolsBy.FAMILY,
) -> None:
    """Show tool calls by family: errors, latency, output tokens (p95), loops.

    Families are the beginnings of tools' names; group them under tools.families in wai.yaml.

    \b
    Examples:
      wai report tools --since 7d
      wai report tools --by tool --where workflow=support
      wai report tools --fail-on "any(loop_count > 0)"
    """
    settings = call.context.settings.tools

    def build(store: "Store", part: "Slice") -> "Table[Any]":
        from wai_ops.observe.reports.tools import ToolGrouping, tools_report

        return tools_report(store, part, ToolGrouping(by.value), settings)

    call.run(build)
