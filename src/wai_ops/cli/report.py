"""`wai report`: questions answered from the ledger."""

from enum import StrEnum
from typing import Annotated

import typer

from wai_ops.cli.app import new_app
from wai_ops.cli.options import FormatOption, JsonOption, SinceOption, UntilOption
from wai_ops.cli.output import Format, emit

app = new_app("Answer questions from the ledger.")


@app.callback()
def report() -> None:
    """Answer questions from the ledger."""


class Grouping(StrEnum):
    """What one row stands for; the values of `observe.reports.cost.By`, without importing it."""

    WORKFLOW = "workflow"
    TENANT = "tenant"
    MODEL = "model"
    PROMPT = "prompt"
    DAY = "day"


@app.command()
def cost(
    ctx: typer.Context,
    by: Annotated[Grouping, typer.Option("--by", help="What one row stands for.")] = (
        Grouping.WORKFLOW
    ),
    since: SinceOption = None,
    until: UntilOption = None,
    fmt: FormatOption = Format.TABLE,
    as_json: JsonOption = False,
) -> None:
    """Show what calls cost, dearest first: metered, confirmed, estimated and unknown apart.

    \b
    Examples:
      wai report cost
      wai report cost --by tenant --since 7d
      wai report cost --by day --since 2026-01-01 --until 2026-02-01 --format csv
    """
    from wai_ops.cli.watch import watch
    from wai_ops.core.window import parse_window
    from wai_ops.observe.ledger.store import open_ledger
    from wai_ops.observe.reports.cost import By, cost_report

    context = ctx.obj
    window = parse_window(since, until, now=context.clock.now())
    with open_ledger(context.settings.state_dir, context.clock, watch) as store:
        table = cost_report(store, window, By(by.value))
    emit(table, Format.JSON if as_json else fmt)
