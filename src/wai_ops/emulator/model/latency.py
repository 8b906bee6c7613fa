"""When each token of an answer is due: pure arithmetic on absolute times, so nothing drifts."""

import random

from wai_ops.emulator.knobs import Latency


class Schedule:
    """The times of one answer, in seconds after its call began to run.

    The first token is due after the overhead and the uncached prompt; token k of the answer
    k - 1 decode steps later. Jitter stretches or shrinks the first and delays each of the others by
    a share of one step, so that order is kept and the end stays where it was.
    """

    def __init__(self, latency: Latency, *, uncached_tokens: int, number: int) -> None:
        """`number`: which call of the emulator's life this is; it chooses the jitter."""
        prefill = latency.prefill_tokens_per_s
        decode = latency.decode_tokens_per_s
        self._jitter = latency.jitter_ratio
        self._rng = random.Random(f"{latency.seed}:{number}")  # noqa: S311 - not for secrets
        base = latency.overhead_ms / 1000 + (0.0 if prefill is None else uncached_tokens / prefill)
        factor = 1 + self._jitter * (2 * self._rng.random() - 1)
        self.first_s = base * factor
        self._step_s = 0.0 if decode is None else 1 / decode

    @property
    def is_paced(self) -> bool:
        """Whether tokens after the first have times of their own."""
        return self._step_s > 0

    def due_s(self, count: int) -> float:
        """When `count` tokens are there. Ask in rising order: each answer uses up some chance."""
        if count <= 1:
            return self.first_s
        late = self._jitter * self._rng.random()
        return self.first_s + (count - 1 + late) * self._step_s


def is_instant(latency: Latency) -> bool:
    """Whether no call ever has to wait."""
    return (
        latency.overhead_ms == 0
        and latency.prefill_tokens_per_s is None
        and latency.decode_tokens_per_s is None
    )
