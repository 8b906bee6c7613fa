"""The endpoints that run models: they read a request, hand it over, and see that it is recorded."""

from collections.abc import Mapping
from typing import Any

from wai_ops.emulator.answers import ClientGoneError, Receive, Scope, Send, read_body
from wai_ops.emulator.decoding import decode_json
from wai_ops.emulator.errors import ApiError, incomplete, too_large
from wai_ops.emulator.gateway.dynamic_routes.walk import RouteRequest, walk
from wai_ops.emulator.gateway.exchange import (
    CLIENT_CLOSED,
    Exchange,
    Gateway,
    begin_exchange,
    gateway_of,
)
from wai_ops.emulator.gateway.options import Retries
from wai_ops.emulator.gateway.pipeline import Pipeline, refuse
from wai_ops.emulator.gateway.refusals import (
    credential_rejected,
    no_gateway_token,
    no_such_alias,
    no_such_route,
)
from wai_ops.emulator.gateway.settings import GatewaySettings
from wai_ops.emulator.gateway.steps import Step, Steps, in_order, route_steps, universal_steps
from wai_ops.emulator.gateway.stored_keys import has_key
from wai_ops.emulator.identity import Identity, Permission, Principal
from wai_ops.emulator.inference.disconnect import Client, watch_client
from wai_ops.emulator.inference.parse import decode_body
from wai_ops.emulator.inference.surfaces import (
    COMPAT,
    RUN,
    UNIFIED,
    UNIVERSAL,
    WORKERS_AI,
    Surface,
    log_path,
    read_requested,
)
from wai_ops.emulator.services import Services

_SECRET_HEADERS = frozenset({b"authorization", b"cf-aig-authorization"})
MAX_BODY_BYTES = 32 * 1024 * 1024
"""The provider refuses what is too large and does not say from where on; this is our figure."""


class InferenceEndpoint:
    """An ASGI application for one surface."""

    def __init__(self, services: Services, surface: Surface, pipeline: Pipeline) -> None:
        """Nothing runs yet."""
        self._services = services
        self._surface = surface
        self._pipeline = pipeline

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; whatever happens, its gateway gets a row an attempt."""
        params: Mapping[str, str] = scope["path_params"]
        headers: Mapping[bytes, bytes] = scope["wai.headers"]
        identity = self._services.store.identity
        if self._surface.on_gateway_host:
            _enter_gateway_host(identity, headers, params["account_id"])
            gateway_id: str | None = params["gateway_id"]
        else:
            principal: Principal = scope["wai.principal"]
            identity.check(principal, Permission.WORKERS_AI_EDIT, params["account_id"])
            gateway_id = gateway_of(headers)
        await self._services.store.room()
        path = log_path(self._surface, params.get("model"))
        exchange = await begin_exchange(self._services, headers, path, gateway_id)
        exchange.is_rest_run = self._surface in (RUN, UNIFIED)
        exchange.is_compat = self._surface is COMPAT
        client = Client()
        try:
            await self._run(exchange, client, params.get("model"), receive, send)
        except ClientGoneError:
            exchange.record(exchange.current, CLIENT_CLOSED)
        except ApiError as error:
            refuse(exchange, error)
            raise
        except BaseException:  # a bug, or the server is being stopped: the row is written anyway
            exchange.record(exchange.current, 500)
            raise

    async def _run(
        self,
        exchange: Exchange,
        client: Client,
        path_model: str | None,
        receive: Receive,
        send: Send,
    ) -> None:
        raw = await read_body(receive, MAX_BODY_BYTES)
        exchange.current.model = path_model or ""
        if raw is None:
            raise too_large(MAX_BODY_BYTES)
        exchange.request_body = raw
        if self._surface.on_gateway_host:
            assert exchange.gateway is not None
            settings = exchange.gateway.settings
            _check_credentials(self._services.store.identity, exchange.headers, settings)
            exchange.has_own_credential = b"authorization" in exchange.headers
            await self._choose_key(exchange, exchange.gateway)
        steps = await self._steps(exchange, path_model, raw)
        async with watch_client(receive, client):
            await self._pipeline.run(exchange, steps, client, send)

    async def _choose_key(self, exchange: Exchange, gateway: Gateway) -> None:
        """The stored key that the request names. Raises 400/2040 when there is none."""
        alias = gateway.options.byok_alias
        if alias is None or exchange.has_own_credential:
            return
        exchange.has_own_credential = await has_key(
            self._services.gateways.documents, gateway.settings.id, provider=WORKERS_AI, alias=alias
        )
        if not exchange.has_own_credential:
            raise no_such_alias(alias)

    async def _steps(self, exchange: Exchange, path_model: str | None, raw: bytes) -> Steps:
        """Who is to be asked. Raises ApiError."""
        options = None if exchange.gateway is None else exchange.gateway.options
        retries = Retries() if options is None else options.retries
        timeout_ms = None if options is None else options.timeout_ms
        if self._surface is UNIVERSAL:
            exchange.is_routed = True
            entries = universal_steps(_decoded(raw), retries=retries, timeout_ms=timeout_ms)
            return in_order(tuple(entries))
        requested = read_requested(self._surface, path_model, decode_body(raw))
        exchange.current.model = requested.model
        if self._surface is COMPAT and requested.route is not None:
            return await self._route(exchange, requested.route, requested.body)
        step = Step(
            shape=self._surface.shape,
            model=requested.model,
            body=requested.body,
            path=exchange.path,
            retries=retries,
            timeout_ms=timeout_ms,
        )
        return in_order((step,))

    async def _route(self, exchange: Exchange, name: str, body: Mapping[str, Any]) -> Steps:
        """The way through a dynamic route. Raises 7003."""
        services, gateway = self._services, exchange.gateway
        assert gateway is not None
        route = await services.gateways.route_for(gateway.settings.id, name)
        if route is None:
            raise no_such_route(name)
        exchange.is_routed = True
        headers = {
            key.decode("latin-1"): value.decode("latin-1")
            for key, value in exchange.headers.items()
            if key not in _SECRET_HEADERS
        }
        walked = walk(
            route,
            name=name,
            request=RouteRequest(body=body, headers=headers, metadata=gateway.metadata or {}),
            rates=services.budgets.of(gateway.settings.id).rates,
            rng=services.route_rng,
            now=services.clock.now,
        )
        return route_steps(walked, body=body, path=exchange.path)


def _decoded(raw: bytes) -> Any:
    try:
        return decode_json(raw)
    except ValueError:
        raise incomplete("the body is not valid JSON") from None


def _enter_gateway_host(
    identity: Identity, headers: Mapping[bytes, bytes], account_id: str
) -> None:
    """Someone known must be at the door. Raises 401/2009."""
    token = headers.get(b"cf-aig-authorization", headers.get(b"authorization"))
    try:
        principal = identity.authenticate(token)
        identity.check(principal, None, account_id)
    except ApiError:
        raise no_gateway_token() from None


def _check_credentials(
    identity: Identity, headers: Mapping[bytes, bytes], settings: GatewaySettings
) -> None:
    """The gateway's own token, then the provider's credential. Raises 401/2009.

    Without a credential of its own the request runs on the gateway's account.
    """
    own, credential = headers.get(b"cf-aig-authorization"), headers.get(b"authorization")
    if own is None and settings.authentication:
        raise no_gateway_token()
    if own is not None:
        principal = identity.authenticate(own)
        if Permission.GATEWAY_RUN not in principal.permissions:
            raise no_gateway_token()
    if credential is not None:
        try:
            identity.check(
                identity.authenticate(credential),
                Permission.WORKERS_AI_EDIT,
                identity.account_id,
            )
        except ApiError:
            raise credential_rejected() from None
