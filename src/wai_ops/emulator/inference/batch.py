"""Asynchronous batches: `?queueRequest=true` on the run endpoint, and polling for the answers.

A batch is kept in the store, so that it survives a restart; whoever polls for one that nobody works
on any more has it begun again. Its items run one after another, whenever there is capacity.
"""

import asyncio
import json
import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from wai_ops.core.ids import uuid7
from wai_ops.emulator.answers import envelope
from wai_ops.emulator.backends.base import Meter
from wai_ops.emulator.control.documents import ACCOUNT, Documents
from wai_ops.emulator.errors import ApiError, invalid_input, not_found
from wai_ops.emulator.gateway.exchange import begin_exchange
from wai_ops.emulator.gateway.options import Retries
from wai_ops.emulator.gateway.steps import Step
from wai_ops.emulator.inference.answer import Models
from wai_ops.emulator.inference.disconnect import Client
from wai_ops.emulator.inference.shapes import usage_json
from wai_ops.emulator.inference.surfaces import Shape
from wai_ops.emulator.model.service import outside_the_rate
from wai_ops.emulator.models import EMBEDDINGS, QUEUE_MODELS, TEXT_GENERATION, resolve_model
from wai_ops.emulator.services import Services

KIND = "batch"
_RETRY_S = 1.0
_log = logging.getLogger(__name__)
_BUSY = frozenset({408, 429})


@dataclass(slots=True)
class _Outcome:
    """What came out of one item."""

    response: dict[str, Any]
    meter: Meter


class Batches:
    """All batches of one account."""

    def __init__(self, services: Services, models: Models) -> None:
        """Nothing is under way."""
        self._services = services
        self._models = models
        self._documents = Documents(services.store, services.clock)
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def answer(self, model_id: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Take a batch, or tell how one is doing. Raises ApiError."""
        if "request_id" in body:
            return envelope(await self._poll(model_id, body["request_id"]))
        return envelope(await self._submit(model_id, body))

    async def _submit(self, model_id: str, body: Mapping[str, Any]) -> dict[str, Any]:
        now = self._services.clock.now()
        known = self._services.book.model(model_id, now)
        task = EMBEDDINGS if known is not None and known.task == EMBEDDINGS else TEXT_GENERATION
        served = resolve_model(self._services.book, model_id, now, task=task)
        if served.model.id not in QUEUE_MODELS:
            raise invalid_input(f"{model_id} takes no queued requests")
        items = body.get("requests")
        if not isinstance(items, list) or not items:
            raise invalid_input("requests must be a list with an item")
        for index, item in enumerate(items):
            if not isinstance(item, dict):
                raise invalid_input(f"requests[{index}] must be an object")
            if not isinstance(item.get("external_reference", ""), str):
                raise invalid_input(f"requests[{index}].external_reference must be text")
        request_id = str(UUID(uuid7(now)))
        document = {"model": model_id, "requests": items, "status": "queued", "owner": os.getpid()}
        await self._documents.change(lambda table: table.put(KIND, ACCOUNT, request_id, document))
        self._begin(request_id)
        return {"status": "queued", "request_id": request_id, "model": model_id}

    async def _poll(self, model_id: str, request_id: Any) -> dict[str, Any]:
        if not isinstance(request_id, str):
            raise invalid_input("request_id must be text")
        found = await self._documents.read(lambda table: table.get(KIND, ACCOUNT, request_id))
        if found is None or found.body["model"] != model_id:
            raise not_found(f"batch {request_id}")
        if "result" in found.body:
            result: dict[str, Any] = found.body["result"]
            return result
        if request_id not in self._tasks and not _is_alive(found.body["owner"]):
            self._begin(request_id)
        return {"status": found.body["status"], "request_id": request_id, "model": model_id}

    def _begin(self, request_id: str) -> None:
        task = asyncio.create_task(self._run(request_id), name=f"batch {request_id}")
        self._tasks[request_id] = task
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        """Forget the task; a poll begins the batch again if it did not come to its end."""
        for request_id in [key for key, value in self._tasks.items() if value is task]:
            del self._tasks[request_id]
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("%s failed: %s", task.get_name(), error, exc_info=error)

    async def _run(self, request_id: str) -> None:
        delay_ms = self._services.knobs.current.capacity.batch_delay_ms
        if delay_ms:
            await self._services.sleep(delay_ms / 1000)
        found = await self._documents.read(lambda table: table.get(KIND, ACCOUNT, request_id))
        assert found is not None
        body = {**found.body, "status": "running", "owner": os.getpid()}
        await self._documents.change(lambda table: table.put(KIND, ACCOUNT, request_id, body))
        model_id: str = body["model"]
        exchange = await begin_exchange(self._services, {}, f"run/{model_id}", None)
        total = Meter()
        responses = []
        for index, item in enumerate(body["requests"]):
            outcome = await self._item(exchange, model_id, index, item)
            responses.append(outcome.response)
            total.add(outcome.meter)
        result = {"responses": responses, "usage": usage_json(total.usage())}
        done = {"model": model_id, "owner": os.getpid(), "result": result}
        await self._documents.change(lambda table: table.put(KIND, ACCOUNT, request_id, done))
        # Counted once, when it is kept: a batch that a restart cut short is worked on again.
        attempt = exchange.begin(path=exchange.path, model=model_id)
        with suppress(ApiError):  # it was served, so it is known
            now = self._services.clock.now()
            known = self._services.book.model(model_id, now)
            task = TEXT_GENERATION if known is None or known.task is None else known.task
            attempt.served = resolve_model(self._services.book, model_id, now, task=task)
        attempt.meter = total
        exchange.record(attempt, 200)

    async def _item(
        self, exchange: Any, model_id: str, index: int, item: Mapping[str, Any]
    ) -> _Outcome:
        """Run one item, as often as it takes until there is capacity for it."""
        own = {key: value for key, value in item.items() if key not in _OUTER}
        step = Step(
            shape=Shape.NATIVE,
            model=model_id,
            body=own,
            path=exchange.path,
            retries=Retries(),
            timeout_ms=None,
        )
        response: dict[str, Any] = {"id": index, "success": True}
        if "external_reference" in item:
            response["external_reference"] = item["external_reference"]
        while True:
            attempt = exchange.begin(path=exchange.path, model=model_id)
            try:
                with outside_the_rate():
                    answer = await self._models.open(step, attempt, {}, Client())
            except ApiError as error:
                if error.status in _BUSY:
                    await self._services.sleep(_RETRY_S)
                    continue
                failed = {"code": error.code, "message": error.message}
                return _Outcome({**response, "success": False, "error": failed}, Meter())
            assert answer.body is not None
            result = json.loads(answer.body)["result"]
            result.pop("usage", None)  # the batch has one total
            return _Outcome({**response, "result": result}, attempt.meter or Meter())


_OUTER = frozenset({"external_reference", "stream", "options"})


def _is_alive(pid: Any) -> bool:
    """Whether another process works on it."""
    if not isinstance(pid, int) or pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
