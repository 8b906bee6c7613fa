"""`wai budget bound`: by how much budgets can be passed, and what a burst really did."""

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import typer

from wai_ops.cli.budget_app import app
from wai_ops.cli.context import AppContext
from wai_ops.cli.options import FormatOption, JsonOption, SinceOption, UntilOption
from wai_ops.cli.output import Format
from wai_ops.cli.report_options import WhereOption

if TYPE_CHECKING:
    from wai_ops.control.budgets.bound import Given


@app.command()
def bound(
    ctx: typer.Context,
    *,
    concurrency: Annotated[
        int | None,
        typer.Option("--concurrency", min=1, help="Calls at once; else as recorded."),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option("--rate", min=0, help="Calls that begin in a second; else as recorded."),
    ] = None,
    worst_request: Annotated[
        str | None,
        typer.Option("--worst-request", metavar="USD", help="The dearest call; else by price."),
    ] = None,
    settle_delay: Annotated[
        float | None,
        typer.Option("--settle-delay", min=0, help="Seconds until a cost is counted; else 60."),
    ] = None,
    propagation: Annotated[
        float | None,
        typer.Option("--propagation", min=0, help="Seconds until a push holds; else by form."),
    ] = None,
    window: Annotated[
        str, typer.Option("--window", metavar="PERIOD", help="How far back to measure; or --since.")
    ] = "30d",
    since: SinceOption = None,
    until: UntilOption = None,
    where: WhereOption = None,
    factors: Annotated[
        bool, typer.Option("--factors", help="Every number, its source and what it rests on.")
    ] = False,
    measure: Annotated[
        bool,
        typer.Option("--measure", help="What a burst on an emulator really does, beside it."),
    ] = False,
    fmt: FormatOption = Format.TABLE,
    as_json: JsonOption = False,
) -> None:
    """Say by how many dollars each guard can be passed at most, and why.

    Costs are counted after calls end, so calls that are under way pass a limit. Nothing is sent;
    with --measure a burst runs on an emulator of its own, with the same guards and small limits.

    \b
    Examples:
      wai budget bound
      wai budget bound --factors
      wai budget bound --concurrency 200 --settle-delay 5
      wai budget bound --measure --concurrency 200
    """
    from wai_ops.cli.budget_service import compiled_of
    from wai_ops.cli.output import emit

    context: AppContext = ctx.obj
    fmt = Format.JSON if as_json else fmt
    given = _given(concurrency, rate, worst_request, settle_delay, propagation)
    if measure:
        from wai_ops.cli.budget_burst import measure_guards

        emit(measure_guards(context, compiled_of(context), given), fmt)
        return
    from wai_ops.cli.watch import watch
    from wai_ops.config.prices import load_price_book
    from wai_ops.control.budgets.bounding import bound_budgets
    from wai_ops.core.window import parse_window
    from wai_ops.observe.ledger.store import open_ledger
    from wai_ops.observe.reports.slice import Slice, parse_where

    settings = context.settings
    now = context.clock.now()
    compiled = compiled_of(context)
    part = Slice(parse_window(since or window, until, now=now), parse_where(where or []))
    with open_ledger(settings.state_dir, context.clock, watch) as store:
        found = bound_budgets(
            store,
            part,
            compiled,
            settings.budgets,
            given,
            prices=load_price_book(settings),
            at=now,
            max_output_tokens=settings.defaults.max_output_tokens,
            default_model=settings.defaults.model,
        )
    if factors:
        emit(found.factors(), fmt)
    else:
        emit(found.table(), fmt)


def _given(
    concurrency: int | None,
    rate: float | None,
    worst_request: str | None,
    settle_delay: float | None,
    propagation: float | None,
) -> "Given":
    from wai_ops.control.budgets.bound import Given
    from wai_ops.core.errors import UsageError
    from wai_ops.core.text import one_line

    worst: Decimal | None = None
    if worst_request is not None:
        try:
            worst = Decimal(worst_request.removeprefix("$"))
        except ArithmeticError:
            worst = Decimal(0)
        if not worst.is_finite() or worst <= 0:
            shown = one_line(worst_request, 40)
            raise UsageError(f"--worst-request {shown} is no amount in dollars, such as 0.05")
    return Given(
        concurrency=concurrency,
        rate_per_s=_decimal(rate),
        worst_request_usd=worst,
        settle_s=_decimal(settle_delay),
        propagation_s=_decimal(propagation),
    )


def _decimal(value: float | None) -> Decimal | None:
    return None if value is None else Decimal(repr(value))
