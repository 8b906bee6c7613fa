"""What every handler works with, made once a server."""

from dataclasses import dataclass

from wai_ops.core.clock import Clock
from wai_ops.core.prices import PriceBook
from wai_ops.emulator.backends.base import Backend
from wai_ops.emulator.gateway.settings import Gateways
from wai_ops.emulator.replicas import Replicas
from wai_ops.emulator.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The parts of one running emulator. Tests put their own clock and chance in."""

    clock: Clock
    book: PriceBook
    store: Store
    gateways: Gateways
    replicas: Replicas
    backend: Backend
