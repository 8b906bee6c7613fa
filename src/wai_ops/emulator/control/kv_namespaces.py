"""KV namespaces: create, list, rename, delete."""

import secrets
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from wai_ops.emulator.answers import envelope, json_response
from wai_ops.emulator.control.documents import ACCOUNT, Document, Table
from wai_ops.emulator.control.kv_rules import (
    MAX_NAMESPACES,
    MAX_TITLE,
    invalid,
    namespace_not_found,
    title_taken,
)
from wai_ops.emulator.control.requests import found, paged, read_fields
from wai_ops.emulator.errors import ApiError
from wai_ops.emulator.services import Services
from wai_ops.emulator.store import load_sql

NAMESPACE = "kv_namespace"
_JURISDICTIONS = ("eu", "fedramp", "us")


async def list_namespaces(services: Services, request: Request) -> Response:
    """`GET /storage/kv/namespaces`."""
    params = request.query_params
    order, direction = params.get("order", "id"), params.get("direction", "asc")
    if order not in ("id", "title") or direction not in ("asc", "desc"):
        raise invalid("order is id or title, direction asc or desc")
    documents = await services.gateways.documents.read(lambda table: table.all(NAMESPACE))
    rows = [_to_json(document) for document in documents]
    rows.sort(key=lambda row: str(row[order]), reverse=direction == "desc")
    return paged(request, rows, most=MAX_NAMESPACES)


async def create_namespace(services: Services, request: Request) -> Response:
    """`POST /storage/kv/namespaces`."""
    fields = await read_fields(request, invalid)
    body: dict[str, Any] = {"title": fields.text("title", most=MAX_TITLE)}
    if where := fields.nullable(lambda key: fields.choice(key, _JURISDICTIONS), "jurisdiction"):
        body["jurisdiction"] = where

    def create(table: Table) -> Document:
        if table.count(NAMESPACE) >= MAX_NAMESPACES:
            raise ApiError(403, 10001, f"an account has at most {MAX_NAMESPACES} namespaces")
        _refuse_taken(table, body["title"])
        return table.put(NAMESPACE, ACCOUNT, secrets.token_hex(16), body)

    created = await services.gateways.documents.change(create)
    return json_response(envelope(_to_json(created)))


async def get_namespace(services: Services, request: Request) -> Response:
    """`GET /storage/kv/namespaces/{id}`."""
    namespace_id = request.path_params["namespace_id"]
    document = await services.gateways.documents.read(
        lambda table: require_namespace(table, namespace_id)
    )
    return json_response(envelope(_to_json(document)))


async def rename_namespace(services: Services, request: Request) -> Response:
    """`PUT /storage/kv/namespaces/{id}`."""
    namespace_id = request.path_params["namespace_id"]
    title = (await read_fields(request, invalid)).text("title", most=MAX_TITLE)

    def rename(table: Table) -> Document:
        document = require_namespace(table, namespace_id)
        _refuse_taken(table, title, but=namespace_id)
        return table.put(NAMESPACE, ACCOUNT, namespace_id, {**document.body, "title": title})

    renamed = await services.gateways.documents.change(rename)
    return json_response(envelope(_to_json(renamed)))


async def delete_namespace(services: Services, request: Request) -> Response:
    """`DELETE /storage/kv/namespaces/{id}`, with all of its pairs."""
    namespace_id = request.path_params["namespace_id"]

    def delete(table: Table) -> None:
        require_namespace(table, namespace_id)
        values = {"namespace_id": namespace_id}
        table.connection.execute(load_sql("control/kv_delete_all"), values)
        table.delete(NAMESPACE, ACCOUNT, namespace_id)

    await services.gateways.documents.change(delete)
    return json_response(envelope({}))


def require_namespace(table: Table, namespace_id: str) -> Document:
    """The namespace. Raises 404/10013."""
    return found(table.get(NAMESPACE, ACCOUNT, namespace_id), namespace_not_found())


def _refuse_taken(table: Table, title: str, but: str = "") -> None:
    for other in table.all(NAMESPACE):
        if other.body["title"] == title and other.id != but:
            raise title_taken()


def _to_json(document: Document) -> dict[str, Any]:
    return {"id": document.id, **document.body, "supports_url_encoding": True}
