"""What every handler works with, made once a server."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from wai_ops.core.clock import Clock
from wai_ops.core.prices import PriceBook
from wai_ops.emulator.backends.base import Backend
from wai_ops.emulator.gateway.budgets import Budgets
from wai_ops.emulator.gateway.log_ids import LogIds
from wai_ops.emulator.gateway.rate_limit import RateLimits
from wai_ops.emulator.gateway.response_cache import ResponseCache
from wai_ops.emulator.gateway.settings import Gateways
from wai_ops.emulator.knobs import LiveKnobs
from wai_ops.emulator.model.service import ModelService
from wai_ops.emulator.recorder import Recorder
from wai_ops.emulator.replicas import Replicas
from wai_ops.emulator.store import Store

ROUTE_SEED = 0
LAG_SEED = 0
"""Of the jitter with which log rows appear."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The parts of one running emulator. Tests put their own clock and chance in."""

    clock: Clock
    book: PriceBook
    store: Store
    gateways: Gateways
    replicas: Replicas
    backend: Backend
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    """Seconds to wait, without keeping others waiting."""
    budgets: Budgets = field(default_factory=Budgets)
    route_rng: random.Random = field(default_factory=lambda: random.Random(ROUTE_SEED))  # noqa: S311
    """Draws the ways of dynamic routes that split by chance."""
    log_ids: LogIds = field(default_factory=LogIds)
    response_cache: ResponseCache = field(default_factory=ResponseCache)
    rate_limits: RateLimits = field(default_factory=RateLimits)
    knobs: LiveKnobs = field(default_factory=LiveKnobs)
    recorder: Recorder = field(init=False)
    """Writes what is told of every call; made from the parts above."""
    models: ModelService = field(init=False)
    """Answers calls within the limits that the knobs set; made from the parts above."""

    def __post_init__(self) -> None:
        """Make the recorder and the model service."""
        rng = random.Random(LAG_SEED)  # noqa: S311 - not for secrets
        recorder = Recorder(self.store, self.clock, rng, lambda: self.knobs.current.logs)
        object.__setattr__(self, "recorder", recorder)
        models = ModelService(
            clock=self.clock, knobs=self.knobs, replicas=self.replicas, backend=self.backend
        )
        object.__setattr__(self, "models", models)
