"""`wai budget status`, `forecast` and `check`."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wai_ops.cli.budget_app import app
from wai_ops.cli.context import AppContext
from wai_ops.cli.options import FormatOption, JsonOption
from wai_ops.cli.output import Format, emit

if TYPE_CHECKING:
    from wai_ops.control.budgets.outlook import Outlook
    from wai_ops.control.budgets.status import StatusRow
    from wai_ops.core.table import Table
    from wai_ops.observe.ledger.store import Store

_HOME_AND_CLEAR = "\x1b[H\x1b[2J"

HistoryOption = Annotated[
    str, typer.Option("--history", metavar="PERIOD", help="How long a past is drawn from.")
]


@app.command()
def status(
    ctx: typer.Context,
    *,
    name: Annotated[
        str | None, typer.Argument(metavar="BUDGET", help="Only this one; else all.")
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show it again and again, until Ctrl-C.")
    ] = False,
    interval: Annotated[
        float, typer.Option("--interval", min=1, help="Seconds between two looks.")
    ] = 5.0,
    fmt: FormatOption = Format.TABLE,
    as_json: JsonOption = False,
) -> None:
    """Show what budgets have spent, set aside and left in the windows that run.

    From the ledger and live state; nothing is asked of Cloudflare, whose own counts cannot be read.

    \b
    Examples:
      wai budget status
      wai budget status acme-monthly --json
      wai budget status --watch
    """
    context: AppContext = ctx.obj
    chosen = Format.JSON if as_json else fmt
    is_screen = watch and sys.stdout.isatty() and chosen is Format.TABLE
    is_first = True
    while True:
        # The ledger is let go between two looks: others want to write to it.
        with standing(context, name) as (_, table):
            shown = table if is_first or is_screen else replace(table, notes=())
        if is_screen:
            sys.stdout.write(_HOME_AND_CLEAR)
        emit(shown, chosen)
        if not watch:
            return
        if is_screen:
            now = f"{context.clock.now():%Y-%m-%d %H:%M:%S}"
            sys.stderr.write(f"\n{now} UTC, again every {interval:g} s; Ctrl-C ends\n")
        is_first = False
        context.clock.sleep(interval)


@app.command()
def forecast(
    ctx: typer.Context,
    *,
    name: Annotated[
        str | None, typer.Argument(metavar="BUDGET", help="Only this one; else all.")
    ] = None,
    history: HistoryOption = "28d",
    fmt: FormatOption = Format.TABLE,
    as_json: JsonOption = False,
) -> None:
    """Say when budgets will be used up, as an interval, by how they were spent before.

    With too short a past there is no forecast, and the row says so.

    \b
    Examples:
      wai budget forecast
      wai budget forecast acme-monthly --history 56d --json
    """
    from wai_ops.control.budgets.outlook import forecast_table

    context: AppContext = ctx.obj
    with standing(context, name) as (store, table):
        ahead = _outlook(context, store, table, history)
    emit(forecast_table(table, ahead), Format.JSON if as_json else fmt)


@app.command()
def check(
    ctx: typer.Context,
    *,
    name: Annotated[
        str | None, typer.Argument(metavar="BUDGET", help="Only this one; else all.")
    ] = None,
    history: HistoryOption = "28d",
    strict: Annotated[bool, typer.Option("--strict", help="A WARN exits 1 as well.")] = False,
    fmt: FormatOption = Format.TABLE,
    as_json: JsonOption = False,
) -> None:
    """Judge budgets for CI: PASS, WARN or FAIL; exit 1 when one fails.

    FAIL: the limit is reached. WARN: a share of warn_at is, or more futures than not reach the
    limit before the window ends, or costs are unknown.

    \b
    Examples:
      wai budget check
      wai budget check --strict --format md >> "$GITHUB_STEP_SUMMARY"
    """
    from wai_ops.control.budgets.outlook import check_table

    context: AppContext = ctx.obj
    with standing(context, name) as (store, table):
        ahead = _outlook(context, store, table, history)
    emit(check_table(table, ahead, is_strict=strict), Format.JSON if as_json else fmt)


def _outlook(
    context: AppContext, store: "Store", table: "Table[StatusRow]", history: str
) -> "Outlook":
    from wai_ops.control.budgets.outlook import outlook
    from wai_ops.core.window import parse_instant

    now = context.clock.now()
    past = now - parse_instant(history, now=now, flag="--history")
    return outlook(store, context.settings.budgets, table.rows, now, history=past)


@contextmanager
def standing(context: AppContext, name: str | None) -> "Iterator[tuple[Store, Table[StatusRow]]]":
    """The open ledger, and how budgets stand. Raises UsageError, DataError."""
    from wai_ops.cli.watch import watch
    from wai_ops.control.budgets.status import budget_status
    from wai_ops.observe.ledger.store import open_ledger

    budgets = chosen_budgets(context, name)
    state_dir = context.settings.state_dir
    with open_ledger(state_dir, context.clock, watch) as store:
        now = context.clock.now()
        yield store, budget_status(store, budgets, balances_of(context), now)


def chosen_budgets(context: AppContext, name: str | None) -> dict[str, Any]:
    """The budgets of `wai.yaml`, or the one that is named. Raises UsageError."""
    from wai_ops.config.problems import nearest
    from wai_ops.core.errors import UsageError
    from wai_ops.core.text import one_line

    budgets = dict(context.settings.budgets)
    if not budgets:
        raise UsageError(
            "wai.yaml has no budgets",
            hint="add a section `budgets:`; see wai init, docs/budgets.md",
        )
    if name is None:
        return budgets
    if name not in budgets:
        near = nearest(name, budgets)
        raise UsageError(
            f"there is no budget {one_line(name, 60)!r}",
            hint=f"did you mean {near}?" if near else f"one of {', '.join(sorted(budgets))}",
        )
    return {name: budgets[name]}


def balances_of(context: AppContext) -> list[Any]:
    """How the budgets of live state stand; none without one. Raises DataError."""
    from wai_ops.state.live import LiveState
    from wai_ops.state.reservations import list_balances

    state_dir = context.settings.state_dir
    if not LiveState.exists(state_dir):
        return []
    with LiveState.open(state_dir, clock=context.clock) as live:
        return list_balances(live)
