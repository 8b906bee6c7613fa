"""An emulator for the tests of other projects: one address and one account, as often new as wanted.

The pytest plugin (`wai_ops.pytest_plugin`) hands it out as a fixture; it needs no pytest itself.
"""

import http.client
import json
import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from wai_ops.core.errors import RemoteError, UsageError
from wai_ops.emulator.endpoint import HOST, Endpoint, to_environ
from wai_ops.emulator.identity import Identity, new_identity
from wai_ops.emulator.server import listen, opened_app, serving

_PAGE = 50
"""Rows in a page of logs, the most there are."""
_GRACE_S = 3.0
"""How long a reset waits for answers under way."""


class WaiEmulator:
    """A local Cloudflare in this process. Made by `wai_emulator`."""

    def __init__(self, folder: Path, *, backend: str, config: Path | None) -> None:
        """Begin to serve. Raises WaiError as `embedded` does."""
        self._folder = folder
        self._backend = backend
        self._config = config
        self._identity: Identity = new_identity()
        self._lives = 0
        self._door = _Door()
        self._open = ExitStack()
        with ExitStack() as stack:
            self._life = stack.enter_context(ExitStack())
            self._door.let_in(self._begin_life(self._life))
            listener = stack.enter_context(listen(0))
            self._endpoint: Endpoint = stack.enter_context(
                serving(self._door, self._identity, listener)
            )
            self._open = stack.pop_all()
        self.knobs = Knobs(self)

    @property
    def base_url(self) -> str:
        """`http://127.0.0.1:PORT/client/v4`: the `base_url` of Cloudflare's own packages."""
        return self._endpoint.base_url

    @property
    def gateway_base_url(self) -> str:
        """`http://127.0.0.1:PORT/v1`: what stands for the gateway's own host."""
        return self._endpoint.gateway_base_url

    @property
    def openai_base_url(self) -> str:
        """The `base_url` of the OpenAI package; its key is the runtime token."""
        return f"{self.base_url}/accounts/{self.account_id}/ai/v1"

    @property
    def account_id(self) -> str:
        """32 hexadecimal digits."""
        return self._endpoint.account_id

    @property
    def gateway_id(self) -> str:
        """The gateway that the first request to name it creates."""
        return self._endpoint.gateway_id

    @property
    def tokens(self) -> Mapping[str, str]:
        """By role: `runtime` runs models, `operator` changes gateways, `reader` reads."""
        return self._endpoint.tokens

    @property
    def environ(self) -> dict[str, str]:
        """The variables that point clients here, those of `wai emulator env`."""
        return to_environ(self._endpoint)

    def reset(self) -> None:
        """Start anew on an empty state: no log rows, gateways, spend, caches or changed knobs.

        Address, account, tokens and connections stay. An answer under way ends in the state in
        which it began, if it ends within three seconds.
        """
        old, new = self._life, ExitStack()
        app = self._begin_life(new)
        self._life = new
        self._door.let_in(app)
        old.close()

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        role: str = "operator",
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Call any endpoint by its path from the root; give the decoded JSON, None for nothing.

        Raises RemoteError for a status from 400 on, with the answer's text.
        """
        connection = http.client.HTTPConnection(HOST, urlsplit(self.base_url).port)
        sent = {"authorization": f"Bearer {self.tokens[role]}", **(headers or {})}
        if body is not None:
            sent["content-type"] = "application/json"
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, path, body=text, headers=sent)
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        if answer.status >= 400:
            message = data.decode("utf-8", "replace")
            raise RemoteError(f"the emulator answered {answer.status}: {message}", where=path)
        return json.loads(data) if data else None

    def api(self, method: str, path: str, body: Any = None, *, role: str = "operator") -> Any:
        """Call an endpoint of the account, as `/ai-gateway/gateways`; give its `result`."""
        prefix = f"{urlsplit(self.base_url).path}/accounts/{self.account_id}"
        return self.request(method, prefix + path, body, role=role)["result"]

    def logs(self, gateway_id: str | None = None) -> list[dict[str, Any]]:
        """All log rows of a gateway, the oldest first; none when it does not exist yet."""
        gateway = self.gateway_id if gateway_id is None else gateway_id
        if gateway not in [each["id"] for each in self.api("GET", "/ai-gateway/gateways")]:
            return []
        rows: list[dict[str, Any]] = []
        while True:
            query = urlencode(
                {
                    "page": len(rows) // _PAGE + 1,
                    "per_page": _PAGE,
                    "order_by": "created_at",
                    "order_by_direction": "asc",
                }
            )
            page = self.api("GET", f"/ai-gateway/gateways/{gateway}/logs?{query}")
            rows += page
            if len(page) < _PAGE:
                return rows

    def truth(self, *group_by: str) -> Any:
        """The exact totals of everything served; by `tenant`, `model` and so on if asked for."""
        query = f"?{urlencode({'group_by': ','.join(group_by)})}" if group_by else ""
        result = self.request("GET", f"/__wai/truth{query}")["result"]
        return result["groups"] if group_by else result

    def close(self) -> None:
        """Stop for good."""
        try:
            self._open.close()
        finally:
            self._life.close()

    def _begin_life(self, stack: ExitStack) -> Any:
        self._lives += 1
        folder = self._folder / str(self._lives)
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        life: AbstractContextManager[tuple[Any, Identity]] = opened_app(
            folder,
            backend=self._backend,
            config=self._config,
            identity=self._identity,
        )
        return stack.enter_context(life)[0]


@dataclass(slots=True)
class _Room:
    """One application, and how many requests it is answering."""

    app: Any
    under_way: int = 0


class _Door:
    """The application that is served: whichever was let in last."""

    def __init__(self) -> None:
        self._room = _Room(None)
        self._changed = threading.Condition()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request with the application of the moment."""
        with self._changed:
            room = self._room
            room.under_way += 1
        try:
            await room.app(scope, receive, send)
        finally:
            with self._changed:
                room.under_way -= 1
                self._changed.notify_all()

    def let_in(self, app: Any) -> None:
        """Answer with this one from now on; return when the one before has nothing to do."""
        with self._changed:
            before, self._room = self._room, _Room(app)
            self._changed.wait_for(lambda: before.under_way == 0, timeout=_GRACE_S)


class Knobs:
    """The knobs of one emulator, by their dotted names; a reset undoes every change."""

    def __init__(self, emulator: WaiEmulator) -> None:
        """Nothing is asked yet."""
        self._emulator = emulator

    def __getitem__(self, name: str) -> Any:
        """The value of one knob. Raises UsageError when there is none of that name."""
        knobs = self.all()
        if name not in knobs:
            raise UsageError(f"there is no knob {name}")
        return knobs[name]

    def __setitem__(self, name: str, value: Any) -> None:
        """Change one knob, from the next request on. Raises UsageError."""
        self.change({name: value})

    def all(self) -> dict[str, Any]:
        """Every knob and its value."""
        found: dict[str, Any] = self._emulator.request("GET", "/__wai/knobs")["result"]["knobs"]
        return found

    def change(self, changes: Mapping[str, Any]) -> None:
        """Change several, or none of them. Raises UsageError."""
        try:
            self._emulator.request("PATCH", "/__wai/knobs", dict(changes))
        except RemoteError as error:
            raise UsageError(error.message) from error

    @contextmanager
    def changed(self, changes: Mapping[str, Any]) -> Iterator[None]:
        """Change some for the length of a block."""
        before = self.all()
        self.change(changes)
        try:
            yield
        finally:
            self.change({name: before[name] for name in changes})


@contextmanager
def wai_emulator(*, backend: str = "scripted", config: Path | None = None) -> Iterator[WaiEmulator]:
    """An emulator for the length of a block, on a free port and a state of its own.

    Raises WaiError when it cannot be started.
    """
    with tempfile.TemporaryDirectory(prefix="wai-emulator-") as folder:
        emulator = WaiEmulator(Path(folder), backend=backend, config=config)
        try:
            yield emulator
        finally:
            emulator.close()
