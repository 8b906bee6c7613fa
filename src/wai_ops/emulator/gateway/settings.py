"""Gateways: their settings, the one that creates itself, and lookups that cost nothing."""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wai_ops.core.clock import Clock
from wai_ops.emulator.errors import no_such_gateway
from wai_ops.emulator.store import Store, load_sql
from wai_ops.emulator.times import to_millis_text

DEFAULT_GATEWAY = "default"
DEFAULT_SETTINGS: Mapping[str, Any] = {
    "authentication": True,
    "byok_only": False,
    "cache_invalidate_on_update": False,
    "cache_ttl": 0,
    "collect_logs": True,
    "dlp": None,
    "guardrails": None,
    "log_classification": False,
    "log_management": None,
    "log_management_strategy": None,
    "logpush": False,
    "logpush_public_key": None,
    "otel": None,
    "rate_limiting_interval": 0,
    "rate_limiting_limit": 0,
    "rate_limiting_technique": "fixed",
    "retry_backoff": None,
    "retry_delay": None,
    "retry_max_attempts": None,
    "spend_limits": {"enabled": False, "rules": []},
    "store_id": None,
    "stripe": None,
    "workers_ai_billing_mode": "postpaid",
    "zdr": False,
}
"""What the provider gives a gateway that created itself: authenticated, logged, no cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings:
    """What a gateway is told to do, in the words of the API."""

    id: str
    authentication: bool
    byok_only: bool
    cache_ttl: int | None
    collect_logs: bool
    dlp: Any
    guardrails: Any
    log_management: int | None
    log_management_strategy: str | None
    rate_limiting_interval: int | None
    rate_limiting_limit: int | None
    rate_limiting_technique: str
    retry_backoff: str | None
    retry_delay: int | None
    retry_max_attempts: int | None
    spend_limits: Any
    workers_ai_billing_mode: str


class Gateways:
    """Which gateways exist. Known ones are remembered, because every model call asks."""

    def __init__(self, store: Store, clock: Clock) -> None:
        """Nothing is read yet."""
        self._store = store
        self._clock = clock
        self._known: dict[str, GatewaySettings] = {}

    async def require(self, gateway_id: str) -> GatewaySettings:
        """Make sure that a model call's gateway exists. Raises 400/2001.

        The default one is created by the first request that names it.
        """
        if (known := self._known.get(gateway_id)) is not None:
            return known
        if gateway_id == DEFAULT_GATEWAY:
            self._store.write(
                "insert_gateway",
                {
                    "id": gateway_id,
                    "settings": json.dumps(DEFAULT_SETTINGS),
                    "created_at": to_millis_text(self._clock.now()),
                },
            )
        found = await self.get(gateway_id)
        if found is None:
            raise no_such_gateway(gateway_id)
        settings = GatewaySettings(**{name: found[name] for name in GatewaySettings.__slots__})
        self._known[gateway_id] = settings
        return settings

    async def get(self, gateway_id: str) -> dict[str, Any] | None:
        """One gateway as the API shows it."""

        def query(connection: sqlite3.Connection) -> sqlite3.Row | None:
            found = connection.execute(load_sql("get_gateway"), {"id": gateway_id}).fetchone()
            return found if isinstance(found, sqlite3.Row) else None

        row = await self._store.read(query)
        return None if row is None else _to_json(row)

    async def page(
        self, *, search: str, page: int, per_page: int
    ) -> tuple[list[dict[str, Any]], int]:
        """One page of gateways, and how many there are in all."""
        values = {"search": search, "per_page": per_page, "skipped": (page - 1) * per_page}
        rows = await self._store.read(
            lambda connection: connection.execute(load_sql("list_gateways"), values).fetchall()
        )
        return [_to_json(row) for row in rows], rows[0]["total_count"] if rows else 0


def _to_json(row: sqlite3.Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        **json.loads(row["settings"]),
        "created_at": row["created_at"],
        "modified_at": row["modified_at"],
        "is_default": row["id"] == DEFAULT_GATEWAY,
        "internal": False,
        "wholesale": False,
    }
