"""The wire of the Workers AI binding: what the `env.AI` client inside `workerd` talks to.

In production the binding needs no token. Here the Worker's configuration has the runtime add one
(docs/emulator.md shows how), so that no other program on the machine, and no page in a browser,
can call models as the binding.
"""

import json
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from wai_ops.emulator import catalogue
from wai_ops.emulator.answers import (
    JSON_TYPE,
    ClientGoneError,
    Receive,
    Scope,
    Send,
    envelope,
    json_response,
    read_body,
    send_json,
    to_json_bytes,
)
from wai_ops.emulator.errors import ApiError, too_large
from wai_ops.emulator.gateway import log_endpoints as logs
from wai_ops.emulator.identity import Permission
from wai_ops.emulator.inference.binding_call import (
    default_cache_headers,
    error_body,
    read_binding_call,
)
from wai_ops.emulator.services import Services

BINDING_HOST = b"workers-binding.ai"
"""The host that the client in the runtime asks for, wherever the request is then sent."""
_MAX_BODY_BYTES = 32 * 1024 * 1024
_LOG = "/ai-gateway/gateways/{gateway_id}/logs/{log_id}"

_App = Callable[[Scope, Receive, Send], Awaitable[None]]
_Handler = Callable[[Services, Request], Awaitable[Response]]


def binding_routes(services: Services, run: _App, universal: _App) -> list[BaseRoute]:
    """The routes at the root; `run` answers native runs, `universal` the array of providers."""

    def account(handler: _Handler) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            _check(services, request.scope)
            return await handler(services, request)

        return endpoint

    return [
        Route("/run", _BindingRun(services, run, with_gateway=False), methods=["POST"]),
        Route("/ai-gateway/run", _BindingRun(services, run, with_gateway=True), methods=["POST"]),
        Route(
            "/ai-gateway/universal/run/{gateway_id}",
            _BindingUniversal(services, universal),
            methods=["POST"],
        ),
        Route(_LOG, account(logs.get_log), methods=["GET"]),
        Route(_LOG, account(logs.patch_log), methods=["PATCH"]),
        Route(
            "/ai-gateway/gateways/{gateway_id}/url/{provider}", account(_get_url), methods=["GET"]
        ),
        Route("/ai-api/models/search", account(catalogue.search_models), methods=["GET"]),
    ]


def meant_host(host: bytes | None, path: str) -> bytes | None:
    """The request's host; loopback for what the client in the runtime sends, and for that alone."""
    is_its_path = path.startswith(("/run", "/ai-gateway/", "/ai-api/"))
    return b"127.0.0.1" if is_its_path and host == BINDING_HOST else host


class _BindingRun:
    """`env.AI.run`, as an ASGI application around the native run."""

    def __init__(self, services: Services, run: _App, *, with_gateway: bool) -> None:
        self._services = services
        self._run = run
        self._with_gateway = with_gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Translate the call, let it be answered, and take the envelope off."""
        _check(self._services, scope)
        wire = _BindingWire(send)
        try:
            try:
                raw = await read_body(receive, _MAX_BODY_BYTES)
            except ClientGoneError:
                return
            if raw is None:
                raise too_large(_MAX_BODY_BYTES)
            call = read_binding_call(
                raw,
                scope["wai.headers"],
                with_gateway=self._with_gateway,
                default_ttl_s=self._services.knobs.current.cache.binding_ttl_s,
            )
            inner = {
                **scope,
                "wai.headers": call.headers,
                "query_string": b"queueRequest=true" if call.is_batch else b"",
                "path_params": {
                    "account_id": self._services.store.identity.account_id,
                    "model": call.model,
                },
            }
            await self._run(inner, _replay(call.body, receive), wire.send)
        except ApiError as error:
            body = to_json_bytes(error_body(error))
            await send_json(send, error.status, body, {**error.headers, **wire.headers})


class _BindingUniversal:
    """`env.AI.gateway(id).run`, which sends what the universal endpoint takes."""

    def __init__(self, services: Services, universal: _App) -> None:
        self._services = services
        self._universal = universal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The options are headers already; the binding's token is the gateway's."""
        _check(self._services, scope)
        headers = default_cache_headers(
            scope["wai.headers"], self._services.knobs.current.cache.binding_ttl_s
        )
        headers[b"cf-aig-authorization"] = headers.pop(b"authorization")
        params = {
            **scope["path_params"],
            "account_id": self._services.store.identity.account_id,
        }
        await self._universal(
            {**scope, "wai.headers": headers, "path_params": params}, receive, send
        )


class _BindingWire:
    """An answer on its way: its request id added, the envelope of a JSON one taken off."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: MutableMapping[str, Any] | None = None
        self._parts: list[bytes] = []
        self.headers = {"cf-ai-req-id": str(uuid.uuid4())}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """Pass one ASGI message on, or hold it until the JSON is whole."""
        if message["type"] == "http.response.start":
            added = [(name.encode(), value.encode()) for name, value in self.headers.items()]
            message = {**message, "headers": [*message["headers"], *added]}
            if (b"content-type", JSON_TYPE.encode()) in message["headers"]:
                self._start = message
                return
        elif self._start is not None:
            self._parts.append(message.get("body", b""))
            if message.get("more_body", False):
                return
            result = to_json_bytes(json.loads(b"".join(self._parts))["result"])
            kept = [item for item in self._start["headers"] if item[0] != b"content-length"]
            kept.append((b"content-length", str(len(result)).encode()))
            await self._send({**self._start, "headers": kept})
            message = {"type": "http.response.body", "body": result}
        await self._send(message)


def _check(services: Services, scope: Scope) -> None:
    """Whoever may run models may do all that the binding does. Raises 403/10000."""
    identity = services.store.identity
    identity.check(scope["wai.principal"], Permission.WORKERS_AI_EDIT, identity.account_id)


def _replay(body: bytes, receive: Receive) -> Receive:
    """The translated body first, then whatever else comes."""
    first: MutableMapping[str, Any] | None = {
        "type": "http.request",
        "body": body,
        "more_body": False,
    }

    async def next_message() -> MutableMapping[str, Any]:
        nonlocal first
        if first is not None:
            message, first = first, None
            return message
        return await receive()

    return next_message


async def _get_url(services: Services, request: Request) -> Response:
    """`env.AI.gateway(id).getUrl(provider)`."""
    host, port = request.scope["server"]
    account_id = services.store.identity.account_id
    url = f"http://{host}:{port}/v1/{account_id}/{request.path_params['gateway_id']}"
    provider = request.path_params["provider"]
    return json_response(envelope({"url": url if provider == "universal" else f"{url}/{provider}"}))
