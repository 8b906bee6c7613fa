"""One policy: read from JSON, compiled, and asked whether it is about a request."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

from wai_ops.emulator.gateway.labels import to_text
from wai_ops.emulator.gateway.policies.cel import (
    CelSyntaxError,
    Expression,
    MissingFieldError,
    compile_expression,
)
from wai_ops.emulator.gateway.policies.periods import Period

TECHNIQUE = "named-interval"
_FIELD = re.compile(r"\{([^{}]*)\}")


class PolicyError(ValueError):
    """A policy is not of the documented form; the provider answers 400."""


@dataclass(frozen=True, slots=True)
class NoLimit:
    """Allow without a cap."""


@dataclass(frozen=True, slots=True)
class Block:
    """Refuse what matches; with `is_except`, whatever does not match the resource."""

    is_except: bool = False


@dataclass(frozen=True, slots=True)
class Cap:
    """Allow until so much is spent in the running period."""

    amount_usd: Decimal
    period: Period


Action = NoLimit | Block | Cap


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """Which models and providers a policy covers; None: all of them."""

    models: tuple[str, ...] | None = None
    providers: tuple[str, ...] | None = None

    def covers(self, model_names: tuple[str, ...], provider: str) -> bool:
        """Whether a request for that model, by any of its names, is covered."""
        if self.providers is not None and provider not in self.providers:
            return False
        return self.models is None or any(
            _glob(pattern).fullmatch(name) for pattern in self.models for name in model_names
        )

    def to_text(self) -> str:
        """The same text for the same resource, whatever the order of its values."""
        if self.models is None and self.providers is None:
            return "*"
        parts = {"model": self.models, "provider": self.providers}
        return json.dumps(
            {name: sorted(set(values)) for name, values in parts.items() if values is not None},
            separators=(",", ":"),
        )


class Actor:
    """The name of a budget, with fields of the request in braces."""

    def __init__(self, template: str) -> None:
        """Compile. Raises PolicyError."""
        self._parts: list[str | Expression] = []
        end = 0
        for match in _FIELD.finditer(template):
            self._add_text(template, template[end : match.start()])
            self._parts.append(_compile(match.group(1), f"actor {template!r}"))
            end = match.end()
        self._add_text(template, template[end:])

    def resolve(self, identity: Mapping[str, Any]) -> str:
        """The budget's name for one request. Raises MissingFieldError, EvaluationError.

        A field that is a list or an object counts as missing: it cannot be a part of a name.
        """
        return "".join(
            part if isinstance(part, str) else _field_text(part, identity) for part in self._parts
        )

    def _add_text(self, template: str, text: str) -> None:
        if "{" in text or "}" in text:
            raise PolicyError(f"actor {template!r} has a brace without its partner")
        self._parts.append(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One policy, ready to be evaluated."""

    id: str
    name: str
    actor: Actor
    resource: Resource
    condition: Expression
    action: Action


def parse_policy(value: Mapping[str, Any]) -> Policy:
    """Read and compile the object that the API takes and gives. Raises PolicyError."""
    name, actor, condition = (_text(value, key) for key in ("name", "actor", "condition"))
    policy_id = value.get("id", "")
    return Policy(
        id=policy_id if isinstance(policy_id, str) else "",
        name=name,
        actor=Actor(actor),
        resource=_parse_resource(value.get("resource")),
        condition=_compile(condition, "condition"),
        action=_parse_action(value.get("action")),
    )


def _text(value: Mapping[str, Any], key: str) -> str:
    text = value.get(key)
    if not isinstance(text, str) or not text:
        raise PolicyError(f"{key} must be text")
    return text


def _compile(text: str, where: str) -> Expression:
    try:
        return compile_expression(text)
    except CelSyntaxError as error:
        raise PolicyError(f"{where}: {error}") from error


def _parse_resource(value: Any) -> Resource:
    if value == "*":
        return Resource()
    if not isinstance(value, Mapping) or not value or not set(value) <= {"model", "provider"}:
        raise PolicyError('resource must be "*" or an object with model, provider or both')
    return Resource(
        models=_names(value.get("model"), "resource.model"),
        providers=_names(value.get("provider"), "resource.provider"),
    )


def _names(value: Any, where: str) -> tuple[str, ...] | None:
    if value is None:
        return None
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names):
        raise PolicyError(f"{where} must be text or a list of text")
    return tuple(names)


def _parse_action(value: Any) -> Action:
    if not isinstance(value, Mapping):
        raise PolicyError("action must be an object")
    match value.get("type"):
        case "no-limit":
            return NoLimit()
        case "block":
            is_except = value.get("except", False)
            if not isinstance(is_except, bool):
                raise PolicyError("action.except must be true or false")
            return Block(is_except)
        case "limit":
            return _parse_cap(value)
        case _:
            raise PolicyError('action.type must be "no-limit", "block" or "limit"')


def _parse_cap(value: Mapping[str, Any]) -> Cap:
    amount, period = value.get("amount"), value.get("period")
    if isinstance(amount, bool) or not isinstance(amount, int | float | Decimal):
        raise PolicyError("action.amount must be a number")
    amount_usd = Decimal(str(amount))
    if not amount_usd.is_finite() or amount_usd <= 0:
        raise PolicyError("action.amount must be more than 0")
    if not isinstance(period, str) or period not in set(Period):
        raise PolicyError(f"action.period must be one of {', '.join(Period)}")
    if value.get("technique", TECHNIQUE) != TECHNIQUE:
        raise PolicyError(f'action.technique must be "{TECHNIQUE}"')
    return Cap(amount_usd, Period(period))


def _field_text(field: Expression, identity: Mapping[str, Any]) -> str:
    value = field.evaluate(identity)
    if not isinstance(value, str | int | float):
        raise MissingFieldError("the field is neither text nor number")
    return to_text(value)


@lru_cache(maxsize=1024)
def _glob(pattern: str) -> re.Pattern[str]:
    """`*` stands for anything but a slash; runs of it are one, so that matching stays quick."""
    parts = re.split(r"\*+", pattern)
    return re.compile("[^/]*".join(re.escape(part) for part in parts))
