"""Which guards a call has to do with, and in which bucket. Pure.

The rules are the provider's: a policy that names a key which the call lacks is not about it; a
block wins over everything; with any policy a call that none is about is refused; a spend rule split
by a key is not about calls without it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from wai_ops.config.budget_settings import (
    Alignment,
    BudgetScope,
    BudgetSettings,
    BudgetWindow,
    Enforcement,
    ScopeKey,
)
from wai_ops.control.budgets.forms import WINDOW_S
from wai_ops.control.budgets.native import Compiled, Guard, LocalBudget
from wai_ops.control.budgets.replay import Meter, Period, to_pico

_S = 1_000_000
_PERIODS = {
    BudgetWindow.HOURLY: Period.HOURLY,
    BudgetWindow.DAILY: Period.DAILY,
    BudgetWindow.WEEKLY: Period.WEEKLY,
    BudgetWindow.MONTHLY: Period.MONTHLY,
}
_LOCAL = "local"
ENVELOPE = "envelope"
_EVER = 10**18
"""One window that all times lie in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """By what guards know a call. None: it does not carry the key."""

    tenant: str | None
    workflow: str | None
    prompt: str | None
    """`name@version`."""
    model: str | None


@dataclass(slots=True)
class Matcher:
    """Guards ready to be asked about calls; the meters of their buckets are made as needed."""

    compiled: Compiled
    budgets: Mapping[str, BudgetSettings]
    envelopes: Mapping[str, Decimal] = field(default_factory=dict)
    """Workflow -> the dollars that its envelope allows a conversation."""
    _meters: dict[tuple[str, str], Meter] = field(default_factory=dict)

    def meters_of(self, call: Traits) -> list[Meter] | None:
        """The meters of a call, in the order in which they are asked; None: refused outright."""
        found: list[Meter] = []
        for local in self.compiled.local:
            found += self._local(local, call)
        policies = [g for g in self.compiled.guards if g.form is Enforcement.POLICY]
        rest = [g for g in self.compiled.guards if g.form is not Enforcement.POLICY]
        found += self._limited([g for g in rest if g.form is Enforcement.RATE_LIMIT], call)
        if policies:
            if any(_blocks(guard, call) for guard in policies):
                return None
            about = self._limited(policies, call)
            if not about and not any(_frees(guard) for guard in policies):
                return None
            found += about
        found += self._limited([g for g in rest if g.form is Enforcement.SPEND_LIMIT], call)
        return found

    def purse_of(self, call: Traits, conversation: str | None) -> Meter | None:
        """The meter of a conversation in a workflow whose envelope has money; None: it has none."""
        limit = self.envelopes.get(call.workflow or "")
        if limit is None or conversation is None or call.tenant is None:
            return None
        key = (f"{ENVELOPE} {call.workflow}", f"tenant={call.tenant}, conversation={conversation}")
        if key not in self._meters:
            self._meters[key] = Meter(
                guard=key[0], bucket=key[1], limit=to_pico(limit), length_us=_EVER, reserves=True
            )
        return self._meters[key]

    @property
    def keys(self) -> set[ScopeKey]:
        """The keys that any budget looks at."""
        found: set[ScopeKey] = set()
        for budget in self.budgets.values():
            found |= set(budget.per)
            found |= {key for key in ScopeKey if getattr(budget.scope, key.value)}
        if any(_is_block(guard) for guard in self.compiled.guards):
            found.add(ScopeKey.MODEL)
        return found

    @property
    def meters(self) -> Sequence[Meter]:
        """All meters that calls were found for."""
        return list(self._meters.values())

    def not_evaluated(self) -> list[str]:
        """What no replay can tell, a sentence each."""
        routes = [g.budget for g in self.compiled.guards if g.form is Enforcement.ROUTE]
        return [
            f"{name}: what a route would have cost is not known, since another model answers"
            for name in routes
        ]

    def _limited(self, guards: Sequence[Guard], call: Traits) -> list[Meter]:
        found = []
        for guard in guards:
            budget = self.budgets.get(guard.budget)
            if budget is None or not fits(budget.scope, call) or not _has_model(guard, call):
                continue
            bucket = bucket_of(budget, call)
            if bucket is not None:
                found.append(self._meter(guard, budget, bucket))
        return found

    def _meter(self, guard: Guard, budget: BudgetSettings, bucket: str) -> Meter:
        key = (guard.ref.name, bucket)
        if key not in self._meters:
            is_rate = guard.form is Enforcement.RATE_LIMIT
            limit = guard.body["rate_limiting_limit"] if is_rate else to_pico(budget.limit_usd)
            self._meters[key] = _new_meter(
                str(guard.ref),
                bucket,
                limit,
                budget,
                is_sliding=budget.alignment is Alignment.ROLLING,
                counts_calls=is_rate,
            )
        return self._meters[key]

    def _local(self, local: LocalBudget, call: Traits) -> list[Meter]:
        budget = self.budgets[local.budget]
        bucket = bucket_of(budget, call)
        if bucket is None or not fits(budget.scope, call):
            return []
        key = (f"{_LOCAL} {local.budget}", bucket)
        if key not in self._meters:
            self._meters[key] = _new_meter(
                key[0],
                bucket,
                to_pico(budget.limit_usd),
                budget,
                reserves=True,
            )
        return [self._meters[key]]


def _new_meter(
    guard: str, bucket: str, limit: int, budget: BudgetSettings, **options: bool
) -> Meter:
    if budget.alignment is Alignment.ROLLING:
        length, offset = WINDOW_S[budget.window] * _S, 0
    else:
        length, offset = _PERIODS[budget.window].value
    return Meter(
        guard=guard, bucket=bucket, limit=limit, length_us=length, offset_us=offset, **options
    )


def fits(scope: BudgetScope, call: Traits) -> bool:
    """Whether a call draws on a budget of that scope."""
    if scope.tenant and call.tenant not in scope.tenant:
        return False
    if scope.workflow and call.workflow not in scope.workflow:
        return False
    if scope.model and call.model not in scope.model:
        return False
    return not scope.prompt or _has_prompt(scope.prompt, call.prompt)


def _has_prompt(wanted: Sequence[str], prompt: str | None) -> bool:
    if prompt is None:
        return False
    return any(prompt == name if "@" in name else prompt.startswith(f"{name}@") for name in wanted)


def _has_model(guard: Guard, call: Traits) -> bool:
    """Whether the guard's own object is about the model: a budget may be split into several."""
    models: Any = None
    resource, model = guard.body.get("resource"), guard.body.get("model")
    if isinstance(resource, Mapping):
        models = resource.get("model")
    elif isinstance(model, Mapping):
        models = model.get("values")
    return models is None or call.model in models


def bucket_of(budget: BudgetSettings, call: Traits) -> str | None:
    """The values that the budget is split by; None: the call lacks one of them."""
    values = []
    for key in budget.per:
        value = getattr(call, key.value)
        if value is None:
            return None
        if key is not ScopeKey.MODEL or budget.scope.model:
            values.append(f"{key.value}={value}")
    return ", ".join(values)


def _is_block(guard: Guard) -> bool:
    action = guard.body.get("action")
    return isinstance(action, Mapping) and action.get("type") == "block"


def _blocks(guard: Guard, call: Traits) -> bool:
    """Whether a model allowlist refuses a call: `wai` makes no other block."""
    if not _is_block(guard):
        return False
    workflow = f'metadata.workflow == "{call.workflow}"'
    # A block whose condition names a key that the call lacks blocks.
    is_about = call.workflow is None or guard.body.get("condition") == workflow
    return is_about and call.model not in guard.body["resource"]["model"]


def _frees(guard: Guard) -> bool:
    action = guard.body.get("action")
    return isinstance(action, Mapping) and action.get("type") == "no-limit"
