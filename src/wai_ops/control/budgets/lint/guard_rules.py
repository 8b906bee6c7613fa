"""Rules about the objects of the gateway that hold budgets, and about the gateway itself."""

from collections.abc import Iterator, Mapping
from typing import Any

from wai_ops.config.budget_settings import Enforcement, LimitAction
from wai_ops.control.budgets.lint.look import Look, found
from wai_ops.control.budgets.native import MAX_SPEND_RULES
from wai_ops.core.findings import Finding, Level, Rule

MAX_KEYS = 5
"""Metadata keys that a call can carry."""

CACHE = Rule(
    id="WB004",
    name="gateway-cache",
    level=Level.WARNING,
    why="Answers of the gateway's response cache pass every guard: they are neither counted nor "
    "stopped.",
    fix="Set cache_ttl of the gateway to 0, or take those calls out of what the budgets promise.",
)
TWO_WINDOWS = Rule(
    id="WB006",
    name="two-windows",
    level=Level.WARNING,
    why="A policy and a spend rule count the same budget in windows of their own: a call can be "
    "refused by one while the other has room, and neither figure is the other's.",
    fix="Keep one of the two in `enforce`.",
)
MANY_RULES = Rule(
    id="WB007",
    name="too-many-rules",
    level=Level.ERROR,
    why=f"A gateway holds {MAX_SPEND_RULES} spend rules: the push of the others fails.",
    fix="Split by a key (`per`) where budgets are alike, or use policies.",
)
MANY_KEYS = Rule(
    id="WB008",
    name="too-many-keys",
    level=Level.ERROR,
    why=f"A call carries {MAX_KEYS} metadata keys at most, the rest is dropped: guards that look "
    "at more keys between them are each blind to some calls.",
    fix="Let the guards agree on five keys; wai sends tenant, workflow, prompt and two of its own.",
)
FAIL_OPEN = Rule(
    id="WB009",
    name="fail-open",
    level=Level.WARNING,
    why="Only the gateway holds the budget, and it counts when calls have ended: those in flight "
    "pass it, and so does everything while counting lags or fails.",
    fix="Add `local` to `enforce` for the calls of wai; wai budget bound says by how much it can "
    "be passed.",
)
RULES = (CACHE, TWO_WINDOWS, MANY_RULES, MANY_KEYS, FAIL_OPEN)


def check_guards(look: Look) -> Iterator[Finding]:
    """Look at what holds the budgets."""
    for name, budget in look.budgets.items():
        forms = {guard.form for guard in look.guards_of(name)}
        if forms >= {Enforcement.POLICY, Enforcement.SPEND_LIMIT}:
            yield found(look, TWO_WINDOWS, name, "a policy and a spend rule both hold it")
        is_block = budget.action is LimitAction.BLOCK
        counted = forms & {Enforcement.POLICY, Enforcement.SPEND_LIMIT}
        if is_block and counted and not look.is_local(name):
            words = " and ".join(sorted(form.value for form in counted))
            yield found(look, FAIL_OPEN, name, f"held by {words} alone, which counts afterwards")
    yield from _rules(look)
    yield from _keys(look)
    if look.remote is not None and (ttl := look.remote.gateway.get("cache_ttl")):
        text = f"gateway {look.remote.gateway_id} keeps answers for {ttl} seconds"
        yield found(look, CACHE, "", text, key="cache_ttl")


def _rules(look: Look) -> Iterator[Finding]:
    ours = {
        guard.ref.name for guard in look.compiled.guards if guard.form is Enforcement.SPEND_LIMIT
    }
    there = () if look.remote is None else look.remote.spend_rules
    foreign = [rule for rule in there if rule.get("id") not in ours]
    kept = [rule for rule in foreign if not _is_ours(look, rule.get("id"))]
    if len(ours) + len(kept) > MAX_SPEND_RULES:
        beside = f", and {len(kept)} of others are there" if kept else ""
        text = f"the budgets need {len(ours)} spend rules{beside}: {MAX_SPEND_RULES} is the most"
        yield found(look, MANY_RULES, "", text, key="spend rules")


def _is_ours(look: Look, name: Any) -> bool:
    return isinstance(name, str) and name.startswith(f"{look.guards.prefix}-")


def _keys(look: Look) -> Iterator[Finding]:
    named: set[str] = set()
    for guard in look.compiled.guards:
        named |= _metadata_keys(guard.body)
    for rule in () if look.remote is None else look.remote.spend_rules:
        named |= _metadata_keys(rule)
    if len(named) > MAX_KEYS:
        text = f"guards look at {len(named)} metadata keys: {', '.join(sorted(named))}"
        yield found(look, MANY_KEYS, "", text, key="keys")


def _metadata_keys(body: Mapping[str, Any]) -> set[str]:
    metadata = body.get("metadata")
    return set(metadata) if isinstance(metadata, Mapping) else set()
