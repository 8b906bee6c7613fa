"""What the official client's own tests expect to find: the resources that they name.

Those tests were written for a mock that knows any id. Here every one of their requests meets the
same fixtures, whatever the test before it has changed or deleted.
"""

import json
from decimal import Decimal
from typing import Any

from wai_ops.emulator.control.documents import ACCOUNT, Table, gateway_parent
from wai_ops.emulator.gateway.log_bodies import Bodies
from wai_ops.emulator.gateway.log_row import LogRow
from wai_ops.emulator.gateway.route_book import DEPLOYMENT, ROUTE, VERSION, route_parent
from wai_ops.emulator.gateway.setting_fields import DEFAULT_SETTINGS
from wai_ops.emulator.store import load_sql

GATEWAY = "my-gateway"
NUMBERED = "54442216"
"""The gateway, route and version of the tests of dynamic routes."""
_GATEWAYS = (GATEWAY, NUMBERED)
LOG = "id"
NAMESPACE = "0f2ac74b498b48028cb68387c421e279"
_TITLE = "My Own Namespace"
_CUSTOM_PROVIDER = "182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e"
_ELEMENTS = [
    {"id": "id", "type": "start", "outputs": {"next": {"elementId": "end"}}},
    {"id": "end", "type": "end", "outputs": {}},
]
_FILTERS = [{"key": "created_at", "operator": "eq", "value": ["string"]}]


def restore(table: Table, method: str, path: str) -> None:
    """Put the fixtures back. `path` is below the account; what it creates is taken away before."""
    _restore_gateways(table)
    _restore_kv(table)
    _restore_custom_provider(table)
    if method == "POST" and path == "/ai-gateway/gateways":
        table.connection.execute(load_sql("control/delete_gateway"), {"id": GATEWAY})


def _restore_gateways(table: Table) -> None:
    for gateway_id in _GATEWAYS:
        table.delete_below(gateway_parent(gateway_id))
        for statement in ("delete_gateway", "delete_gateway_logs"):
            table.connection.execute(load_sql(f"control/{statement}"), {"id": gateway_id})
        values = {
            "id": gateway_id,
            "settings": json.dumps(DEFAULT_SETTINGS),
            "created_at": table.at,
        }
        table.connection.execute(load_sql("insert_gateway"), values)
    parent = gateway_parent(GATEWAY)
    dataset: dict[str, Any] = {"name": "fixture", "enable": True, "filters": _FILTERS}
    for dataset_id in ("id", "string"):
        table.put("dataset", parent, dataset_id, dataset)
    evaluation = {
        "name": "fixture",
        "datasets": [],
        "results": [],
        "processed": False,
        "total_logs": 0,
    }
    table.put("evaluation", parent, "id", evaluation)
    _restore_route(table)
    _restore_log(table)


def _restore_route(table: Table) -> None:
    parent = route_parent(NUMBERED, NUMBERED)
    table.put(ROUTE, gateway_parent(NUMBERED), NUMBERED, {"name": "fixture"})
    table.put(VERSION, parent, NUMBERED, {"elements": _ELEMENTS})
    table.put(DEPLOYMENT, parent, NUMBERED, {"version_id": NUMBERED})


def _restore_log(table: Table) -> None:
    bodies = Bodies(request=b'{"prompt":"x"}', response=b'{"result":{"response":"x"}}')
    row = LogRow(
        id=LOG,
        gateway_id=GATEWAY,
        event_id=LOG,
        created_at=table.at,
        model="@cf/meta/llama-3.1-8b-instruct",
        path="run/@cf/meta/llama-3.1-8b-instruct",
        status_code=200,
        duration=1,
        latency=1,
        request_size=len(bodies.request),
        response_size=len(bodies.response),
        request_content_type="application/json",
        response_content_type="application/json",
        success=True,
        request_head=bodies.request.decode(),
        response_head=bodies.response.decode(),
        tokens_in=1,
        tokens_out=1,
        cost=Decimal(0),
    )
    statement, values = bodies.to_statement(LOG)
    table.connection.execute(load_sql("insert_log"), row.to_columns())
    table.connection.execute(load_sql(statement), values)


def _restore_kv(table: Table) -> None:
    for namespace in table.all("kv_namespace"):
        if namespace.id == NAMESPACE or namespace.body["title"] == _TITLE:
            table.delete("kv_namespace", ACCOUNT, namespace.id)
            values: dict[str, Any] = {"namespace_id": namespace.id}
            table.connection.execute(load_sql("control/kv_delete_all"), values)
    table.put("kv_namespace", ACCOUNT, NAMESPACE, {"title": "fixture"})
    pair = {
        "namespace_id": NAMESPACE,
        "key": "My-Key",
        "value": b"Some string",
        "metadata": "{}",
        "expires_at": None,
        "now": 0.0,
    }
    table.connection.execute(load_sql("control/kv_put"), pair)


def _restore_custom_provider(table: Table) -> None:
    for provider in table.all("custom_provider"):
        if provider.body["slug"] in ("slug", "fixture"):
            table.delete("custom_provider", ACCOUNT, provider.id)
    texts = ("curl_example", "description", "headers", "js_example", "link", "logo")
    body: dict[str, Any] = {"name": "fixture", "slug": "fixture", "base_url": "https://example.com"}
    body |= {"beta": False, "enable": False, "position": None, **dict.fromkeys(texts)}
    table.put("custom_provider", ACCOUNT, _CUSTOM_PROVIDER, body)
