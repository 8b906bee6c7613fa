"""Alerts: once for each budget, bucket, share and window, to each channel.

An alert is due when what was spent and set aside reaches a share of `warn_at`, or the limit. It has
an id made of what it is about, so that a receiver can tell a repeated delivery from a second event:
a delivery is noted after it was made, and made again when nobody knows that it was (at least once).
What is noted lies in `.wai/alerts/sent.json`, behind a lock.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from wai_ops.config.budget_settings import BudgetSettings
from wai_ops.config.files import make_state_folder, write_atomically
from wai_ops.control.budgets.status import StatusRow
from wai_ops.core.clock import parse_utc, to_utc_text
from wai_ops.core.errors import DataError

FOLDER, FILE, LOCK = "alerts", "sent.json", "sent.lock"
_WAIT_S = 10.0
_KEEP = timedelta(days=400)
"""Longer than any window, so that nothing is forgotten while it is still true."""
_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """What is told."""

    alert_id: str
    budget: str
    bucket: str
    """`tenant=acme`; empty: all calls of the budget."""
    threshold_ratio: Decimal
    """The share that was reached; 1 is the limit."""
    used_ratio: float
    spent_usd: Decimal
    reserved_usd: Decimal | None
    limit_usd: Decimal
    window: str
    """`monthly`, `daily`, …"""
    window_began_at: datetime | None
    """Null: the window rolls."""
    owner: str | None
    occurred_at: datetime
    """When it was noticed."""

    def to_json(self) -> dict[str, Any]:
        """What webhooks and files get."""
        return {
            "type": "budget_alert",
            "version": _VERSION,
            "alert_id": self.alert_id,
            "budget": self.budget,
            "bucket": self.bucket,
            "threshold_ratio": format(self.threshold_ratio, "f"),
            "used_ratio": self.used_ratio,
            "spent_usd": format(self.spent_usd, "f"),
            "reserved_usd": None if self.reserved_usd is None else format(self.reserved_usd, "f"),
            "limit_usd": format(self.limit_usd, "f"),
            "window": self.window,
            "window_began_at": self.window_began_at and to_utc_text(self.window_began_at),
            "owner": self.owner,
            "occurred_at": to_utc_text(self.occurred_at),
        }


@dataclass(slots=True)
class Sent:
    """What was delivered, and since when a share of a rolling window has been reached."""

    delivered: dict[str, str] = field(default_factory=dict)
    """`<alert id> <channel>` -> when."""
    reached: dict[str, str] = field(default_factory=dict)
    """Budget, bucket and share of a window that rolls -> when it was reached."""

    def is_delivered(self, alert: Alert, channel: str) -> bool:
        """Whether the channel has had it."""
        return f"{alert.alert_id} {channel}" in self.delivered

    def note(self, alert: Alert, channel: str, at: datetime) -> None:
        """Remember a delivery."""
        self.delivered[f"{alert.alert_id} {channel}"] = to_utc_text(at)


def due_alerts(
    rows: Iterable[StatusRow],
    budgets: Mapping[str, BudgetSettings],
    sent: Sent,
    now: datetime,
) -> list[Alert]:
    """What is true now, whether it was told or not. Updates when rolling shares were reached."""
    found = []
    for row in rows:
        budget = budgets[row.budget]
        used = row.spent_usd + (row.reserved_usd or Decimal(0))
        for share in sorted({*budget.warn_at, Decimal(1)}):
            place = f"{row.budget}[{row.bucket}] {share.normalize():f}"
            if used < share * budget.limit_usd:
                sent.reached.pop(place, None)  # when it is reached again, that is another event
                continue
            began = row.window_began_at if row.window_ends_at is not None else None
            since = (
                to_utc_text(began) if began else sent.reached.setdefault(place, to_utc_text(now))
            )
            found.append(_alert(row, budget, share, f"{place} {since}", began, now))
    return found


def _alert(  # noqa: PLR0917 - what an alert is about
    row: StatusRow,
    budget: BudgetSettings,
    share: Decimal,
    event: str,
    began: datetime | None,
    now: datetime,
) -> Alert:
    return Alert(
        alert_id=hashlib.sha256(event.encode()).hexdigest()[:32],
        budget=row.budget,
        bucket=row.bucket,
        threshold_ratio=share,
        used_ratio=row.used_ratio,
        spent_usd=row.spent_usd,
        reserved_usd=row.reserved_usd,
        limit_usd=row.limit_usd,
        window=budget.window.value,
        window_began_at=began,
        owner=row.owner,
        occurred_at=now,
    )


@contextmanager
def sent_alerts(state_dir: Path, now: datetime) -> Iterator[Sent]:
    """What was delivered, for one process at a time; written when the block ends, however it ends.

    Raises DataError when the file cannot be used, or another process holds it for long.
    """
    folder = make_state_folder(state_dir, FOLDER)
    path = folder / FILE
    try:
        with FileLock(folder / LOCK, timeout=_WAIT_S):
            sent = _read(path)
            try:
                yield sent
            finally:
                _forget(sent, now)
                _write(path, sent)
    except Timeout as error:
        raise DataError(
            "another process is sending alerts", where=str(path), hint="try again later"
        ) from error


def _read(path: Path) -> Sent:
    try:
        data = json.loads(path.read_bytes())
        if data["version"] != _VERSION:
            raise ValueError(f"version {data['version']}")  # noqa: TRY301 - one way out
        return Sent(dict(data["delivered"]), dict(data["reached"]))
    except FileNotFoundError:
        return Sent()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"what was sent cannot be read: {error}",
            where=str(path),
            hint="move the file away; then every alert that is true is sent once more",
        ) from error


def _write(path: Path, sent: Sent) -> None:
    content = {"version": _VERSION, "delivered": sent.delivered, "reached": sent.reached}
    try:
        write_atomically(path, json.dumps(content, indent=1, sort_keys=True).encode())
    except OSError as error:
        raise DataError(
            f"what was sent cannot be noted: {error.strerror or error}", where=str(path)
        ) from error


def _forget(sent: Sent, now: datetime) -> None:
    for key, at in list(sent.delivered.items()):
        if parse_utc(at) < now - _KEEP:
            del sent.delivered[key]
