"""Whether guards are really in force: as the gateway shows them, simulates them, and holds a probe.

A probe is a guard of its own, of the same form as those that are verified: it is about one tenant
that nobody else has, and its limit is a millionth of a dollar. It is pushed like any other guard,
used up by a call or two, and is live once the gateway refuses. Then it is removed again. What holds
for a form holds for every guard of it that was pushed no later; nothing shows more than that
without using up somebody's budget.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum

from wai_ops.config.budget_settings import Enforcement
from wai_ops.control.budgets.forms import WINDOW_S
from wai_ops.control.budgets.native import Compiled, Guard, Kind, Ref, Remote, number
from wai_ops.core.clock import Clock
from wai_ops.core.table import Table, Unit, Verdict, col

PROBED = (Enforcement.POLICY, Enforcement.SPEND_LIMIT)
"""The forms that a probe can be made of."""
_TINY_USD = Decimal("0.000001")
_LET_THROUGH_USD = Decimal(1)
_HOUR_S = min(WINDOW_S.values())


class Answer(Enum):
    """What became of one probe call."""

    SERVED = "served"
    REFUSED = "refused"
    BROKEN = "broken"
    """Neither: the probe says nothing."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The answer to one probe call, with the gateway's words."""

    answer: Answer
    words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One probe: the objects that it needs, and the tenant that it is about."""

    form: Enforcement
    tenant: str
    guards: tuple[Guard, ...]


@dataclass(slots=True)
class Probed:
    """What came of a probe."""

    form: Enforcement
    live_after_s: float | None = None
    """From the end of its push to the first refusal. None: not live."""
    call_count: int = 0
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyRow:
    """One guard."""

    guard: str = col("Guard")
    budget: str = col("Budget")
    is_pushed: bool = col("As planned", Unit.FLAG)
    """Whether the gateway shows it as the budgets want it."""
    simulation: str = col("Simulation")
    """`ok`, what it says wrongly, or `-` where the gateway has none for the form."""
    is_live: bool | None = col("Live", Unit.FLAG)
    """None: not asked, or no probe of its form."""
    live_after_s: float | None = col("Live after (s)")
    """Of the probe of its form: how long a push takes to hold now."""
    problem: str = col("Problem")


def probes_of(guards: Iterable[Guard], remote: Remote, *, prefix: str, name: str) -> list[Probe]:
    """One probe for each form. `name` is unlike any other: letters and digits."""
    forms = {guard.form for guard in guards}
    has_policies = any(policy.committed is not None for policy in remote.policies)
    found = []
    if Enforcement.POLICY in forms:
        tenant = f"{prefix}-probe-{name}-p"
        guards_ = (_policy(tenant, _TINY_USD),)
        found.append(Probe(form=Enforcement.POLICY, tenant=tenant, guards=guards_))
    if Enforcement.SPEND_LIMIT in forms:
        tenant = f"{prefix}-probe-{name}-s"
        made = [_spend_rule(tenant)]
        if has_policies:
            # Where there are policies, a call that none is about never comes to the spend rules.
            made.append(_policy(tenant, _LET_THROUGH_USD))
        found.append(Probe(form=Enforcement.SPEND_LIMIT, tenant=tenant, guards=tuple(made)))
    return found


def with_probes(compiled: Compiled, probes: Sequence[Probe]) -> Compiled:
    """The budgets' guards, and those of the probes."""
    more = tuple(guard for probe in probes for guard in probe.guards)
    return Compiled(guards=compiled.guards + more, local=compiled.local, unfit=compiled.unfit)


def watch_probes(
    probes: Sequence[Probe],
    ask: Callable[[Probe, int], Asked],
    *,
    clock: Clock,
    timeout_s: float,
    interval_s: float,
    told: Callable[[str], None],
) -> list[Probed]:
    """Call until each probe is refused, or the time is over. `ask` gets the number of the call.

    A refusal counts once a call of the probe was served: before that, it is some other guard's.
    """
    started = clock.monotonic()
    found = [Probed(probe.form) for probe in probes]
    was_served = [False] * len(probes)
    while True:
        open_ = [i for i, each in enumerate(found) if each.live_after_s is None]
        for index in open_:
            each = found[index]
            asked = ask(probes[index], each.call_count)
            each.call_count += 1
            passed = clock.monotonic() - started
            each.problem = "" if asked.answer is Answer.SERVED else asked.words
            if asked.answer is Answer.SERVED:
                was_served[index] = True
            elif asked.answer is Answer.REFUSED and was_served[index]:
                each.live_after_s, each.problem = passed, ""
                told(f"{each.form.value}: live after {passed:.1f} s")
        if all(each.live_after_s is not None for each in found):
            return found
        left = timeout_s - (clock.monotonic() - started)
        if left <= 0:
            return found
        clock.sleep(min(interval_s, left))


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """Everything that was found out."""

    guards: tuple[Guard, ...]
    not_pushed: frozenset[Ref]
    simulated: dict[Ref, str] = field(default_factory=dict)
    """Empty text: as it should be."""
    probed: tuple[Probed, ...] | None = None
    """None: nothing was probed."""
    why_not_probed: str = ""

    def table(self) -> Table[VerifyRow]:
        """One row a guard; the verdict is PASS when nothing is known to be missing."""
        by_form = {each.form: each for each in self.probed or ()}
        rows = [self._row(guard, by_form.get(guard.form)) for guard in self.guards]
        is_bad = any(row.problem for row in rows)
        notes = []
        if self.probed:
            calls = sum(each.call_count for each in self.probed)
            notes.append(
                f"{calls} probe call(s) were made, each for a fraction of a cent; a probe shows "
                "how long a push of its form takes to hold now"
            )
        if self.why_not_probed:
            notes.append(f"not probed: {self.why_not_probed}")
        others = sorted({g.form.value for g in self.guards if g.form not in PROBED})
        if others:
            notes.append(f"no probe for this form: {', '.join(others)}")
        return Table(
            row_type=VerifyRow,
            rows=rows,
            title="Whether guards hold",
            notes=tuple(notes),
            verdict=Verdict.FAIL if is_bad else Verdict.PASS,
        )

    def _row(self, guard: Guard, probed: Probed | None) -> VerifyRow:
        is_pushed = guard.ref not in self.not_pushed
        said = self.simulated.get(guard.ref)
        problem = ""
        if not is_pushed:
            problem = "the gateway does not show it as the budgets want it: wai budget push"
        elif said:
            problem = said
        elif probed is not None and probed.live_after_s is None:
            problem = f"not live in time: {probed.problem or 'every probe call was served'}"
        return VerifyRow(
            guard=str(guard.ref),
            budget=guard.budget,
            is_pushed=is_pushed,
            simulation="-" if said is None else said or "ok",
            is_live=None if probed is None else probed.live_after_s is not None,
            live_after_s=None
            if probed is None or probed.live_after_s is None
            else round(probed.live_after_s, 1),
            problem=problem,
        )


def _policy(tenant: str, amount: Decimal) -> Guard:
    body: dict[str, object] = {
        "name": tenant,
        "actor": tenant,
        "resource": "*",
        "condition": f'metadata.tenant == "{tenant}"',
        "action": {
            "type": "limit",
            "amount": number(amount),
            "period": "hourly",
            "technique": "named-interval",
        },
    }
    return _guard(Enforcement.POLICY, Ref(Kind.POLICY, tenant), body)


def _spend_rule(tenant: str) -> Guard:
    body: dict[str, object] = {
        "id": tenant,
        "enabled": True,
        "limit": number(_TINY_USD),
        "limitType": "cost",
        "window": _HOUR_S,
        "technique": "fixed",
        "metadata": {"tenant": {"mode": "filter", "values": [tenant]}},
    }
    return _guard(Enforcement.SPEND_LIMIT, Ref(Kind.SPEND_RULE, tenant), body)


def _guard(form: Enforcement, ref: Ref, body: dict[str, object]) -> Guard:
    return Guard(budget="", form=form, ref=ref, body=body, why="a probe of wai budget verify")
