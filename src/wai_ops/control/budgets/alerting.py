"""`wai budget alerts`: what is due goes to each channel that has not had it, and is then noted."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from wai_ops.config.alert_settings import AlertSettings
from wai_ops.config.budget_settings import BudgetSettings
from wai_ops.control.budgets.alert_channels import Channel
from wai_ops.control.budgets.alerts import Alert, due_alerts, sent_alerts
from wai_ops.control.budgets.status import StatusRow
from wai_ops.core.clock import to_utc_text
from wai_ops.core.errors import WaiError
from wai_ops.core.ids import uuid7
from wai_ops.core.table import Table, Unit, col
from wai_ops.core.text import counted

STDOUT = "(stdout)"
"""The channel that is always there: what is printed. No name in `wai.yaml` has brackets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRow:
    """One alert that at least one channel had not had yet."""

    budget: str = col("Budget")
    bucket: str = col("For")
    threshold_ratio: Decimal = col("Reached", Unit.RATIO)
    used_ratio: float = col("Used", Unit.RATIO)
    spent_usd: Decimal = col("Spent", Unit.USD)
    limit_usd: Decimal = col("Limit", Unit.USD)
    window_began_at: datetime | None = col("Since", Unit.TIME)
    owner: str | None = col("Owner")
    delivered_to: str = col("Told")
    """Channels, with commas between them."""
    failed: str | None = col("Not told")
    """`ops: answered with HTTP 500`; tried again the next time."""
    alert_id: str = col("Alert")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelTestRow:
    """One channel that was tried."""

    channel: str = col("Channel")
    is_delivered: bool = col("Delivered", Unit.FLAG)
    problem: str | None = col("Problem")


def send_alerts(
    rows: Iterable[StatusRow],
    budgets: Mapping[str, BudgetSettings],
    settings: Mapping[str, AlertSettings],
    channels: Sequence[Channel],
    *,
    state_dir: Path,
    now: datetime,
) -> tuple[Table[AlertRow], bool]:
    """Deliver what is due. Returns what was new and whether all of it reached every channel.

    Raises DataError when what was sent cannot be read or noted.
    """
    found: list[AlertRow] = []
    due = 0
    with sent_alerts(state_dir, now) as sent:
        for alert in due_alerts(rows, budgets, sent, now):
            due += 1
            told, failed = [], []
            for channel in channels:
                only = settings[channel.name].budgets
                if (only and alert.budget not in only) or sent.is_delivered(alert, channel.name):
                    continue
                try:
                    channel.deliver(alert.to_json(), alert.alert_id, now)
                except WaiError as error:
                    failed.append(f"{channel.name}: {error.message}")
                else:
                    sent.note(alert, channel.name, now)
                    told.append(channel.name)
            if not sent.is_delivered(alert, STDOUT):
                sent.note(alert, STDOUT, now)
                told.append(STDOUT)
            if told or failed:
                found.append(_row(alert, told, failed))
    is_whole = not any(row.failed for row in found)
    note = f"{counted(due, 'share')} of budgets reached, {len(found)} of them with news"
    return Table(row_type=AlertRow, rows=found, title="Alerts", notes=(note,)), is_whole


def try_channels(channels: Sequence[Channel], now: datetime) -> tuple[Table[ChannelTestRow], bool]:
    """Send every channel an alert of type `test`; nothing is noted. Returns whether all had it."""
    rows = []
    for channel in channels:
        alert_id = uuid7(now)
        body: dict[str, Any] = {
            "type": "test",
            "alert_id": alert_id,
            "occurred_at": to_utc_text(now),
        }
        problem = None
        try:
            channel.deliver(body, alert_id, now)
        except WaiError as error:
            problem = error.message
        rows.append(
            ChannelTestRow(channel=channel.name, is_delivered=problem is None, problem=problem)
        )
    table = Table(row_type=ChannelTestRow, rows=rows, title="Test of the channels")
    return table, all(row.is_delivered for row in rows)


def _row(alert: Alert, told: list[str], failed: list[str]) -> AlertRow:
    return AlertRow(
        budget=alert.budget,
        bucket=alert.bucket,
        threshold_ratio=alert.threshold_ratio,
        used_ratio=alert.used_ratio,
        spent_usd=alert.spent_usd,
        limit_usd=alert.limit_usd,
        window_began_at=alert.window_began_at,
        owner=alert.owner,
        delivered_to=", ".join(told),
        failed="; ".join(failed) or None,
        alert_id=alert.alert_id,
    )
