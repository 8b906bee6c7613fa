"""The exact totals of what the emulator served, to hold reports against.

They are counters of their own, fed by what was truly done: nothing here is read from the logs, the
analytics or the bills, which may be late, lossy or wrong.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any

from wai_ops.emulator.served import Served
from wai_ops.emulator.store import Statement, Store, load_sql
from wai_ops.emulator.times import to_millis_text

DIMENSIONS = (
    "tenant",
    "workflow",
    "model",
    "prompt",
    "status_code",
    "cached",
    "gateway_id",
    "provider",
    "wholesale",
    "hour_at",
)
"""By what the totals can be told apart."""
_TOLD = ("tenant", "workflow", "model", "prompt", "status_code", "cached")
_ALL_TIME = ("", "~")
_FLAGS = ("cached", "wholesale")


@dataclass(slots=True, kw_only=True)
class Totals:
    """Sums over some part of what was served. Input includes cached, output includes reasoning."""

    requests: int = 0
    attempts: int = 0
    tokens_in: int = 0
    cached_tokens_in: int = 0
    tokens_out: int = 0
    reasoning_tokens_out: int = 0
    cost: Decimal = Decimal(0)
    neurons: Decimal = Decimal(0)
    unpriced_attempts: int = 0
    """Attempts whose price nobody knows: they are in no sum of cost or neurons."""

    def add(self, row: sqlite3.Row) -> None:
        """Add one stored counter."""
        for field in fields(self):
            value = row[field.name]
            amount = Decimal(value) if field.name in {"cost", "neurons"} else value
            setattr(self, field.name, getattr(self, field.name) + amount)

    def to_json(self) -> dict[str, Any]:
        """As the API tells it: decimals as strings, in dollars and neurons."""
        told = {field.name: getattr(self, field.name) for field in fields(self)}
        told["cost_usd"] = format(told.pop("cost"), "f")
        told["neurons"] = format(self.neurons, "f")
        return told


def to_counters(served: Served) -> Statement:
    """What counts one attempt."""
    hour = served.at.replace(minute=0, second=0, microsecond=0)
    is_unpriced = served.cost_usd is None
    values = {
        "hour_at": to_millis_text(hour),
        "gateway_id": served.gateway_id or "",
        "tenant": served.labels.tenant,
        "workflow": served.labels.workflow,
        "prompt": served.labels.prompt,
        "provider": served.provider,
        "model": served.model,
        "status_code": served.status_code,
        "cached": served.cached,
        "wholesale": served.wholesale,
        "requests": int(served.ends_request),
        "attempts": int(served.attempted),
        "tokens_in": served.tokens_in,
        "cached_tokens_in": served.cached_tokens_in,
        "tokens_out": served.tokens_out,
        "reasoning_tokens_out": served.reasoning_tokens_out,
        "cost": format(served.cost_usd or Decimal(0), "f"),
        "neurons": format(served.neurons or Decimal(0), "f"),
        "unpriced_attempts": int(is_unpriced),
    }
    return "add_truth", values


class Truth:
    """Reading the counters."""

    def __init__(self, store: Store) -> None:
        """Nothing is read yet."""
        self._store = store

    async def groups(
        self,
        dimensions: Sequence[str],
        *,
        start: datetime | None = None,
        finish: datetime | None = None,
    ) -> dict[tuple[Any, ...], Totals]:
        """Totals by the values of some of `DIMENSIONS`, of the hours from `start` to `finish`."""
        groups: dict[tuple[Any, ...], Totals] = {}
        for row in await self._rows(start, finish):
            key = tuple(row[name] for name in dimensions)
            groups.setdefault(key, Totals()).add(row)
        return groups

    async def told(
        self, *, start: datetime | None = None, finish: datetime | None = None
    ) -> dict[str, Any]:
        """Everything at once: the grand totals, and those by each of the usual dimensions."""
        rows = await self._rows(start, finish)
        totals = Totals()
        groups: dict[str, dict[Any, Totals]] = {name: {} for name in _TOLD}
        for row in rows:
            totals.add(row)
            for name, found in groups.items():
                found.setdefault(row[name], Totals()).add(row)
        return {
            "totals": totals.to_json(),
            "by": {
                name: [
                    {name: told_value(name, value), **found[value].to_json()}
                    for value in sorted(found)
                ]
                for name, found in groups.items()
            },
        }

    async def _rows(self, start: datetime | None, finish: datetime | None) -> list[sqlite3.Row]:
        values = {
            "start": _ALL_TIME[0] if start is None else to_millis_text(start),
            "finish": _ALL_TIME[1] if finish is None else to_millis_text(finish),
        }
        return await self._store.read(
            lambda connection: connection.execute(load_sql("get_truth"), values).fetchall()
        )


def told_value(name: str, value: Any) -> Any:
    """A dimension's value as the API tells it: flags as such, a label that was not sent as null."""
    if name in _FLAGS:
        return bool(value)
    return None if value == "" else value
