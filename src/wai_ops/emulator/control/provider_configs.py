"""Stored provider keys of a gateway, and an account's own providers."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from wai_ops.core.ids import uuid7
from wai_ops.emulator.answers import envelope, json_response
from wai_ops.emulator.control.documents import ACCOUNT, Document, Table, gateway_parent
from wai_ops.emulator.control.gateways_api import require_gateway
from wai_ops.emulator.control.requests import Fields, flag_param, found, paged, read_fields
from wai_ops.emulator.errors import invalid_query, not_found
from wai_ops.emulator.gateway.stored_keys import PROVIDER_CONFIG
from wai_ops.emulator.services import Services

_CUSTOM = "custom_provider"
_PREVIEW_LENGTH = 4


async def list_configs(services: Services, request: Request) -> Response:
    """`GET .../provider_configs`: never the secrets themselves."""
    gateway_id = await require_gateway(services, request)
    documents = await services.gateways.documents.read(
        lambda table: table.all(PROVIDER_CONFIG, gateway_parent(gateway_id))
    )
    return paged(request, [_config(gateway_id, document) for document in documents])


async def create_config(services: Services, request: Request) -> Response:
    """`POST .../provider_configs`: a secret is stored as a preview alone; nothing would use it."""
    gateway_id = await require_gateway(services, request)
    fields = await read_fields(request)
    slug, alias = fields.text("provider_slug", most=100), fields.text("alias", most=100)
    body: dict[str, Any] = {
        "provider_slug": slug,
        "alias": alias,
        "default_config": fields.flag("default_config"),
        **_secret(fields, f"{gateway_id}_{slug}_{alias}"),
    }
    for name in ("rate_limit", "rate_limit_period"):
        if name in fields:
            body[name] = fields.number(name)
    config_id = uuid7(services.clock.now())

    def create(table: Table) -> Document:
        parent = gateway_parent(gateway_id)
        for other in table.all(PROVIDER_CONFIG, parent):
            if (other.body["provider_slug"], other.body["alias"]) == (slug, alias):
                raise invalid_query(f"{slug} has a key with the alias {alias!r} already")
        return table.put(PROVIDER_CONFIG, parent, config_id, body)

    created = await services.gateways.documents.change(create)
    return json_response(envelope(_config(gateway_id, created)))


async def list_custom(services: Services, request: Request) -> Response:
    """`GET /ai-gateway/custom-providers`."""
    wanted = {name: flag_param(request, name) for name in ("beta", "enable")}
    search = request.query_params.get("search", "").lower()
    documents = await services.gateways.documents.read(lambda table: table.all(_CUSTOM))
    rows = [document.to_json() for document in documents]
    return paged(
        request,
        [
            row
            for row in rows
            if all(value is None or row[name] is value for name, value in wanted.items())
            and any(search in str(row[name]).lower() for name in ("id", "name", "slug"))
        ],
    )


async def create_custom(services: Services, request: Request) -> Response:
    """`POST /ai-gateway/custom-providers`."""
    fields = await read_fields(request)
    body: dict[str, Any] = {name: fields.text(name) for name in ("name", "slug", "base_url")}
    if not body["base_url"].startswith("https://"):
        raise invalid_query("base_url must begin with https://")
    for name in ("beta", "enable"):
        body[name] = fields.optional(fields.flag, name, default=False)
    for name in ("curl_example", "description", "headers", "js_example", "link", "logo"):
        body[name] = fields.nullable(lambda key: fields.text(key, least=0), name)
    body["position"] = fields.nullable(fields.whole, "position")
    provider_id = uuid7(services.clock.now())

    def create(table: Table) -> Document:
        if any(other.body["slug"] == body["slug"] for other in table.all(_CUSTOM)):
            raise invalid_query(f"a custom provider with the slug {body['slug']!r} exists already")
        return table.put(_CUSTOM, ACCOUNT, provider_id, body)

    created = await services.gateways.documents.change(create)
    return json_response(envelope(created.to_json()))


async def get_custom(services: Services, request: Request) -> Response:
    """`GET /ai-gateway/custom-providers/{id}`."""
    document = await services.gateways.documents.read(lambda table: _custom(table, request))
    return json_response(envelope(document.to_json()))


async def delete_custom(services: Services, request: Request) -> Response:
    """`DELETE /ai-gateway/custom-providers/{id}`."""

    def delete(table: Table) -> Document:
        document = _custom(table, request)
        table.delete(_CUSTOM, ACCOUNT, document.id)
        return document

    gone = await services.gateways.documents.change(delete)
    return json_response(envelope(gone.to_json()))


def _custom(table: Table, request: Request) -> Document:
    document = table.get(_CUSTOM, ACCOUNT, request.path_params["provider_id"])
    return found(document, not_found("Custom provider"))


def _secret(fields: Fields, stored_as: str) -> dict[str, str]:
    if "secret" in fields:
        secret = fields.text("secret")
        preview = secret[-_PREVIEW_LENGTH:] if len(secret) > 2 * _PREVIEW_LENGTH else ""
        return {"secret_id": stored_as, "secret_preview": f"...{preview}"}
    secret_id = fields.optional(fields.text, "secret_id", default="")
    return {"secret_id": secret_id, "secret_preview": ""}


def _config(gateway_id: str, document: Document) -> dict[str, Any]:
    row = document.to_json()
    del row["created_at"]
    return {"gateway_id": gateway_id, **row}
