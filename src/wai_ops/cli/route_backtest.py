"""`wai route backtest`."""

from pathlib import Path
from typing import Annotated

import typer

from wai_ops.cli.context import AppContext
from wai_ops.cli.options import FormatOption, JsonOption, SinceOption, UntilOption
from wai_ops.cli.output import Format
from wai_ops.cli.route_app import app, open_registry


@app.command("backtest")
def backtest_command(
    ctx: typer.Context,
    *,
    since: SinceOption = None,
    until: UntilOption = None,
    candidate: Annotated[
        Path | None,
        typer.Option("--candidate", metavar="DIR", help="Policies to try; else the project's own."),
    ] = None,
    workflow: Annotated[
        str | None, typer.Option("--workflow", "-w", help="Only this workflow.")
    ] = None,
    fmt: FormatOption = Format.TABLE,
    as_json: JsonOption = False,
) -> None:
    """Replay recorded requests under other routing: their cost, and how often it would have served.

    Nothing is sent. Costs come with a lower and an upper bound, since a conversation that moves to
    another model loses its cached prefix; notes say what could not be compared.

    \b
    Examples:
      wai route backtest --since 7d --candidate next-policies
      wai route backtest --since 2026-11-01 --workflow support --json
    """
    from wai_ops.cli.output import emit
    from wai_ops.cli.watch import watch
    from wai_ops.config.prices import load_price_book
    from wai_ops.control.decisions.log import FILE_NAME, FOLDER_NAME
    from wai_ops.control.routing.backtest import backtest_ledger
    from wai_ops.control.routing.recorded import recorded_turns
    from wai_ops.core.errors import UsageError
    from wai_ops.core.window import parse_window
    from wai_ops.observe.ledger.store import open_ledger
    from wai_ops.observe.reports.slice import Condition, Dimension, Slice

    context: AppContext = ctx.obj
    window = parse_window(since, until, now=context.clock.now())
    registry = open_registry(context, candidate)
    where = () if workflow is None else (Condition(Dimension.WORKFLOW, workflow),)
    if workflow is not None and registry.workflow(workflow) is None:
        raise UsageError(
            f"no policy names workflow {workflow!r}",
            hint=f"it names: {', '.join(sorted(registry.workflows)) or 'none'}",
        )
    part = Slice(window, where)
    state_dir = context.settings.state_dir
    recorded = recorded_turns(state_dir / FOLDER_NAME / FILE_NAME)
    with open_ledger(state_dir, context.clock, watch) as store:
        prices = load_price_book(context.settings)
        table = backtest_ledger(store, part, registry, prices, recorded)
    emit(table, Format.JSON if as_json else fmt)
