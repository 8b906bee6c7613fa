"""`wai budget backtest`."""

from typing import Annotated

import typer

from wai_ops.cli.budget_app import app
from wai_ops.cli.context import AppContext
from wai_ops.cli.options import FormatOption, JsonOption, SinceOption, UntilOption
from wai_ops.cli.output import Format
from wai_ops.cli.report_options import WhereOption


@app.command()
def backtest(
    ctx: typer.Context,
    *,
    window: Annotated[
        str, typer.Option("--window", metavar="PERIOD", help="How far back; or --since.")
    ] = "30d",
    since: SinceOption = None,
    until: UntilOption = None,
    where: WhereOption = None,
    native: Annotated[
        bool, typer.Option("--native", help="Only the gateway's guards, not wai's own.")
    ] = False,
    settle_delay: Annotated[
        float, typer.Option("--settle-delay", min=0, help="Seconds until a cost is seen.")
    ] = 0.0,
    show_all: Annotated[
        bool, typer.Option("--all", help="Also what would have refused nothing.")
    ] = False,
    calls: Annotated[
        bool, typer.Option("--calls", help="One row for each call that would have been refused.")
    ] = False,
    fmt: FormatOption = Format.TABLE,
    as_json: JsonOption = False,
) -> None:
    """Run recorded calls through the budgets: who is refused, when first, what it saves and loses.

    Nothing is sent. Guards are asked in the gateway's order; costs count when calls end, in the
    guard's own windows. Notes say what could not be evaluated.

    \b
    Examples:
      wai budget backtest
      wai budget backtest --window 7d --where tenant=acme
      wai budget backtest --since 2026-11-01 --native --json
      wai budget backtest --calls --format csv
    """
    from dataclasses import replace

    from wai_ops.cli.budget_service import compiled_of, envelopes_of
    from wai_ops.cli.output import emit
    from wai_ops.cli.watch import watch
    from wai_ops.control.budgets.backtest import Backtest
    from wai_ops.core.window import parse_window
    from wai_ops.observe.ledger.store import open_ledger
    from wai_ops.observe.reports.slice import Slice, parse_where

    context: AppContext = ctx.obj
    compiled = compiled_of(context)
    if native:
        compiled = replace(compiled, local=())
    part = Slice(
        parse_window(since or window, until, now=context.clock.now()), parse_where(where or [])
    )
    with open_ledger(context.settings.state_dir, context.clock, watch) as store:
        found = Backtest(
            store,
            part,
            compiled,
            context.settings.budgets,
            envelopes={} if native else envelopes_of(context),
            delay_us=int(settle_delay * 1_000_000),
        )
    fmt = Format.JSON if as_json else fmt
    if calls:
        emit(found.calls(), fmt)
    else:
        emit(found.table(shows_all=show_all), fmt)
