"""Do the account's bills say what the ledger says? Day by day, with what explains a difference.

Neurons are compared with neurons; money follows from them: 10,000 neurons of each UTC day are free,
the rest has one price. An explanation is named only where it is large enough to be one.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from enum import StrEnum
from typing import Any

from wai_ops.control.budgets.bills import Bill
from wai_ops.core.money import FREE_NEURONS_PER_DAY, USD_PER_NEURON
from wai_ops.core.table import Table, Unit, Verdict, col
from wai_ops.core.text import counted, one_line
from wai_ops.observe.reports.billed_days import Used

LATE = timedelta(days=2)
"""So long after a day its bill may still grow: how late rows come is not documented."""
_ONE = Decimal(1)
_CENT = Decimal("0.01")


class Finding(StrEnum):
    """What comparing a day has shown."""

    AGREES = "agrees"
    EXPLAINED = "explained"
    """The difference is within what is known to be uncertain."""
    LATE = "may be late"
    """The bill is lower, and the day is so recent that it may still grow."""
    DIFFERS = "differs"
    UNKNOWN = "unknown"
    """There is nothing to compare with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DayRow:
    """One UTC day, or all of them. Null: not known."""

    day: str = col("Day")
    finding: Finding | None = col("Finding")
    call_count: int = col("Calls", Unit.COUNT)
    ledger_neurons: Decimal = col("Ledger", Unit.NEURONS)
    billed_neurons: Decimal | None = col("Bill", Unit.NEURONS)
    difference_neurons: Decimal | None = col("Difference", Unit.NEURONS)
    """Bill less ledger."""
    list_usd: Decimal = col("At list price", Unit.USD)
    free_usd: Decimal | None = col("Free", Unit.USD)
    """What the free allowance of the day is worth; null in the total of an unread bill."""
    expected_usd: Decimal | None = col("Expected", Unit.USD)
    """What the ledger's neurons come to beyond the allowance."""
    billed_usd: Decimal | None = col("Charged", Unit.USD)
    why: str | None = col("Why")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepaid:
    """What is readable of prepaid credits; the units are not documented."""

    balance: Any = None
    used: Decimal | None = None
    spending_limit: Mapping[str, Any] | None = None
    """The account's own, where one is left from before."""
    problem: str | None = None
    """Why it could not be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """Everything that is compared."""

    first: date
    last: date
    used: Sequence[Used]
    usage: Bill
    charges: Bill | None
    """None: not readable."""
    prepaid: Prepaid
    unread_gateways: Sequence[str] = ()
    """Gateways of the account whose logs were never pulled."""
    tolerance: Decimal = Decimal("0.001")
    """Share of a day's neurons by which both may differ and still agree."""


def reconcile(sides: Sides, *, now: datetime, evidence: Iterable[str] = ()) -> Table[DayRow]:
    """One row for each day that either side knows. The verdict is FAIL where a day differs."""
    ours = {one.on_day: one for one in sides.used}
    days = sorted({*ours, *sides.usage.quantity, *(sides.charges or Bill()).cost_usd})
    rows = [_row(day, ours.get(day), sides, now) for day in days]
    found = {row.finding for row in rows}
    verdict = Verdict.PASS
    if Finding.DIFFERS in found:
        verdict = Verdict.FAIL
    elif Finding.UNKNOWN in found or sides.usage.odd:
        verdict = Verdict.WARN
    return Table(
        row_type=DayRow,
        rows=rows,
        title=f"Ledger and bills, {sides.first} to {sides.last} (UTC days)",
        notes=(*_notes(sides, rows), *evidence),
        verdict=verdict,
        total=_total(rows) if rows else None,
    )


def expected_usd(neurons: Decimal) -> Decimal:
    """What a day's neurons are charged: whole ones, beyond the free allowance."""
    beyond = max(Decimal(0), neurons - FREE_NEURONS_PER_DAY)
    return beyond.to_integral_value(ROUND_CEILING) * USD_PER_NEURON


def _row(day: date, ours: Used | None, sides: Sides, now: datetime) -> DayRow:
    neurons = ours.neurons if ours else Decimal(0)
    billed = sides.usage.quantity.get(day)
    if billed is None and sides.usage.row_count:
        billed = Decimal(0)  # the bill has other days, and none of this one
    charged = None if sides.charges is None else sides.charges.cost_usd.get(day, Decimal(0))
    finding, why = _judge(day, ours, billed, sides.tolerance, now)
    reasons = [why, _money_reason(billed, charged)]
    return DayRow(
        day=day.isoformat(),
        finding=finding,
        call_count=ours.call_count if ours else 0,
        ledger_neurons=neurons,
        billed_neurons=billed,
        difference_neurons=None if billed is None else billed - neurons,
        list_usd=ours.list_usd if ours else Decimal(0),
        free_usd=min(neurons, FREE_NEURONS_PER_DAY) * USD_PER_NEURON,
        expected_usd=expected_usd(neurons),
        billed_usd=charged,
        why="; ".join(reason for reason in reasons if reason) or None,
    )


def _judge(
    day: date, ours: Used | None, billed: Decimal | None, tolerance: Decimal, now: datetime
) -> tuple[Finding, str | None]:
    if billed is None:
        return Finding.UNKNOWN, "no bill for this day could be read"
    neurons = ours.neurons if ours else Decimal(0)
    difference = billed - neurons
    slack = max(_ONE, tolerance * max(billed, neurons))
    if abs(difference) <= slack:
        return Finding.AGREES, None
    is_recent = day > (now - LATE).date()
    if ours is None:
        if is_recent:
            return Finding.LATE, "the ledger has no calls of this day yet"
        return Finding.DIFFERS, "the ledger has no calls of this day"
    if difference > 0:
        return _more_billed(ours, difference, slack)
    return _less_billed(ours, -difference, slack, is_recent=is_recent)


def _more_billed(ours: Used, difference: Decimal, slack: Decimal) -> tuple[Finding, str]:
    known = [
        (ours.estimated_neurons, "calls with an estimated cost only"),
        (ours.crossing_neurons, "calls that went on over midnight"),
    ]
    covered = sum((amount for amount, _ in known), Decimal(0))
    words = [f"{_shown(amount)} in {what}" for amount, what in known if amount]
    if difference <= covered + slack:
        return Finding.EXPLAINED, ", ".join(words)
    if ours.unknown_count:
        words.append(f"{counted(ours.unknown_count, 'call')} whose neurons nobody knows")
        return Finding.EXPLAINED, ", ".join(words)
    words.append(
        f"{_shown(difference - covered)} by nobody that the ledger knows: calls past this wai, "
        "other gateways, or logs that were not pulled"
    )
    return Finding.DIFFERS, ", ".join(words)


def _less_billed(
    ours: Used, difference: Decimal, slack: Decimal, *, is_recent: bool
) -> tuple[Finding, str]:
    if ours.prepaid_neurons and difference <= ours.prepaid_neurons + ours.crossing_neurons + slack:
        return Finding.EXPLAINED, f"{_shown(ours.prepaid_neurons)} paid with prepaid credits"
    if difference <= ours.crossing_neurons + slack:
        words = f"{_shown(ours.crossing_neurons)} in calls that went on over midnight"
        return Finding.EXPLAINED, words
    if is_recent:
        return Finding.LATE, "usage reaches the bill late"
    return Finding.DIFFERS, f"{_shown(difference)} that the bill does not have"


def _money_reason(billed: Decimal | None, charged: Decimal | None) -> str | None:
    """Whether the charge follows from the bill's own neurons."""
    if billed is None or charged is None:
        return None
    expected = expected_usd(billed)
    if abs(charged - expected) <= max(_CENT, expected / 1000):
        return None
    return f"charged ${charged.normalize():f} where its neurons come to ${expected.normalize():f}"


def _shown(neurons: Decimal) -> str:
    return f"{neurons:,.1f} neurons"


def _total(rows: Sequence[DayRow]) -> DayRow:
    def total(name: str) -> Any:
        values = [getattr(row, name) for row in rows]
        known = [value for value in values if value is not None]
        return sum(known, Decimal(0)) if known else None

    return DayRow(
        day="total",
        finding=None,
        call_count=sum(row.call_count for row in rows),
        ledger_neurons=total("ledger_neurons"),
        billed_neurons=total("billed_neurons"),
        difference_neurons=total("difference_neurons"),
        list_usd=total("list_usd"),
        free_usd=total("free_usd"),
        expected_usd=total("expected_usd"),
        billed_usd=total("billed_usd"),
        why=None,
    )


def _notes(sides: Sides, rows: Sequence[DayRow]) -> Iterator[str]:
    usage, charges = sides.usage, sides.charges
    yield f"bill: {counted(usage.row_count, 'row')} of usage in neurons"
    if not usage.row_count and usage.others:
        names = ", ".join(sorted(usage.others)[:5])
        yield f"no row says neurons; the bill is about {names}: see --metric"
    for bill, name in ((usage, "usage"), (charges or Bill(), "charges")):
        for what, count in sorted(bill.odd.items()):
            yield f"{counted(count, 'row')} of {name} with {what}: not understood, in no sum here"
    if charges is None:
        yield "charges could not be read: money is what the neurons come to"
    if unknown := sum(one.unknown_count for one in sides.used):
        yield f"{counted(unknown, 'call')} in the ledger whose neurons nobody knows"
    if alone := sum(one.client_only_count for one in sides.used):
        yield (
            f"{counted(alone, 'call')} through a gateway whose log rows are not in the ledger: "
            "wai logs pull"
        )
    if sides.unread_gateways and any(row.finding is not Finding.AGREES for row in rows):
        names = ", ".join(one_line(name, 64) for name in sides.unread_gateways[:10])
        yield f"gateways whose logs were never pulled: {names}"
    if any(row.finding is Finding.LATE for row in rows):
        yield f"a bill may still grow {LATE.days} days after its day: how late it is, nobody says"
    yield from _prepaid_notes(sides)


def _prepaid_notes(sides: Sides) -> Iterator[str]:
    prepaid = sides.prepaid
    if prepaid.problem is not None:
        yield f"prepaid credits could not be read: {one_line(prepaid.problem, 200)}"
        return
    yield f"prepaid credits: balance {one_line(str(prepaid.balance), 40)} (unit not documented)"
    if (limit := prepaid.spending_limit) is not None:
        shown = ", ".join(f"{name} {one_line(str(value), 40)}" for name, value in limit.items())
        yield f"the account has a spending limit of its own ({shown}): it can only be removed"
    paid = sum((one.prepaid_usd for one in sides.used), Decimal(0))
    if prepaid.used is None or not (prepaid.used or paid):
        return
    as_cents = prepaid.used / 100
    fits = abs(as_cents - paid) <= max(_CENT, paid / 100)
    yield (
        f"prepaid usage: {prepaid.used.normalize():f} (unit not documented; as cents it "
        f"{'agrees' if fits else 'does not agree'} with the ${paid.normalize():f} of the ledger's "
        "prepaid calls)"
    )


def prepaid_total(rows: Iterable[Mapping[str, Any]]) -> Decimal | None:
    """The sum of what was used; None where a row has no number."""
    total = Decimal(0)
    for row in rows:
        value = row.get("aggregated_value")
        if isinstance(value, bool) or not isinstance(value, int | Decimal | float):
            return None
        total += Decimal(str(value))
    return total
