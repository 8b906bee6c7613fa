"""`wai envelope`: the limits of workflows, what was spent of them, and money that is set aside."""

from typing import TYPE_CHECKING, Annotated

import typer

from wai_ops.cli.app import new_app
from wai_ops.cli.context import AppContext
from wai_ops.cli.options import FormatOption, JsonOption
from wai_ops.cli.output import Format

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from decimal import Decimal

app = new_app("Show and reconcile money that is set aside.")


@app.command()
def show(
    ctx: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(metavar="WORKFLOW|CONVERSATION", help="Only this one; or a budget's key."),
    ] = None,
    *,
    fmt: Annotated[
        Format | None, typer.Option("--format", "-f", help="Only the budgets, as rows.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show limits, what was spent and set aside, what remains, and who holds it.

    \b
    Examples:
      wai envelope show
      wai envelope show support
      wai envelope show c1 --json
      wai envelope show --format csv
    """
    from wai_ops.cli.output import emit, print_json
    from wai_ops.cli.run_governance import policies_of
    from wai_ops.control.envelopes.view import BudgetRow, envelope_view
    from wai_ops.core.table import Table
    from wai_ops.state.live import LiveState

    context: AppContext = ctx.obj
    registry = policies_of(context)
    state_dir = context.settings.state_dir
    if LiveState.exists(state_dir):
        with LiveState.open(state_dir, clock=context.clock) as live:
            view = envelope_view(registry, live, name)
    else:
        view = envelope_view(registry, None, name)
    if as_json:
        print_json(view)
    elif fmt is not None:
        emit(Table(row_type=BudgetRow, rows=view.budgets, title="Budgets"), fmt)
    else:
        typer.echo(view.to_text(), nl=False)


@app.command()
def reconcile(
    ctx: typer.Context,
    *,
    keep_unknown: Annotated[
        bool,
        typer.Option("--keep-unknown", help="Leave set aside what there is no evidence for yet."),
    ] = False,
    fmt: FormatOption = Format.TABLE,
    as_json: JsonOption = False,
) -> None:
    """Settle what dead processes, and calls without a price, have set aside.

    By the decision log (never let through: released; its end: charged), then by the ledger (the
    gateway's row). Without evidence all of it is charged: it may have been billed.

    \b
    Examples:
      wai envelope reconcile
      wai logs pull && wai envelope reconcile
      wai envelope reconcile --keep-unknown --json
    """
    from wai_ops.cli.output import emit
    from wai_ops.control.decisions.log import FOLDER_NAME
    from wai_ops.control.envelopes.reconcile import Reconciled
    from wai_ops.control.envelopes.reconcile import reconcile as settle_all
    from wai_ops.core.table import Table
    from wai_ops.state.live import LiveState

    context: AppContext = ctx.obj
    state_dir = context.settings.state_dir

    def costs(attempt_ids: "Collection[str]") -> "Mapping[str, Decimal]":
        from wai_ops.observe.ledger.store import open_ledger
        from wai_ops.observe.reports.attempt_costs import attempt_costs

        with open_ledger(state_dir, context.clock) as store:
            return attempt_costs(store, attempt_ids)

    rows: list[Reconciled] = []
    if LiveState.exists(state_dir):
        with LiveState.open(state_dir, clock=context.clock) as live:
            rows = settle_all(
                live,
                state_dir / FOLDER_NAME,
                costs,
                keeps_unknown=keep_unknown,
                now=context.clock.now(),
            )
    notes = () if rows else ("nothing is left behind",)
    table = Table(row_type=Reconciled, rows=rows, title="Reconciled", notes=notes)
    emit(table, Format.JSON if as_json else fmt)
