"""What Cloudflare can hold of a budget: the objects of a gateway, as plain JSON in its own shapes.

Shapes: spend rules and rate limiting are fields of the gateway object (the `cloudflare` package,
`ai_gateway_create_params`); policies are a resource of their own that the package does not know
yet; routes are graphs of elements (`dynamic_routing_create_params`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

from wai_ops.config.budget_settings import Enforcement

Json = Any
MAX_SPEND_RULES = 20
"""Rules that a gateway holds at most."""
PROVIDER = "workers-ai"
"""How the gateway calls the provider whose models start with `@cf/`."""


class Kind(StrEnum):
    """What kind of object it is."""

    POLICY = "policy"
    SPEND_RULE = "spend_rule"
    ROUTE = "route"
    RATE_LIMIT = "rate_limit"
    """The one rate limit of a gateway."""


@dataclass(frozen=True, slots=True)
class Ref:
    """One object of a gateway, by the name that is ours to choose."""

    kind: Kind
    name: str

    def __str__(self) -> str:
        """`policy wai-acme-monthly`."""
        return f"{self.kind.value} {self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """One object that holds a budget, or a part of it."""

    budget: str
    """Empty: it holds no budget but the way the others work."""
    form: Enforcement
    ref: Ref
    body: Mapping[str, Json]
    """What is sent, without ids that the API gives."""
    why: str
    """Why this form: one sentence."""
    gaps: tuple[str, ...] = ()
    """What passes it by, each a sentence. Known for each form and this budget's own shape."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalBudget:
    """A budget that `wai` itself holds, by reserving before it sends."""

    budget: str
    why: str
    gaps: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfit:
    """A form that cannot hold a budget."""

    budget: str
    form: Enforcement
    why: str
    is_wanted: bool
    """Whether `enforce` names it: then the plan is not what was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """What budgets come to."""

    guards: tuple[Guard, ...]
    local: tuple[LocalBudget, ...] = ()
    unfit: tuple[Unfit, ...] = ()

    @property
    def desired(self) -> dict[Ref, Mapping[str, Json]]:
        """The objects that should be there."""
        return {guard.ref: guard.body for guard in self.guards}


@dataclass(frozen=True, slots=True, kw_only=True)
class RemotePolicy:
    """One policy as the API has it."""

    id: str
    committed: Mapping[str, Json] | None
    """What is in force, or will be; None: it is a draft alone."""
    draft: Mapping[str, Json] | None = None
    """What a commit would make of it; None: nothing is staged."""

    @property
    def name(self) -> str:
        """Its name; empty when it has none."""
        name = (self.committed or self.draft or {}).get("name")
        return name if isinstance(name, str) else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteRoute:
    """One dynamic route with the elements that are deployed; None: nothing is."""

    id: str
    name: str
    elements: tuple[Mapping[str, Json], ...] | None
    version_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """Everything of a gateway that guards are made of, read at one time."""

    gateway_id: str
    gateway: Mapping[str, Json]
    """The whole object as it was read."""
    policies: tuple[RemotePolicy, ...] = ()
    routes: tuple[RemoteRoute, ...] = ()

    @property
    def spend_rules(self) -> tuple[Mapping[str, Json], ...]:
        """The spend rules, whether they are switched on or not."""
        limits = self.gateway.get("spend_limits")
        rules = limits.get("rules") if isinstance(limits, Mapping) else None
        return tuple(rule for rule in rules or () if isinstance(rule, Mapping))


def number(value: Decimal) -> int | float:
    """A decimal as JSON has numbers."""
    return int(value) if value == value.to_integral_value() else float(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What compiling needs to know beside the budgets."""

    worst_request_usd: Mapping[str, Decimal] = field(default_factory=dict)
    """Budget -> the most that one request under it can cost; left out: not known."""
