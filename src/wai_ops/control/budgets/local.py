"""Budgets that `wai` holds itself: as the reservations that a run makes before it sends. Pure.

Windows are those of the calendar in UTC, because what is set aside counts in one window; a rolling
limit cannot be held so.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

from wai_ops.config.budget_settings import (
    Alignment,
    BudgetSettings,
    BudgetWindow,
    Enforcement,
    LimitAction,
)
from wai_ops.control.budgets.matching import Traits, bucket_of, fits
from wai_ops.state.reservations import Budget

KEY_PREFIX = "budget:"
"""How the keys of these budgets begin in live state."""


class Asked(Protocol):
    """A question to a model, as far as budgets know it."""

    @property
    def tenant(self) -> str:
        """Who pays."""

    @property
    def workflow(self) -> str:
        """The kind of job."""

    @property
    def model(self) -> str:
        """Who is asked."""

    @property
    def prompt_name(self) -> str:
        """The prompt."""

    @property
    def prompt_version(self) -> str:
        """Its version."""


def local_problem(budget: BudgetSettings) -> str | None:
    """Why `wai` cannot hold a budget itself; None: it can."""
    if budget.action is LimitAction.DOWNSHIFT:
        return "wai moves to a cheaper model by the routing of a policy: routing.downshift"
    if budget.action is LimitAction.ALERT:
        return "nobody is to be stopped"
    if budget.alignment is Alignment.ROLLING:
        return "what wai sets aside counts in windows of the calendar"
    return None


def held_locally(budgets: Mapping[str, BudgetSettings]) -> dict[str, BudgetSettings]:
    """The budgets that `wai` holds: those that want it, or that leave the form to us."""
    return {
        name: budget
        for name, budget in budgets.items()
        if local_problem(budget) is None
        and (not budget.enforce or Enforcement.LOCAL in budget.enforce)
    }


def local_budgets(
    budgets: Mapping[str, BudgetSettings],
) -> Callable[[Asked, datetime], Sequence[Budget]]:
    """Say for a question and a time in which budgets it reserves, with their running windows."""
    held = held_locally(budgets)

    def budgets_of(asked: Asked, at: datetime) -> list[Budget]:
        call = Traits(
            tenant=asked.tenant,
            workflow=asked.workflow,
            prompt=f"{asked.prompt_name}@{asked.prompt_version}",
            model=asked.model,
        )
        found = []
        for name, budget in held.items():
            bucket = bucket_of(budget, call)
            if bucket is not None and fits(budget.scope, call):
                found.append(
                    Budget(
                        key=budget_key(name, bucket),
                        limit_usd=budget.limit_usd,
                        window_start=window_start(budget.window, at),
                    )
                )
        return found

    return budgets_of


def budget_key(name: str, bucket: str) -> str:
    """The key in live state of one bucket of a budget."""
    return f"{KEY_PREFIX}{name}" + (f"[{bucket}]" if bucket else "")


def window_start(window: BudgetWindow, at: datetime) -> datetime:
    """When the window of the calendar began that runs at that time: weeks on Monday, all in UTC."""
    hour = at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    day = hour.replace(hour=0)
    match window:
        case BudgetWindow.HOURLY:
            return hour
        case BudgetWindow.DAILY:
            return day
        case BudgetWindow.WEEKLY:
            return day - timedelta(days=day.weekday())
        case BudgetWindow.MONTHLY:
            return day.replace(day=1)
