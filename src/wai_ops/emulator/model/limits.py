"""How many calls a minute one account may make to one model: pure, with an explicit time."""

from collections import deque
from collections.abc import Hashable

from wai_ops.core.prices import Model
from wai_ops.emulator.knobs import Limits
from wai_ops.emulator.models import EMBEDDINGS

WINDOW_S = 60.0
_LARGE = "bge-large"


def limit_of(model: Model, limits: Limits, *, unified_billing: bool) -> int | None:
    """Calls a minute to a model; None: no limit.

    Models that need a paid plan have the smallest one, larger when prepaid credits pay.
    """
    if not limits.model_rate:
        return None
    if model.task == EMBEDDINGS:
        return limits.large_embeddings_rpm if _LARGE in model.id else limits.embeddings_rpm
    if model.workers_paid:
        return limits.unified_rpm if unified_billing else limits.paid_rpm
    return limits.text_rpm


class RateWindows:
    """The calls of the last minute, by key. A refused call does not count."""

    def __init__(self) -> None:
        """Nothing was called."""
        self._calls: dict[Hashable, deque[float]] = {}

    def admit(self, key: Hashable, limit: int, now: float) -> bool:
        """Count one call, unless there were `limit` within the minute before `now`."""
        calls = self._calls.setdefault(key, deque())
        while calls and calls[0] <= now - WINDOW_S:
            calls.popleft()
        if len(calls) >= limit:
            return False
        calls.append(now)
        return True
