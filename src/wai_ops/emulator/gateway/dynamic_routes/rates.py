"""The counters behind the rate nodes of routes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from wai_ops.emulator.gateway.dynamic_routes.conditions import find
from wai_ops.emulator.gateway.dynamic_routes.elements import RateNode
from wai_ops.emulator.gateway.labels import to_text
from wai_ops.emulator.gateway.windows import WindowCounters

_ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class RateKey:
    """One budget of one node: what a walk has passed, and a finished call is counted in."""

    route: str
    node: RateNode
    value: str


class RouteRates:
    """Counts of one gateway's routes. A route's name and a node's id make a counter."""

    def __init__(self) -> None:
        """Nothing has passed."""
        self._counters = WindowCounters()

    def key(self, route: str, node: RateNode, scope: Mapping[str, Any]) -> RateKey | None:
        """The budget that a request draws on; None when it lacks the field: it is not limited."""
        value = find(node.key, scope)
        return (
            RateKey(route, node, to_text(value)) if isinstance(value, str | int | float) else None
        )

    def admit(self, key: RateKey, now: datetime) -> bool:
        """Whether the request may pass. Where calls are counted, this one is counted with it."""
        node = key.node
        place = (key.route, node.id, key.value)
        spent = self._counters.spent(place, node.window_s, node.technique, now)
        if node.is_cost:
            return spent < node.limit
        if spent + _ONE > node.limit:
            return False
        self._counters.add(place, node.window_s, _ONE, now)
        return True

    def settle(
        self,
        passed: Iterable[RateKey],
        cost_usd: Decimal | None,
        now: datetime,
        *,
        delay_s: float = 0.0,
    ) -> None:
        """Count what a finished call cost in the `cost` nodes that it passed on its way."""
        if cost_usd is None or cost_usd <= 0:
            return
        for key in passed:
            if key.node.is_cost:
                place = (key.route, key.node.id, key.value)
                self._counters.add(place, key.node.window_s, cost_usd, now, delay_s=delay_s)

    def snapshot(self) -> list[list[Any]]:
        """All counters as JSON can hold them."""
        return self._counters.snapshot()

    def restore(self, rows: list[list[Any]]) -> None:
        """Take back what `snapshot` gave."""
        self._counters.restore(rows)
