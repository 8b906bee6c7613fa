"""Which faults happen to which request: pure, and the same for the same seed and the same requests.

Every rule counts the requests that match it. Whether the n-th of them is hit, and with which
random bytes, depends on the rule's seed, its place in the list and n alone: neither the order of
other traffic nor an earlier outcome changes it.
"""

import random
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from fnmatch import fnmatchcase

from wai_ops.emulator.backends.base import Cancel, Meter
from wai_ops.emulator.errors import ApiError
from wai_ops.emulator.knobs import Fault


@dataclass(slots=True)
class Facts:
    """What a rule can see of a request."""

    path: str
    model: str | None = None
    """None: the request names none."""
    tenant: str | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """One fault that happens; `rng` is for its details alone."""

    rule: Fault
    rng: random.Random


class FaultBook:
    """The rules and their counters."""

    def __init__(self, rules: Sequence[Fault] = ()) -> None:
        """Nothing has matched yet."""
        self.rules = tuple(rules)
        self._matched = [0] * len(self.rules)
        self._fired = [0] * len(self.rules)

    def needs_model(self, stage: str) -> bool:
        """Whether a rule of that stage asks for the model."""
        return any(rule.stage == stage and rule.model != "*" for rule in self.rules)

    def hits(self, facts: Facts, stage: str) -> list[Hit]:
        """Everything that happens to one request at that stage, in the order of the rules."""
        hits = []
        for index, rule in enumerate(self.rules):
            if rule.stage != stage or not matches(rule, facts):
                continue
            number = self._matched[index]
            self._matched[index] += 1
            if number < rule.skip or (rule.count is not None and self._fired[index] >= rule.count):
                continue
            rng = random.Random(f"{rule.seed}:{index}:{number}")  # noqa: S311 - not for secrets
            if rng.random() < rule.probability:
                self._fired[index] += 1
                hits.append(Hit(rule, rng))
        return hits


def matches(rule: Fault, facts: Facts) -> bool:
    """Whether a rule speaks of such a request. Only `*` fits what is not there."""
    return (
        fnmatchcase(facts.path, rule.path)
        and _fits(facts.model, rule.model)
        and _fits(facts.tenant, rule.tenant)
    )


def _fits(value: str | None, pattern: str) -> bool:
    return pattern == "*" or (value is not None and fnmatchcase(value, pattern))


def refusal(rule: Fault, *, on_gateway_host: bool = False) -> ApiError:
    """The error answer that a `status` fault asks for."""
    error = ApiError(rule.status, rule.code, rule.message, gateway=on_gateway_host)
    if rule.retry_after_s is not None:
        error.headers = {"retry-after": str(rule.retry_after_s)}
    return error


@dataclass(slots=True)
class Passage:
    """One request on its way in, as the parts further in find it."""

    facts: Facts
    book: FaultBook
    meter: Meter | None = None
    """Of the attempt under way."""


CURRENT: ContextVar[Passage | None] = ContextVar("wai_emulator_passage", default=None)
"""Set at the door, and only while there are any rules."""

Wait = Callable[[float | None, Cancel], Awaitable[bool]]
"""Lets so many milliseconds pass; None: until the client leaves."""


def note_meter(meter: Meter) -> None:
    """Tell the door whose tokens are being counted."""
    if (passage := CURRENT.get()) is not None:
        passage.meter = meter


async def model_fault(model: str, wait: Wait, cancel: Cancel) -> None:
    """Let the faults of the model stage happen to one attempt. Raises ApiError."""
    passage = CURRENT.get()
    if passage is None:
        return
    facts = Facts(passage.facts.path, model, passage.facts.tenant)
    for hit in passage.book.hits(facts, "model"):
        if hit.rule.kind == "hang":
            await wait(hit.rule.delay_ms, cancel)
        else:
            raise refusal(hit.rule)
