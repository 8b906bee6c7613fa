"""`wai budget reconcile`: the ledger beside the account's bills."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from wai_ops.cli.budget_app import app
from wai_ops.cli.context import AppContext
from wai_ops.cli.options import FormatOption, JsonOption, LocalOption
from wai_ops.cli.output import Format

if TYPE_CHECKING:
    from datetime import date, datetime

    from wai_ops.cloudflare.billing_api import BillingApi
    from wai_ops.cloudflare.control import ControlPlane
    from wai_ops.config.connection import Connection
    from wai_ops.control.budgets.reconcile import Prepaid


@app.command()
def reconcile(
    ctx: typer.Context,
    *,
    month: Annotated[
        str | None, typer.Option("--month", metavar="YYYY-MM", help="Else this month, until now.")
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option("--metric", metavar="NAME", help="What the bill calls neurons, if you know."),
    ] = None,
    tolerance: Annotated[
        float,
        typer.Option("--tolerance", min=0, max=1, help="A day agrees within this share."),
    ] = 0.001,
    local: LocalOption = False,
    fmt: FormatOption = Format.TABLE,
    as_json: JsonOption = False,
) -> None:
    """Compare the ledger with billable usage, charges and prepaid credits, day by day.

    Differences are explained or listed; what has an unknown unit is called so. Exit 1 when a day
    differs. Needs the operator token, with Billing: Read.

    \b
    Examples:
      wai budget reconcile
      wai budget reconcile --month 2026-10 --format md
      wai budget reconcile --local
    """
    from datetime import UTC, datetime, time, timedelta
    from decimal import Decimal

    from wai_ops.cli.output import emit
    from wai_ops.cli.watch import watch
    from wai_ops.cloudflare.api_errors import ApiError
    from wai_ops.cloudflare.billing_api import BillingApi
    from wai_ops.config.settings import Target
    from wai_ops.control.budgets.bills import read_bill
    from wai_ops.control.budgets.reconcile import Sides
    from wai_ops.control.budgets.reconcile import reconcile as compare
    from wai_ops.core.window import Window
    from wai_ops.observe.ledger.store import open_ledger
    from wai_ops.observe.reports.billed_days import used_by_day
    from wai_ops.observe.reports.evidence import missing_notes, read_evidence
    from wai_ops.observe.reports.slice import Slice

    context: AppContext = ctx.obj
    now = context.clock.now()
    first, last = _days(month, now)
    with _open_plane(context, local=local) as (connection, plane):
        api = BillingApi(plane)
        usage = read_bill(api.usage(first, last), first, last, metric=metric)
        try:
            charges = read_bill(api.charges(first, last), first, last, metric=metric)
        except ApiError:
            charges = None
        prepaid = _prepaid(api, first, last)
        gateways = _gateways(plane)
        is_local = connection.target is Target.LOCAL
    since = datetime.combine(first, time(), UTC)
    until = datetime.combine(last + timedelta(days=1), time(), UTC)
    with open_ledger(context.settings.state_dir, context.clock, watch) as store:
        used = used_by_day(store, since, until, is_local=is_local)
        found = read_evidence(store, Slice(Window(since, until)))
        evidence = tuple(missing_notes(found, store.folded.in_flight_count))
    sides = Sides(
        first=first,
        last=last,
        used=used,
        usage=usage,
        charges=charges,
        prepaid=prepaid,
        unread_gateways=sorted(gateways - {mark["gateway_id"] for mark in found.marks}),
        tolerance=Decimal(str(tolerance)),
    )
    emit(compare(sides, now=now, evidence=evidence), Format.JSON if as_json else fmt)


@contextmanager
def _open_plane(context: AppContext, *, local: bool) -> "Iterator[tuple[Connection, ControlPlane]]":
    """Reach the account with the operator token; no other is looked for. Raises AccessError."""
    from wai_ops.cli.target import open_connection
    from wai_ops.cloudflare.control import open_control_plane
    from wai_ops.config.credentials import Role
    from wai_ops.config.settings import Target

    with (
        open_connection(context, role=Role.OPERATOR, local=local) as connection,
        open_control_plane(
            base_url=connection.base_url,
            account_id=connection.account_id,
            token=connection.token.reveal(),
            clock=context.clock,
            is_local=connection.target is Target.LOCAL,
        ) as plane,
    ):
        yield connection, plane


def _days(month: str | None, now: "datetime") -> "tuple[date, date]":
    from datetime import date, timedelta

    from wai_ops.core.errors import UsageError
    from wai_ops.core.text import one_line

    today = now.date()
    try:
        first = today.replace(day=1) if month is None else date.fromisoformat(f"{month}-01")
    except ValueError as error:
        raise UsageError(
            f"--month {one_line(str(month), 40)} is no month", hint="such as 2026-10"
        ) from error
    if first > today:
        raise UsageError(f"--month {month} has not begun", hint="times are UTC")
    following = (first + timedelta(days=32)).replace(day=1)
    return first, min(today, following - timedelta(days=1))


def _prepaid(api: "BillingApi", first: "date", last: "date") -> "Prepaid":
    """What can be read of prepaid credits; a token may read bills and not these."""
    from wai_ops.cloudflare.api_errors import ApiAccessError, ApiError
    from wai_ops.control.budgets.reconcile import Prepaid, prepaid_total

    try:
        return Prepaid(
            balance=api.credit_balance(),
            used=prepaid_total(api.prepaid(first, last)),
            spending_limit=api.spending_limit(),
        )
    except (ApiError, ApiAccessError) as error:
        return Prepaid(problem=error.message)


def _gateways(plane: "ControlPlane") -> set[str]:
    """The account's gateways; empty where the token may not list them."""
    from wai_ops.cloudflare.api_errors import ApiAccessError, ApiError

    try:
        return {gateway.id for gateway in plane.gateways()}
    except (ApiError, ApiAccessError):
        return set()
