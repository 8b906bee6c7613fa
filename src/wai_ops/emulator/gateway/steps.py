"""Which providers one request may come to, in which order. Pure: told what failed, it says who is
next. A plain call has one step; the universal endpoint has one an entry; a dynamic route walks.
"""

from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from wai_ops.emulator.gateway.dynamic_routes.rates import RateKey
from wai_ops.emulator.gateway.dynamic_routes.walk import Finished, ModelStep
from wai_ops.emulator.gateway.options import Retries, read_retries
from wai_ops.emulator.gateway.refusals import (
    invalid_provider,
    invalid_route,
    invalid_universal,
    rate_limited,
)
from wai_ops.emulator.inference.surfaces import WORKERS_AI, Shape

_RETRYABLE = frozenset({408, 409, 429})


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One provider, and how it is to be asked."""

    shape: Shape
    model: str
    body: Mapping[str, Any]
    path: str
    retries: Retries
    timeout_ms: int | None
    """To the first part of the answer; the last of several attempts is waited for."""
    provider: str = WORKERS_AI
    passed: tuple[RateKey, ...] = ()
    """The rate nodes of a dynamic route on the way here."""


Steps = Generator[Step, bool, None]
"""Yields steps; is sent whether the last one succeeded."""


def in_order(steps: Iterable[Step]) -> Steps:
    """One step after another until one succeeds."""
    for step in steps:
        if (yield step):
            return


def route_steps(
    walked: Generator[ModelStep, bool, Finished], *, body: Mapping[str, Any], path: str
) -> Steps:
    """A walk through a dynamic route as steps; the first model that answers ends it.

    Raises 2003 when a rate node ends the route before any model, 7003 when nothing is on the way.
    """
    try:
        found = next(walked)
    except StopIteration as end:
        raise rate_limited() if end.value.limited_by else invalid_route() from None
    while True:
        model = found.model.removeprefix(f"{found.provider}/")
        succeeded = yield Step(
            shape=Shape.CHAT,
            model=model,
            body={**body, "model": model},
            path=path,
            retries=read_retries({"max_attempts": found.retries + 1}),
            timeout_ms=None if found.timeout_ms is None else round(found.timeout_ms),
            provider=found.provider,
            passed=found.passed,
        )
        if succeeded:
            return
        try:
            found = walked.send(False)
        except StopIteration:
            return


def is_retryable(status: int) -> bool:
    """Whether another attempt at the same provider could help."""
    return status in _RETRYABLE or status >= 500


def universal_steps(entries: Any, *, retries: Retries, timeout_ms: int | None) -> Iterator[Step]:
    """The entries of the universal endpoint's array as steps. Raises 7003 or 2008."""
    if not isinstance(entries, list) or not entries:
        raise invalid_universal("an array of providers is required")
    for index, entry in enumerate(entries):
        match entry:
            case {"provider": str(provider), "endpoint": str(endpoint), "query": dict(query)}:
                pass
            case _:
                raise invalid_universal(f"entry {index} needs provider, endpoint and query")
        if provider != WORKERS_AI:
            raise invalid_provider(provider)
        config = entry.get("config")
        own = config if isinstance(config, dict) else {}
        timeout = own.get("requestTimeout")
        is_chat = endpoint.strip("/") == "v1/chat/completions"
        model = query.get("model") if is_chat else endpoint.strip("/").removeprefix("run/")
        yield Step(
            shape=Shape.CHAT if is_chat else Shape.NATIVE,
            model=str(model),
            body=query,
            path=endpoint.strip("/") if is_chat else f"run/{model}",
            retries=read_retries(
                {
                    "max_attempts": own.get("maxAttempts", retries.max_attempts),
                    "delay_ms": own.get("retryDelay", retries.delay_ms),
                    "backoff": own.get("backoff", retries.backoff),
                }
            ),
            timeout_ms=timeout if isinstance(timeout, int) and timeout > 0 else timeout_ms,
        )
