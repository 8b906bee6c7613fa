"""Creating, changing and deleting gateways, and the addresses at which they answer."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from wai_ops.emulator.answers import envelope, json_response
from wai_ops.emulator.control.requests import found, read_fields
from wai_ops.emulator.errors import invalid_query, not_found
from wai_ops.emulator.gateway.setting_fields import decode_settings
from wai_ops.emulator.services import Services

PROVIDERS = ("workers-ai", "compat")
"""Those that the emulator answers for."""


async def require_gateway(services: Services, request: Request) -> str:
    """The id of the gateway that the path names. Raises 404/7002."""
    gateway_id: str = request.path_params["gateway_id"]
    found(await services.gateways.get(gateway_id), not_found("Gateway"))
    return gateway_id


async def create_gateway(services: Services, request: Request) -> Response:
    """`POST /ai-gateway/gateways`."""
    fields = await read_fields(request)
    fields.require("id")
    created = await services.gateways.create(fields.text("id", most=64), decode_settings(fields))
    return json_response(envelope(created))


async def replace_gateway(services: Services, request: Request) -> Response:
    """`PUT /ai-gateway/gateways/{id}`: a full replace; what is left out goes to its default."""
    gateway_id = await require_gateway(services, request)
    settings = decode_settings(await read_fields(request))
    return json_response(envelope(await services.gateways.replace(gateway_id, settings)))


async def delete_gateway(services: Services, request: Request) -> Response:
    """`DELETE /ai-gateway/gateways/{id}`, with its log rows and all that belongs to it."""
    gateway_id = request.path_params["gateway_id"]
    gone = found(await services.gateways.get(gateway_id), not_found("Gateway"))
    await services.gateways.delete(gateway_id)
    return json_response(envelope(gone))


async def get_url(services: Services, request: Request) -> Response:
    """`GET .../gateways/{id}/url/{provider}`: the address of a provider behind the gateway."""
    gateway_id = await require_gateway(services, request)
    provider = request.path_params["provider"]
    if provider not in PROVIDERS:
        raise invalid_query(f"provider must be one of {', '.join(PROVIDERS)}")
    return json_response(envelope(_url(services, request, gateway_id, provider)))


def _url(services: Services, request: Request, gateway_id: str, provider: str) -> Any:
    account = services.store.identity.account_id
    return f"http://{request.headers['host']}/v1/{account}/{gateway_id}/{provider}"
