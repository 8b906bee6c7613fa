"""What `wai envelope show` shows: the limits of workflows, the budgets, and who holds what."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from wai_ops.control.envelopes.model import NAMES
from wai_ops.control.policy.registry import Registry
from wai_ops.core.errors import UsageError
from wai_ops.core.table import Unit, col
from wai_ops.core.text import one_line
from wai_ops.state.live import LiveState
from wai_ops.state.owner import is_alive, process_id
from wai_ops.state.reservations import list_balances, list_reservations

_CONVERSATION = "conversation:"


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitRow:
    """One limit of a workflow's envelope."""

    workflow: str
    name: str
    value: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetRow:
    """How one budget stands."""

    budget_key: str = col("Budget")
    window_start: datetime | None = col("From", Unit.TIME)
    limit_usd: Decimal = col("Limit", Unit.USD)
    """As the last call named it."""
    spent_usd: Decimal = col("Spent", Unit.USD)
    open_usd: Decimal = col("In flight", Unit.USD)
    unknown_usd: Decimal = col("Unknown", Unit.USD)
    """Set aside by calls that ended, or whose process died, without anybody saying their cost."""
    remaining_usd: Decimal = col("Remaining", Unit.USD)
    reservation_count: int = col("Held by", Unit.COUNT)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationRow:
    """What one call has set aside, and whose it is."""

    attempt_id: str
    run_id: str
    budget_key: str
    amount_usd: Decimal
    state: str
    """`open`, or `unknown`: it ended without a price."""
    reserved_at: datetime
    process: int
    host: str
    is_running: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvelopeView:
    """Limits, budgets and reservations of the project, of a workflow, or of a conversation."""

    limits: list[LimitRow]
    budgets: list[BudgetRow]
    reservations: list[ReservationRow]

    def to_text(self) -> str:
        """Lay it out for people."""
        lines = []
        if self.limits:
            lines.append("limits")
            lines += [
                f"  {item.workflow}: {item.name} {item.value} ({item.where})"
                for item in self.limits
            ]
        lines.append("budgets" if self.budgets else "no budget was used yet")
        for row in self.budgets:
            parts = [f"${_usd(row.spent_usd)} spent"]
            if row.open_usd:
                parts.append(f"${_usd(row.open_usd)} in flight")
            if row.unknown_usd:
                parts.append(f"${_usd(row.unknown_usd)} of unknown cost")
            window = "" if row.window_start is None else f" from {row.window_start:%Y-%m-%d %H:%M}"
            lines.append(
                f"  {one_line(row.budget_key, 400)}{window}: {', '.join(parts)} of "
                f"${_usd(row.limit_usd)}; ${_usd(row.remaining_usd)} remains"
            )
        if self.reservations:
            lines.append("set aside")
        for held in self.reservations:
            whose = f"process {held.process} on {held.host}"
            whose += ", running" if held.is_running else ", gone"
            lines.append(
                f"  ${_usd(held.amount_usd)} in {one_line(held.budget_key, 400)} since "
                f"{held.reserved_at:%Y-%m-%d %H:%M:%S} UTC: {held.state}, {whose}, "
                f"attempt {held.attempt_id}"
            )
        return "".join(f"{line}\n" for line in lines)


def envelope_view(
    registry: Registry | None, live: LiveState | None, name: str | None
) -> EnvelopeView:
    """Look it up. `name`: a workflow, a conversation, or the key of a budget; None: everything.

    Raises UsageError for a name that nothing knows.
    """
    limits = [] if registry is None else _limits(registry)
    budgets = [] if live is None else _budgets(live)
    reservations = [] if live is None else _reservations(live)
    if name is None:
        return EnvelopeView(limits=limits, budgets=budgets, reservations=reservations)
    found = EnvelopeView(
        limits=[item for item in limits if item.workflow in _workflows(name, budgets)],
        budgets=[item for item in budgets if _fits(item.budget_key, name)],
        reservations=[item for item in reservations if _fits(item.budget_key, name)],
    )
    known = registry is not None and registry.workflow(name) is not None
    if not known and not found.budgets and not found.limits:
        raise UsageError(
            f"nothing is known of {one_line(name, 200)}: no workflow, conversation or budget",
            hint="see all of them: wai envelope show",
        )
    return found


def _limits(registry: Registry) -> list[LimitRow]:
    return [
        LimitRow(
            workflow=policy.name,
            name=name,
            value=format(value, "f") if isinstance(value, Decimal) else str(value),
            where=(policy.places.get(f"envelope.{name}") or policy.places["workflow"]).where,
        )
        for policy in registry.workflows.values()
        if policy.envelope is not None
        for name in NAMES
        if (value := getattr(policy.envelope, name)) is not None
    ]


def _budgets(live: LiveState) -> list[BudgetRow]:
    held = list_reservations(live)
    in_use = {(item.budget_key, item.window_start) for item in held}
    balances = list_balances(live)
    newest = {item.key: item.window_start for item in balances}
    return [
        BudgetRow(
            budget_key=item.key,
            window_start=item.window_start,
            limit_usd=item.limit_usd,
            spent_usd=item.spent_usd,
            open_usd=item.open_usd,
            unknown_usd=item.unknown_usd,
            remaining_usd=item.remaining_usd,
            reservation_count=sum(
                (each.budget_key, each.window_start) == (item.key, item.window_start)
                for each in held
            ),
        )
        for item in balances
        # Windows that are over and settled are history.
        if newest[item.key] == item.window_start or (item.key, item.window_start) in in_use
    ]


def _reservations(live: LiveState) -> list[ReservationRow]:
    return [
        ReservationRow(
            attempt_id=item.reservation_id,
            run_id=item.run_id,
            budget_key=item.budget_key,
            amount_usd=item.amount_usd,
            state=item.state,
            reserved_at=item.reserved_at,
            process=process_id(item.owner),
            host=item.owner.partition("/")[0],
            is_running=is_alive(item.owner),
        )
        for item in list_reservations(live)
    ]


def _fits(key: str, name: str) -> bool:
    """Whether a budget is meant: its key, or the workflow or conversation of a conversation's."""
    if key == name:
        return True
    if not key.startswith(_CONVERSATION):
        return False
    whole = key.removeprefix(_CONVERSATION)
    return whole == name or name in whole.split(":")[1:]


def _workflows(name: str, budgets: Sequence[BudgetRow]) -> frozenset[str]:
    """The workflow of that name, and those of the conversations of that name."""
    keys = (item.budget_key for item in budgets if _fits(item.budget_key, name))
    parts = (key.removeprefix(_CONVERSATION).split(":") for key in keys)
    return frozenset({name, *(part[1] for part in parts if len(part) == 3)})


def _usd(amount: Decimal) -> str:
    return f"{amount.normalize():f}"
