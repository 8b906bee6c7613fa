"""`wai route backtest`: replayed requests as a table, with all that could not be known."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from wai_ops.control.policy.action import RiskTier
from wai_ops.control.policy.registry import Registry
from wai_ops.control.routing.recorded import RecordedTurn
from wai_ops.control.routing.replay import replay
from wai_ops.control.routing.replayed import Gap, Replayed, Served
from wai_ops.core.prices import PriceBook
from wai_ops.core.table import Table, Unit, col
from wai_ops.core.text import counted, one_line
from wai_ops.observe.ledger.store import Store
from wai_ops.observe.reports.evidence import missing_notes, read_evidence
from wai_ops.observe.reports.route_requests import route_requests
from wai_ops.observe.reports.slice import Slice

TOTAL = "total"
_ORDER = {tier.value: place for place, tier in enumerate(RiskTier)}
_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestRow:
    """The requests of one workflow and tier that were on one model and would be on another.

    The costs are of the compared requests alone: those of which both costs are known.
    """

    workflow: str = col("Workflow")
    risk_tier: str | None = col("Tier")
    model: str | None = col("Recorded model")
    candidate_model: str | None = col("Candidate")
    """Null: no model may serve them."""
    request_count: int = col("Requests", Unit.COUNT)
    compared_count: int = col("Compared", Unit.COUNT)
    recorded_cost_usd: Decimal | None = col("Recorded", Unit.USD)
    low_cost_usd: Decimal | None = col("Low", Unit.USD)
    expected_cost_usd: Decimal | None = col("Expected", Unit.USD)
    high_cost_usd: Decimal | None = col("High", Unit.USD)
    change_usd: Decimal | None = col("Change", Unit.USD)
    """Expected less recorded."""
    switch_count: int = col("Switches", Unit.COUNT)
    """Requests at which a conversation changes its model, under the candidate."""
    as_recorded_count: int = col("As recorded", Unit.COUNT)
    fits_count: int = col("Fits", Unit.COUNT)
    fallback_count: int = col("Fallback", Unit.COUNT)
    failed_count: int = col("Failed", Unit.COUNT)
    refused_count: int = col("Refused", Unit.COUNT)
    unknown_count: int = col("Unknown", Unit.COUNT)


@dataclass(slots=True)
class _Sum:
    """One group as it grows."""

    served: Counter[Served] = field(default_factory=Counter)
    compared: int = 0
    switches: int = 0
    recorded: Decimal = Decimal(0)
    low: Decimal = Decimal(0)
    expected: Decimal = Decimal(0)
    high: Decimal = Decimal(0)

    def add(self, item: Replayed) -> None:
        self.served[item.served] += 1
        self.switches += item.is_switch
        recorded, costs = item.request.cost_usd, item.costs
        if recorded is None or costs is None:
            return
        self.compared += 1
        self.recorded += recorded
        self.low += costs.low_usd
        self.expected += costs.expected_usd
        self.high += costs.high_usd

    def row(
        self, workflow: str, tier: str | None, model: str | None, candidate: str | None
    ) -> BacktestRow:
        is_known = self.compared > 0
        return BacktestRow(
            workflow=workflow,
            risk_tier=tier,
            model=model,
            candidate_model=candidate,
            request_count=self.served.total(),
            compared_count=self.compared,
            recorded_cost_usd=self.recorded if is_known else None,
            low_cost_usd=self.low if is_known else None,
            expected_cost_usd=self.expected if is_known else None,
            high_cost_usd=self.high if is_known else None,
            change_usd=self.expected - self.recorded if is_known else None,
            switch_count=self.switches,
            as_recorded_count=self.served[Served.AS_RECORDED],
            fits_count=self.served[Served.FITS],
            fallback_count=self.served[Served.FALLBACK],
            failed_count=self.served[Served.FAILED],
            refused_count=self.served[Served.REFUSED],
            unknown_count=self.served[Served.UNKNOWN],
        )


@dataclass(slots=True)
class _Seen:
    """What the notes are made of."""

    left_out: int = 0
    untold_tiers: int = 0
    no_recorded_cost: int = 0
    pressure_unknown: int = 0
    began_before: int = 0
    gaps: Counter[Gap] = field(default_factory=Counter)
    unpriced: set[str] = field(default_factory=set)


def backtest_ledger(
    store: Store,
    part: Slice,
    registry: Registry,
    prices: PriceBook,
    recorded: Mapping[str, RecordedTurn],
) -> Table[BacktestRow]:
    """Replay the recorded requests of a slice under a registry. Raises DataError.

    `recorded`: run id -> what its decision said.
    """
    replayed = replay(route_requests(store, part), registry, prices, recorded)
    table = backtest(replayed, part.describe())
    missing = missing_notes(read_evidence(store, part), store.folded.in_flight_count)
    return replace(table, notes=(*table.notes, *missing))


def backtest(replayed: Iterable[Replayed | None], described: str) -> Table[BacktestRow]:
    """Sum up a replay; `described` is the period and the conditions, in words.

    A replayed None is a request that no policy of the candidate names.
    """
    groups: dict[tuple[str, str, str, str | None], _Sum] = {}
    total, seen = _Sum(), _Seen()
    for item in replayed:
        if item is None:
            seen.left_out += 1
            continue
        request = item.request
        key = (request.workflow or "", item.tier.value, request.model or "", item.model)
        groups.setdefault(key, _Sum()).add(item)
        total.add(item)
        seen.untold_tiers += not item.is_tier_recorded
        seen.pressure_unknown += item.is_pressure_unknown
        seen.began_before += item.began_before
        if item.gap is not None:
            seen.gaps[item.gap] += 1
            if item.gap is Gap.NO_PRICE and item.model is not None:
                seen.unpriced.add(item.model)
        elif request.cost_usd is None:
            seen.no_recorded_cost += 1
    rows = [
        groups[key].row(*key)
        for key in sorted(groups, key=lambda key: (key[0], _ORDER[key[1]], key[2], key[3] or ""))
    ]
    return Table(
        row_type=BacktestRow,
        rows=rows,
        title="Cost and service under the candidate routing",
        notes=tuple(_notes(described, total, seen)),
        total=total.row(TOTAL, None, None, None) if rows else None,
    )


_GAPS = {
    Gap.NO_TOKENS: "have no token counts",
    Gap.NO_PRICE: "have no known price",
    Gap.GATEWAY_CACHE: "were answered from the gateway's cache, which another model has not",
    Gap.FAILED: "failed, recorded or under the candidate: what another had written is not known",
    Gap.REFUSED: "would be refused, which is no saving",
}


def _notes(described: str, total: _Sum, seen: _Seen) -> Iterator[str]:
    count = total.served.total()
    everything = count + seen.left_out
    yield f"{described}: {counted(count, 'request')} replayed, {total.compared:,} compared"
    if seen.left_out:
        yield (
            f"{_share(seen.left_out, everything)} are of workflows that no policy of the candidate"
            " names, or name no model: left out"
        )
    if not count:
        return
    for gap, words in _GAPS.items():
        if missing := seen.gaps[gap]:
            named = f" ({_named(seen.unpriced)})" if gap is Gap.NO_PRICE and seen.unpriced else ""
            yield f"not compared: {_share(missing, count)} {words}{named}"
    if seen.no_recorded_cost:
        yield f"not compared: {_share(seen.no_recorded_cost, count)} have no known recorded cost"
    if seen.untold_tiers:
        yield (
            f"{_share(seen.untold_tiers, count)} have no recorded tier: the workflow's own is"
            " assumed"
        )
    if seen.began_before:
        yield (
            f"{_share(seen.began_before, count)} are of conversations that began before the"
            " period: taken to be on their recorded model until then"
        )
    if seen.pressure_unknown:
        yield (
            f"for {_share(seen.pressure_unknown, count)} the rule for budget pressure could not be"
            " asked: how much of the budget was used is not recorded"
        )
    yield (
        "low: moved requests find as many cached tokens as were recorded; expected: the same, but"
        " none where a conversation changes its model; high: none at all. The rest costs what was"
        " recorded"
    )
    yield (
        "a moved request is priced as one attempt with the recorded tokens, at the prices of its"
        " day; another model counts tokens and answers otherwise, which nobody recorded"
    )
    yield (
        "fits: the request fits the context of another model; whether that one had answered, and"
        " as well, is not known. fallback: the recorded model failed, and the candidate asks"
        " another one. unknown: the length or the context is not known, or the recorded model"
        " failed where the candidate asks another"
    )


def _named(models: set[str]) -> str:
    names = sorted(models)
    more = len(names) - _NAMED
    return ", ".join(one_line(name, 80) for name in names[:_NAMED]) + (
        f" and {more} more" if more > 0 else ""
    )


def _share(part: int, whole: int) -> str:
    return f"{part:,} of {counted(whole, 'request')} ({100 * part / whole:.1f}%)"
