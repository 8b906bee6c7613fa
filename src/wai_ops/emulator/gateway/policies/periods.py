"""The calendar windows of policies, all in UTC."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum


class Period(StrEnum):
    """How long a budget lasts until it starts again from zero."""

    HOURLY = "hourly"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


def period_start(period: Period, now: datetime) -> datetime:
    """When the period that runs at `now` began: weeks on Monday, months on the first."""
    hour = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    day = hour.replace(hour=0)
    starts: Mapping[Period, datetime] = {
        Period.HOURLY: hour,
        Period.DAILY: day,
        Period.WEEKLY: day - timedelta(days=day.weekday()),
        Period.MONTHLY: day.replace(day=1),
    }
    return starts[period]


def period_key(period: Period, now: datetime) -> str:
    """A name of the running period that no other period has: `daily/2026-11-23T00:00:00Z`."""
    return f"{period}/{period_start(period, now):%Y-%m-%dT%H:%M:%SZ}"
