"""Gateways: their settings, the one that creates itself, and lookups that cost nothing."""

import json
import re
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wai_ops.core.clock import Clock
from wai_ops.emulator.control.documents import Documents, Table, gateway_parent
from wai_ops.emulator.errors import invalid_query, no_such_gateway, not_found
from wai_ops.emulator.gateway.dynamic_routes.graph import Route
from wai_ops.emulator.gateway.policies.policy import Policy
from wai_ops.emulator.gateway.policy_book import PolicyBook
from wai_ops.emulator.gateway.route_book import RouteBook
from wai_ops.emulator.gateway.setting_fields import DEFAULT_SETTINGS
from wai_ops.emulator.store import Store, load_sql
from wai_ops.emulator.times import to_millis_text

__all__ = ["DEFAULT_GATEWAY", "DEFAULT_SETTINGS", "GatewaySettings", "Gateways"]

DEFAULT_GATEWAY = "default"
MAX_GATEWAYS = 20
"""An account's, on a paid plan."""
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings:
    """What a gateway is told to do, in the words of the API."""

    id: str
    authentication: bool
    byok_only: bool
    cache_invalidate_on_update: bool
    cache_ttl: int | None
    collect_logs: bool
    dlp: Any
    guardrails: Any
    log_classification: bool
    log_management: int | None
    log_management_strategy: str | None
    logpush: bool
    logpush_public_key: str | None
    otel: Any
    rate_limiting_interval: int | None
    rate_limiting_limit: int | None
    rate_limiting_technique: str
    retry_backoff: str | None
    retry_delay: int | None
    retry_max_attempts: int | None
    spend_limits: Any
    store_id: str | None
    stripe: Any
    workers_ai_billing_mode: str
    zdr: bool


class Gateways:
    """Which gateways exist. Known ones are remembered, because every model call asks."""

    def __init__(self, store: Store, clock: Clock) -> None:
        """Nothing is read yet."""
        self._store = store
        self._clock = clock
        self._known: dict[str, GatewaySettings] = {}
        self.documents = Documents(store, clock)
        self.policies = PolicyBook(self.documents)
        self.routes = RouteBook(self.documents)

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

    async def policies_for(self, gateway_id: str) -> tuple[Policy, ...]:
        """The policies that a request meets now; empty when the gateway has none."""
        return await self.policies.seen(gateway_id, self._clock.now())

    async def route_for(self, gateway_id: str, name: str) -> Route | None:
        """The deployed version of a dynamic route; None when nothing is served by that name."""
        return await self.routes.served(gateway_id, name)

    async def get(self, gateway_id: str) -> dict[str, Any] | None:
        """One gateway as the API shows it."""
        return await self._store.read(lambda connection: _get(connection, gateway_id))

    async def page(
        self, *, search: str, page: int, per_page: int
    ) -> tuple[list[dict[str, Any]], int]:
        """One page of gateways, and how many there are in all."""
        values = {"search": search, "per_page": per_page, "skipped": (page - 1) * per_page}
        rows = await self._store.read(
            lambda connection: connection.execute(load_sql("list_gateways"), values).fetchall()
        )
        return [_to_json(row) for row in rows], rows[0]["total_count"] if rows else 0

    async def create(self, gateway_id: str, settings: Mapping[str, Any]) -> dict[str, Any]:
        """A new gateway with complete settings. Raises 400/7001."""
        if not _ID.match(gateway_id):
            raise invalid_query("id must be 1 to 64 letters, digits, dashes and underscores")

        def insert(table: Table) -> dict[str, Any] | None:
            connection = table.connection
            if _get(connection, gateway_id) is not None:
                raise invalid_query(f"a gateway with the id {gateway_id!r} already exists")
            count = connection.execute(load_sql("control/count_gateways")).fetchone()[0]
            if count >= MAX_GATEWAYS:
                raise invalid_query(f"an account has at most {MAX_GATEWAYS} gateways")
            values = {"id": gateway_id, "settings": json.dumps(settings), "created_at": table.at}
            connection.execute(load_sql("insert_gateway"), values)
            return _get(connection, gateway_id)

        created = await self.documents.change(insert)
        assert created is not None
        return created

    async def replace(self, gateway_id: str, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Give a gateway complete new settings. Raises 404/7002."""

        def update(table: Table) -> dict[str, Any] | None:
            values = {"id": gateway_id, "settings": json.dumps(settings), "at": table.at}
            table.connection.execute(load_sql("control/replace_gateway"), values)
            return _get(table.connection, gateway_id)

        replaced = await self.documents.change(update)
        self._known.pop(gateway_id, None)
        if replaced is None:
            raise not_found("Gateway")
        return replaced

    async def delete(self, gateway_id: str) -> None:
        """Delete a gateway with its log rows and all that belongs to it. Raises 404/7002."""

        def delete(table: Table) -> None:
            values = {"id": gateway_id}
            if table.connection.execute(load_sql("control/delete_gateway"), values).rowcount == 0:
                raise not_found("Gateway")
            table.connection.execute(load_sql("control/delete_gateway_logs"), values)
            table.delete_below(gateway_parent(gateway_id))

        await self.documents.change(delete)
        self.forget(gateway_id)

    def forget(self, gateway_id: str) -> None:
        """Read everything about a gateway anew when it is next needed."""
        self._known.pop(gateway_id, None)
        self.policies.forget(gateway_id)
        self.routes.forget(gateway_id)


def _get(connection: sqlite3.Connection, gateway_id: str) -> dict[str, Any] | None:
    row = connection.execute(load_sql("get_gateway"), {"id": gateway_id}).fetchone()
    return None if row is None else _to_json(row)


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
