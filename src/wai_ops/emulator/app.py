"""The ASGI application: the door that every request passes, and the routes behind it."""

import logging
import os
from collections.abc import Awaitable, Callable, MutableMapping
from functools import cached_property
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, Router

from wai_ops.core.errors import WaiError
from wai_ops.emulator import account, catalogue, knob_endpoints
from wai_ops.emulator.answers import Receive, Scope, Send, send_json, to_json_bytes
from wai_ops.emulator.control.api_rate import ApiRate
from wai_ops.emulator.errors import ApiError, no_route
from wai_ops.emulator.fault_wire import FaultLayer
from wai_ops.emulator.gateway.log_routes import log_routes
from wai_ops.emulator.gateway.log_row import COLO
from wai_ops.emulator.identity import Permission, check_local
from wai_ops.emulator.inference.binding import meant_host
from wai_ops.emulator.inference.routes import HOST_PREFIX, inference_routes
from wai_ops.emulator.number_routes import number_routes
from wai_ops.emulator.services import Services

API = "/client/v4"
_ACCOUNT = f"{API}/accounts/{{account_id}}"
_GATEWAYS = f"{_ACCOUNT}/ai-gateway/gateways"
_log = logging.getLogger(__name__)

_Handler = Callable[[Services, Request], Awaitable[Response]]


class App:
    """Checks Host, Origin and token; turns refusals into answers; marks every answer."""

    def __init__(self, services: Services) -> None:
        """Build the routes."""
        self._services = services
        self._rate = ApiRate()
        control = _ControlPlane(services)
        router = Router(_routes(services), redirect_slashes=False, default=control)
        self._router = FaultLayer(router, knobs=services.knobs, sleep=services.sleep)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        has_started = False

        async def marked_send(message: MutableMapping[str, Any]) -> None:
            nonlocal has_started
            if message["type"] == "http.response.start":
                has_started = True
                ray = f"{os.urandom(8).hex()}-{COLO}".encode()
                extra = scope.get("wai.rate_headers", ())
                message["headers"] = [*message["headers"], (b"cf-ray", ray), *extra]
            await send(message)

        try:
            await self._enter(scope, receive, marked_send)
        except ApiError as error:
            body = to_json_bytes(error.body())
            await send_json(marked_send, error.status, body, error.headers)
        except Exception as error:
            if has_started:
                raise
            is_bug = not isinstance(error, WaiError)
            _log.error("%s %s: %s", scope["method"], scope["path"], error, exc_info=is_bug)
            failed = ApiError(500, 10001, f"The emulator failed: {error}")
            await send_json(marked_send, failed.status, to_json_bytes(failed.body()))

    async def _enter(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = scope["wai.headers"] = dict(scope["headers"])
        check_local(meant_host(headers.get(b"host"), scope["path"]), headers.get(b"origin"))
        identity = self._services.store.identity
        if not scope["path"].startswith(HOST_PREFIX):  # there the token has another header
            scope["wai.principal"] = identity.authenticate(headers.get(b"authorization"))
        limits = self._services.knobs.current.limits
        if limits.api_requests is not None and scope["path"].startswith(API):
            told = self._rate.count(limits.api_requests, limits.api_window_s, self._services.clock)
            scope["wai.rate_headers"] = [(k.encode(), v.encode()) for k, v in told.items()]
        scope["app"] = self  # tells the router to raise instead of answering in plain text
        try:
            await self._router(scope, receive, send)
        except HTTPException as error:
            raise no_route(scope["path"]) from error


class _ControlPlane:
    """Everything that no other route answers; imported by the first such request."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or raise HTTPException."""
        await self._router(scope, receive, send)

    @cached_property
    def _router(self) -> Router:
        from wai_ops.emulator.control.routes import control_routes

        routes = control_routes(_maker(self._services), API, _ACCOUNT)
        return Router(routes, redirect_slashes=False)


def _maker(services: Services) -> Callable[..., Route]:
    def route(
        method: str, path: str, handler: _Handler, permission: Permission | None = None
    ) -> Route:
        return Route(path, _guarded(services, handler, permission), methods=[method])

    return route


def _routes(services: Services) -> list[BaseRoute]:
    """The most used first: they are tried in order."""
    route = _maker(services)
    return [
        *inference_routes(services, _ACCOUNT),
        *log_routes(route, _GATEWAYS),
        *number_routes(route, API, _ACCOUNT),
        route(
            "GET",
            f"{_ACCOUNT}/ai/models/search",
            catalogue.search_models,
            Permission.WORKERS_AI_READ,
        ),
        *(
            route(method, path, handler, Permission.GATEWAY_WRITE)
            for method, path, handler in knob_endpoints.ROUTES
        ),
        route("GET", f"{API}/user/tokens/verify", account.verify_token),
        route("GET", f"{_ACCOUNT}/tokens/verify", account.verify_token),
    ]


def _guarded(
    services: Services, handler: _Handler, permission: Permission | None
) -> Callable[[Request], Awaitable[Response]]:
    """The handler behind its permission; None: any valid token will do."""

    async def endpoint(request: Request) -> Response:
        identity = services.store.identity
        account_id = request.path_params.get("account_id", identity.account_id)
        identity.check(request.scope["wai.principal"], permission, account_id)
        return await handler(services, request)

    return endpoint
