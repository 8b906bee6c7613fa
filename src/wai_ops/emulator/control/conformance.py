"""`wai emulator serve --conformance`: the door by which the official client's own tests enter.

They hold a published account key instead of a token, and name accounts that nobody has. A request
with that key, and no other, is let in as this emulator's account, after the fixtures that it may
name have been put back. Everything else passes as it came.
"""

import re
from urllib.parse import parse_qsl, urlencode

from wai_ops.emulator.answers import Asgi, Receive, Scope, Send
from wai_ops.emulator.control.documents import Table
from wai_ops.emulator.control.fixtures import GATEWAY, NUMBERED, restore
from wai_ops.emulator.errors import ApiError
from wai_ops.emulator.identity import check_local
from wai_ops.emulator.services import Services

PLACEHOLDER_KEY = b"144c9defac04969c7bfad8efaa8ea194"
"""The key in the `conftest.py` of the official client's tests."""
_RETIRED_MODEL = "@cf/meta/llama-3.1-8b-instruct"
_MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
"""Answers for the one that the tests run, which the provider has withdrawn since."""
_ACCOUNT = re.compile(r"(/client/v4/accounts/)[^/]+(/.*)?\Z")
_CURSOR = re.compile(r"6Ck1la0VxJ0djhidm1MdX2FyDGxLKVeeHZZmORS_8XeSuhz9")
"""How the cursor begins that the tests have from a page of the documentation."""


class ConformanceDoor:
    """An ASGI application around the emulator's own."""

    def __init__(self, app: Asgi, services: Services) -> None:
        """Nothing is restored yet."""
        self._app = app
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request in."""
        headers = dict(scope.get("headers", ()))
        if headers.get(b"x-auth-key") == PLACEHOLDER_KEY and _is_local(headers):
            scope = await self._translated(scope)
        await self._app(scope, receive, send)

    async def _translated(self, scope: Scope) -> Scope:
        identity = self._services.store.identity
        matched = _ACCOUNT.match(scope["path"])
        below = (matched[2] or "") if matched else ""
        method = scope["method"]

        def put_back(table: Table) -> None:
            restore(table, method, below)

        await self._services.gateways.documents.change(put_back)
        for gateway_id in (GATEWAY, NUMBERED):
            self._services.gateways.forget(gateway_id)
        if below == f"/ai/run/{_RETIRED_MODEL}":
            below = f"/ai/run/{_MODEL}"
        role = "runtime" if below.startswith("/ai/") else "operator"
        token = b"Bearer " + identity.tokens[role].encode()
        return {
            **scope,
            "path": f"{matched[1]}{identity.account_id}{below}" if matched else scope["path"],
            "query_string": _without_cursor(scope["query_string"]),
            "headers": [*scope["headers"], (b"authorization", token)],
        }


def _is_local(headers: dict[bytes, bytes]) -> bool:
    """Whether the emulator itself would answer: else it refuses, and nothing is touched before."""
    try:
        check_local(headers.get(b"host"), headers.get(b"origin"))
    except ApiError:
        return False
    return True


def _without_cursor(query: bytes) -> bytes:
    """The query without a cursor that no emulator can have given."""
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    kept = [pair for pair in pairs if pair[0] != "cursor" or not _CURSOR.match(pair[1])]
    return query if len(kept) == len(pairs) else urlencode(kept).encode()
