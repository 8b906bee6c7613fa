"""The way of one request through its gateway: limits, cache, checks, steps, attempts, the answer.

Every attempt becomes one log row, whatever happens to it, and so does every refusal. A direct call
has one attempt and passes none of the gateway's stations.
"""

import asyncio
from contextlib import aclosing

from wai_ops.emulator.answers import Send, send_json, send_start, to_json_bytes
from wai_ops.emulator.errors import ApiError
from wai_ops.emulator.gateway.checks import Checks
from wai_ops.emulator.gateway.exchange import Attempt, Exchange
from wai_ops.emulator.gateway.refusals import (
    BlockedError,
    invalid_provider,
    no_answer_in_time,
    rate_limited,
)
from wai_ops.emulator.gateway.response_cache import (
    MAX_RESPONSE_BYTES,
    CachedAnswer,
    ResponseCache,
    cache_key,
)
from wai_ops.emulator.gateway.steps import Step, Steps, is_retryable
from wai_ops.emulator.inference.answer import EVENT_STREAM, Answer, Models
from wai_ops.emulator.inference.disconnect import Client
from wai_ops.emulator.inference.surfaces import WORKERS_AI
from wai_ops.emulator.services import Services


class Pipeline:
    """All gateways' shared machinery."""

    def __init__(self, services: Services, models: Models) -> None:
        """`models` is whoever answers in the end."""
        self._services = services
        self._models = models

    async def run(self, exchange: Exchange, steps: Steps, client: Client, send: Send) -> None:
        """Answer one request. Raises ApiError when no attempt could; its row is still open then."""
        if exchange.gateway is None:
            step = next(steps)
            answer = await self._models.open(step, exchange.current, exchange.headers, client)
            await self._deliver(exchange, answer, None, send)
            return
        self._limit(exchange)
        key = self._key(exchange)
        if key is not None:
            found = self._cache.get(key, self._services.clock.monotonic())
            if found is not None:
                await self._serve_cached(exchange, found, send)
                return
        answer = await self._ask_in_turn(exchange, steps, client)
        checks = Checks(self._services, exchange)
        if checks.needs_response:
            await answer.hold()
            checks.response(answer.text())
        await self._deliver(exchange, answer, key, send)

    @property
    def _cache(self) -> ResponseCache:
        return self._services.response_cache

    def _limit(self, exchange: Exchange) -> None:
        assert exchange.gateway is not None
        settings = exchange.gateway.settings
        if not self._services.rate_limits.admit(
            settings.id,
            limit=settings.rate_limiting_limit,
            interval_s=settings.rate_limiting_interval,
            technique=settings.rate_limiting_technique,
            at=self._services.clock.now().timestamp(),
        ):
            raise rate_limited()

    def _key(self, exchange: Exchange) -> bytes | None:
        """The request's key in the response cache; None: it is not cached."""
        assert exchange.gateway is not None
        options = exchange.gateway.options.cache
        if not options.is_on:
            return None
        return cache_key(
            exchange.gateway.settings.id,
            own_key=options.key,
            provider=exchange.current.provider,
            endpoint=exchange.path,
            model=exchange.current.model,
            authorization=exchange.headers.get(b"authorization", b""),
            body=exchange.request_body,
        )

    async def _serve_cached(self, exchange: Exchange, found: CachedAnswer, send: Send) -> None:
        attempt = exchange.current
        attempt.is_cached = True
        attempt.content_type = found.content_type
        attempt.model, attempt.provider, attempt.step = found.model, found.provider, found.step
        attempt.note(found.body)
        exchange.record(attempt, 200)
        headers = exchange.response_headers(attempt)
        await send_start(send, 200, found.content_type, headers.items())
        await send({"type": "http.response.body", "body": found.body})

    async def _ask_in_turn(self, exchange: Exchange, steps: Steps, client: Client) -> Answer:
        """Ask one step after another until one answers. Raises the last one's ApiError."""
        step = next(steps)
        index = 0
        checks = Checks(self._services, exchange)
        while True:
            attempt = exchange.current
            attempt.step, attempt.path, attempt.model = index, step.path, step.model
            attempt.provider = step.provider
            try:
                if step.provider != WORKERS_AI:
                    raise invalid_provider(step.provider)
                await checks.admit(step)
                if index == 0:
                    checks.request()
                answer = await self._ask(exchange, step, client)
            except ApiError as error:
                is_final = isinstance(error, BlockedError)
                following = None if is_final else _advance(steps, succeeded=False)
                if following is None:
                    raise
                refuse(exchange, error, is_last=False)
                step = following
                index += 1
                exchange.begin()
            else:
                _advance(steps, succeeded=True)
                return answer

    async def _ask(self, exchange: Exchange, step: Step, client: Client) -> Answer:
        """Ask one provider, as often as its retries allow. Raises the last attempt's ApiError."""
        attempts = step.retries.max_attempts
        for number in range(1, attempts + 1):
            is_last = number == attempts
            # The last of several attempts may take as long as it likes.
            timeout_ms = None if is_last and attempts > 1 else step.timeout_ms
            try:
                return await self._ask_once(exchange, step, client, timeout_ms)
            except ApiError as error:
                if is_last or not is_retryable(error.status):
                    raise
                refuse(exchange, error, is_last=False)
            await self._services.sleep(step.retries.delay_s(number))
            exchange.begin(step=exchange.current.step, path=step.path, model=step.model)
        raise AssertionError("there is always a last attempt")

    async def _ask_once(
        self, exchange: Exchange, step: Step, client: Client, timeout_ms: int | None
    ) -> Answer:
        opening = self._models.open(step, exchange.current, exchange.headers, client)
        if timeout_ms is None:
            return await opening
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                return await opening
        except TimeoutError:
            raise no_answer_in_time(timeout_ms) from None

    async def _deliver(
        self, exchange: Exchange, answer: Answer, key: bytes | None, send: Send
    ) -> None:
        """Send the answer; its row is written before its last byte leaves."""
        attempt = exchange.current
        attempt.content_type = answer.content_type
        headers = exchange.response_headers(attempt)
        if answer.body is not None:
            attempt.note(answer.body)
            exchange.record(attempt, answer.status)
            self._keep(exchange, attempt, answer, key, [answer.body])
            await send_json(send, 200, answer.body, headers)
            return
        assert answer.parts is not None
        kept: list[bytes] | None = None if key is None else []
        attempt.first_at = self._services.clock.monotonic()
        headers["cache-control"] = "no-cache"
        await send_start(send, 200, EVENT_STREAM, headers.items())
        async with aclosing(answer.parts) as parts:
            async for data, is_last in parts:
                attempt.note(data)
                if kept is not None and attempt.size <= MAX_RESPONSE_BYTES:
                    kept.append(data)
                if is_last:
                    exchange.record(attempt, answer.status)
                    self._keep(exchange, attempt, answer, key, kept or [])
                await send({"type": "http.response.body", "body": data, "more_body": not is_last})

    def _keep(
        self,
        exchange: Exchange,
        attempt: Attempt,
        answer: Answer,
        key: bytes | None,
        parts: list[bytes],
    ) -> None:
        """Put a complete success into the response cache."""
        body = b"".join(parts) if key is not None else b""
        if key is None or answer.status != 200 or len(body) != attempt.size:
            return
        assert exchange.gateway is not None
        self._cache.put(
            key,
            CachedAnswer(
                content_type=answer.content_type,
                body=body,
                model=attempt.model,
                provider=attempt.provider,
                step=attempt.step,
            ),
            ttl_s=exchange.gateway.options.cache.ttl_s,
            at=self._services.clock.monotonic(),
        )


def refuse(exchange: Exchange, error: ApiError, *, is_last: bool = True) -> None:
    """Close the attempt under way with a refusal, and give the refusal the gateway's headers."""
    attempt = exchange.current
    if not attempt.is_recorded:
        attempt.note(to_json_bytes(error.body()))
    exchange.record(attempt, error.status, error_code=error.code, is_last=is_last)
    error.headers = {**error.headers, **exchange.response_headers(attempt)}


def _advance(steps: Steps, *, succeeded: bool) -> Step | None:
    try:
        return steps.send(succeeded)
    except StopIteration:
        return None
