"""One request on its way through a route.

A generator says which model to try; its driver tries and sends back whether that went well:

    steps = walk(route, name="support", request=request, rates=rates, rng=rng, now=clock.now)
    step = next(steps)                     # StopIteration: the route ends without a model
    step = steps.send(True)                # or False, after all retries of the step

The StopIteration at the end carries a `Finished`.
"""

import random
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from wai_ops.emulator.gateway.dynamic_routes.conditions import matches
from wai_ops.emulator.gateway.dynamic_routes.elements import (
    Conditional,
    Element,
    End,
    ModelNode,
    RateNode,
    Split,
    Start,
)
from wai_ops.emulator.gateway.dynamic_routes.graph import Route
from wai_ops.emulator.gateway.dynamic_routes.rates import RateKey, RouteRates


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteRequest:
    """What the elements may ask about. Names of headers in lower case."""

    body: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def scope(self) -> dict[str, Any]:
        """The roots of the paths in conditions and keys."""
        return {"body": self.body, "headers": self.headers, "metadata": self.metadata}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelStep:
    """Try this model now: up to `retries` times more, each for `timeout_ms` (None: no limit).

    `index` counts the models tried on this walk from 0: the `step` of headers and log rows.
    """

    index: int
    element_id: str
    provider: str
    model: str
    timeout_ms: float | None
    retries: int
    passed: tuple[RateKey, ...]
    """The rate nodes on the way here; `RouteRates.settle` wants them when the call has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """How the walk ended. The answer is that of the last model which answered, if any did."""

    has_answer: bool
    limited_by: str | None = None
    """The rate node that ended the route: its budget is used up, and it has no fallback."""


def walk(
    route: Route,
    *,
    name: str,
    request: RouteRequest,
    rates: RouteRates,
    rng: random.Random,
    now: Callable[[], datetime],
) -> Generator[ModelStep, bool, Finished]:
    """Follow the route. The graph has no loop, so this ends."""
    scope = request.scope
    passed: list[RateKey] = []
    has_answer, tried = False, 0
    element: Element = route.start
    while True:
        target: str | None
        match element:
            case End():
                return Finished(has_answer=has_answer)
            case RateNode():
                key = rates.key(name, element, scope)
                if key is None or rates.admit(key, now()):
                    target = element.success
                    passed += [] if key is None else [key]
                elif element.fallback is None:
                    return Finished(has_answer=has_answer, limited_by=element.id)
                else:
                    target = element.fallback
            case ModelNode():
                succeeded = yield ModelStep(
                    index=tried,
                    element_id=element.id,
                    provider=element.provider,
                    model=element.model,
                    timeout_ms=element.timeout_ms,
                    retries=element.retries,
                    passed=tuple(passed),
                )
                tried += 1
                has_answer = has_answer or succeeded
                target = element.success if succeeded else element.fallback
                if target is None:
                    return Finished(has_answer=has_answer)
            case _:
                target = _choose(element, scope, rng)
        element = route.elements[target]


def _choose(
    element: Start | Conditional | Split, scope: Mapping[str, Any], rng: random.Random
) -> str:
    """The way on from an element that only chooses."""
    match element:
        case Start(next=target):
            return target
        case Conditional():
            return element.if_true if matches(element.condition, scope) else element.if_false
        case Split():
            return _draw(element, rng)


def _draw(split: Split, rng: random.Random) -> str:
    """One of the ways, by chance."""
    point = Decimal(rng.random()) * 100
    for share, target in split.shares:
        if point < share:
            return target
        point -= share
    # Shares that fill the whole leave nothing: the last one takes what rounding might.
    return split.shares[-1][1] if split.rest is None else split.rest
