"""The elements of a route: read from JSON into types, or a list of all that is wrong with them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from wai_ops.emulator.gateway.dynamic_routes.conditions import (
    ROOTS,
    ConditionError,
    check_condition,
)
from wai_ops.emulator.gateway.windows import Technique

MAX_SHARES = 5
"""Named percentages of one split; `else` comes on top."""
MAX_WINDOW_S = 10 * 365 * 86_400
_WHOLE = Decimal(100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Where every request enters."""

    id: str
    next: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditional:
    """Two ways, by a condition on the request."""

    id: str
    condition: Mapping[str, Any]
    if_true: str
    if_false: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Several ways, by chance. `shares` are (percent, element); `rest` takes what they leave."""

    id: str
    shares: tuple[tuple[Decimal, str], ...]
    rest: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RateNode:
    """A limit of calls (`count`) or dollars (`cost`) for each value of a field."""

    id: str
    is_cost: bool
    key: str
    limit: Decimal
    window_s: int
    technique: Technique
    success: str
    fallback: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelNode:
    """A call to a model. `timeout_ms` None: no limit."""

    id: str
    provider: str
    model: str
    timeout_ms: float | None
    retries: int
    success: str
    fallback: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """The last answer, if there was one, is the answer."""

    id: str


Element = Start | Conditional | Split | RateNode | ModelNode | End


class ElementError(ValueError):
    """One element is not of the documented form; the message names it."""


def parse_element(value: Any) -> Element:
    """Read one element. Raises ElementError."""
    if not isinstance(value, Mapping):
        raise ElementError("an element must be an object")
    element_id = value.get("id")
    if not isinstance(element_id, str) or not element_id:
        raise ElementError("an element has no id")
    read = _Reader(element_id, value)
    match value.get("type"):
        case "start":
            return Start(id=element_id, next=read.output("next"))
        case "conditional":
            return _conditional(read)
        case "percentage":
            return _split(read)
        case "rate":
            return _rate(read)
        case "model":
            return _model(read)
        case "end":
            return End(id=element_id)
        case unknown:
            raise ElementError(f"{element_id}: unknown type {unknown!r}")


def targets(element: Element) -> tuple[str, ...]:
    """The elements that may come next."""
    match element:
        case Start(next=then):
            return (then,)
        case Conditional(if_true=left, if_false=right):
            return (left, right)
        case Split(shares=shares, rest=rest):
            return (*(target for _, target in shares), *([] if rest is None else [rest]))
        case (
            RateNode(success=success, fallback=fallback)
            | ModelNode(success=success, fallback=fallback)
        ):
            return (success,) if fallback is None else (success, fallback)
        case End():
            return ()


class _Reader:
    """Typed access to one element's JSON, with its id in every complaint."""

    def __init__(self, element_id: str, value: Mapping[str, Any]) -> None:
        self.id = element_id
        self.properties = self._mapping(value, "properties")
        self.outputs = self._mapping(value, "outputs")

    def _mapping(self, value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
        found = value.get(name, {})
        if not isinstance(found, Mapping):
            raise ElementError(f"{self.id}: {name} must be an object")
        return found

    def output(self, name: str) -> str:
        target = self.optional_output(name)
        if target is None:
            raise ElementError(f"{self.id}: output {name} is missing")
        return target

    def optional_output(self, name: str) -> str | None:
        output = self.outputs.get(name)
        if output is None:
            return None
        target = output.get("elementId") if isinstance(output, Mapping) else None
        if not isinstance(target, str) or not target:
            raise ElementError(f"{self.id}: output {name} names no elementId")
        return target

    def text(self, name: str) -> str:
        value = self.properties.get(name)
        if not isinstance(value, str) or not value:
            raise ElementError(f"{self.id}: {name} must be text")
        return value

    def number(self, name: str, *, least: int, default: Any = None) -> Decimal:
        value = self.properties.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            raise ElementError(f"{self.id}: {name} must be a number")
        if not math.isfinite(value) or value < least:
            raise ElementError(f"{self.id}: {name} must be at least {least}")
        return Decimal(str(value))


def _conditional(read: _Reader) -> Conditional:
    # `conditions` in the API's schema, `condition` on the page that explains it.
    condition = read.properties.get("conditions", read.properties.get("condition"))
    try:
        check_condition(condition)
    except ConditionError as error:
        raise ElementError(f"{read.id}: {error}") from error
    assert isinstance(condition, Mapping)
    return Conditional(
        id=read.id,
        condition=condition,
        if_true=read.output("true"),
        if_false=read.output("false"),
    )


def _split(read: _Reader) -> Split:
    shares = [
        (_percent(read.id, name), read.output(name)) for name in read.outputs if name != "else"
    ]
    rest = read.optional_output("else")
    total = sum((share for share, _ in shares), Decimal(0))
    if not shares:
        raise ElementError(f"{read.id}: no percentages")
    if len(shares) > MAX_SHARES:
        raise ElementError(f"{read.id}: at most {MAX_SHARES} percentages, not {len(shares)}")
    if total > _WHOLE:
        raise ElementError(f"{read.id}: the percentages add up to more than 100")
    if total < _WHOLE and rest is None:
        raise ElementError(f"{read.id}: the percentages add up to {total} and there is no else")
    return Split(id=read.id, shares=tuple(shares), rest=rest)


def _percent(element_id: str, name: str) -> Decimal:
    digits = name.removesuffix("%")
    is_number = digits.replace(".", "", 1).isdecimal() and digits.isascii()
    if digits == name or not is_number or Decimal(digits) == 0:
        raise ElementError(f"{element_id}: {name!r} is neither a percentage nor else")
    return Decimal(digits)


def _rate(read: _Reader) -> RateNode:
    limit_type = read.properties.get("limitType")
    if limit_type not in ("count", "cost"):
        raise ElementError(f'{read.id}: limitType must be "count" or "cost"')
    technique = read.properties.get("technique", "fixed")
    if technique not in ("fixed", "sliding"):
        raise ElementError(f'{read.id}: technique must be "fixed" or "sliding"')
    key = read.text("key")
    if key.partition(".")[0] not in ROOTS:
        raise ElementError(f"{read.id}: key {key} does not begin with {', '.join(ROOTS)}")
    window = read.number("window", least=1)
    if window != int(window) or window > MAX_WINDOW_S:
        raise ElementError(f"{read.id}: window must be whole seconds, at most {MAX_WINDOW_S}")
    return RateNode(
        id=read.id,
        is_cost=limit_type == "cost",
        key=key,
        limit=read.number("limit", least=0),
        window_s=int(window),
        technique=technique,
        success=read.output("success"),
        fallback=read.optional_output("fallback"),
    )


def _model(read: _Reader) -> ModelNode:
    timeout = read.number("timeout", least=0, default=0)
    retries = read.number("retries", least=0, default=0)
    if retries != int(retries):
        raise ElementError(f"{read.id}: retries must be a whole number")
    return ModelNode(
        id=read.id,
        provider=read.text("provider"),
        model=read.text("model"),
        timeout_ms=float(timeout) or None,
        retries=int(retries),
        success=read.output("success"),
        fallback=read.optional_output("fallback"),
    )
