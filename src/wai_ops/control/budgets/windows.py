"""The window of a budget that runs at a time: when it began and when it ends. Pure."""

from datetime import UTC, datetime, timedelta

from wai_ops.config.budget_settings import Alignment, BudgetSettings, BudgetWindow
from wai_ops.control.budgets.forms import WINDOW_S
from wai_ops.control.budgets.local import window_start


def running_since(budget: BudgetSettings, now: datetime) -> datetime:
    """From when on costs count."""
    if budget.alignment is Alignment.CALENDAR:
        return window_start(budget.window, now)
    return now.astimezone(UTC) - length_of(budget)


def running_until(budget: BudgetSettings, now: datetime) -> datetime | None:
    """When the limit begins again; None: it rolls, and never does."""
    if budget.alignment is not Alignment.CALENDAR:
        return None
    start = window_start(budget.window, now)
    if budget.window is BudgetWindow.MONTHLY:
        return (start + timedelta(days=31)).replace(day=1)
    return start + length_of(budget)


def length_of(budget: BudgetSettings) -> timedelta:
    """How long a window lasts; a month of the calendar is taken as 30 days."""
    return timedelta(seconds=WINDOW_S[budget.window])
