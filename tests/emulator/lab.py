"""An emulator on a real socket whose models fail on demand and whose gateways are set up before."""

import asyncio
import json
import os
import random
import socket
from collections import deque
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from emulator.api import Api
from wai_ops.core.clock import Clock, SystemClock
from wai_ops.core.prices import PriceBook, built_in
from wai_ops.emulator.app import API, App
from wai_ops.emulator.backends.base import Cancel, Event, Meter
from wai_ops.emulator.backends.scripted import ScriptedBackend
from wai_ops.emulator.endpoint import HOST, Endpoint
from wai_ops.emulator.errors import ApiError, execution_failed
from wai_ops.emulator.gateway.settings import DEFAULT_SETTINGS, Gateways
from wai_ops.emulator.inference.call import Call
from wai_ops.emulator.loop import ServerThread
from wai_ops.emulator.replicas import Replicas
from wai_ops.emulator.services import Services
from wai_ops.emulator.store import open_store

OK, BUSY, BROKEN, SILENT, BREAKS = "ok", "busy", "broken", "silent", "breaks"


@dataclass
class MoodyBackend:
    """The scripted model in the moods that `moods` lists, one a call, then good for ever."""

    moods: deque[str] = field(default_factory=deque)
    script: ScriptedBackend = field(default_factory=ScriptedBackend)
    calls: int = 0
    keeps_own_cache: bool = False

    def tokenise(self, call: Call) -> Sequence[str]:
        return self.script.tokenise(call)

    async def generate(
        self, call: Call, *, replica: int, meter: Meter, cancel: Cancel
    ) -> AsyncGenerator[Event, None]:
        self.calls += 1
        mood = self.moods.popleft() if self.moods else OK
        if mood == BUSY:
            raise ApiError(429, 3040, "AiError: Capacity temporarily exceeded, please try again.")
        if mood == BROKEN:
            raise execution_failed("asked to fail")
        if mood == SILENT:
            await asyncio.Event().wait()
        made = 0
        async for event in self.script.generate(call, replica=replica, meter=meter, cancel=cancel):
            if mood == BREAKS and made == 3:
                raise execution_failed("asked to break off")
            made += 1
            yield event

    def close(self) -> None:
        pass


@dataclass
class Lab:
    """One emulator and its parts."""

    api: Api
    services: Services
    models: MoodyBackend

    def be(self, *moods: str) -> None:
        """The moods of the next calls."""
        self.models.moods = deque(moods)

    def rows_of(self, answer: httpx.Response) -> list[Any]:
        """All rows of one request, in the order of their writing."""
        wanted = [
            {"key": "event_id", "operator": "eq", "value": [answer.headers["cf-aig-event-id"]]}
        ]
        gateway = answer.request.headers.get("cf-aig-gateway-id", "default")
        found = self.api.get(
            f"/ai-gateway/gateways/{gateway}/logs",
            filters=json.dumps(wanted), order_by_direction="asc", per_page="50",
        )  # fmt: skip
        rows: list[Any] = found.json()["result"]
        return rows


@contextmanager
def lab(
    state_dir: Path,
    gateways: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    clock: Clock | None = None,
) -> Iterator[Lab]:
    """Serve, with gateways of these ids and settings besides the default one."""
    store = open_store(state_dir)
    for gateway_id, settings in (gateways or {}).items():
        text = json.dumps({**DEFAULT_SETTINGS, **settings})
        values = {"id": gateway_id, "settings": text, "created_at": "2026-01-01T00:00:00.000Z"}
        store.write("insert_gateway", values)
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind((HOST, 0))
    listener.listen(100)
    clock = clock or SystemClock()
    backend = MoodyBackend()
    services = Services(
        clock=clock,
        book=PriceBook([built_in()]),
        store=store,
        gateways=Gateways(store, clock),
        replicas=Replicas(rng=random.Random(0)),
        backend=backend,
    )
    server = ServerThread(App(services), listener, is_embedded=True, on_death=lambda: None)
    server.start()
    address = f"http://{HOST}:{listener.getsockname()[1]}"
    endpoint = Endpoint(
        base_url=address + API,
        gateway_base_url=f"{address}/v1",
        account_id=store.identity.account_id,
        gateway_id="default",
        tokens=store.identity.tokens,
        pid=os.getpid(),
    )
    try:
        with httpx.Client() as http:
            yield Lab(Api(endpoint, http), services, backend)
    finally:
        server.stop()
        store.close()
        listener.close()
