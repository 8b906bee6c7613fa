"""What recorded calls say about the factors of a bound: how many at once, how fast, how dear."""

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from wai_ops.control.budgets.replay import Call, Meter, from_pico

_US = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardTraffic:
    """The calls of one guard, at their worst in any of its buckets."""

    call_count: int
    at_once: int
    """The most that were under way together."""
    uncounted: int
    """The most that were under way, or had ended less than the settle delay ago."""
    begun: int
    """The most that began within the propagation time."""
    rate_per_s: Decimal
    """The most that began within a second."""
    worst_usd: Decimal
    """The dearest, with all the output that it asked for."""
    models: frozenset[str]


@dataclass(slots=True)
class _Spans:
    begins: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    worst: int = 0
    models: set[str] = field(default_factory=set)


def guard_traffic(
    calls: Iterable[Call],
    meters_of: Sequence[Sequence[Meter] | None],
    models_of: Sequence[str | None],
    *,
    settle_us: int,
    propagation_us: Mapping[str, int],
) -> dict[str, GuardTraffic]:
    """Guard -> its traffic. `calls` come in the order of their beginnings.

    `meters_of` and `models_of`: by the kind of a call. `propagation_us`: by guard; 0 where none is
    named.
    """
    spans: dict[tuple[str, str], _Spans] = {}
    for begin, end, kind, cost, worst, _ in calls:
        for meter in meters_of[kind] or ():
            key = (meter.guard, meter.bucket)
            found = spans.get(key)
            if found is None:
                found = spans[key] = _Spans()
            found.begins.append(begin)
            found.ends.append(end)
            found.worst = max(found.worst, cost, worst)
            if (model := models_of[kind]) is not None:
                found.models.add(model)
    by_guard: dict[str, list[_Spans]] = {}
    for (guard, _), each in spans.items():
        by_guard.setdefault(guard, []).append(each)
    return {
        guard: _of(found, settle_us, propagation_us.get(guard, 0))
        for guard, found in by_guard.items()
    }


def _of(buckets: Sequence[_Spans], settle_us: int, propagation_us: int) -> GuardTraffic:
    return GuardTraffic(
        call_count=sum(len(each.begins) for each in buckets),
        at_once=max(most_at_once(each.begins, each.ends, 0) for each in buckets),
        uncounted=max(most_at_once(each.begins, each.ends, settle_us) for each in buckets),
        begun=max(most_begun(each.begins, propagation_us) for each in buckets),
        rate_per_s=Decimal(max(most_begun(each.begins, _US) for each in buckets)),
        worst_usd=from_pico(max(each.worst for each in buckets)),
        models=frozenset().union(*(each.models for each in buckets)),
    )


def most_at_once(begins: Sequence[int], ends: Sequence[int], delay_us: int) -> int:
    """The most calls that had begun and not ended `delay_us` ago. `begins` are in order."""
    open_ends: list[int] = []
    most = 0
    for begin, end in zip(begins, ends, strict=True):
        while open_ends and open_ends[0] <= begin:
            heapq.heappop(open_ends)
        heapq.heappush(open_ends, end + delay_us)
        most = max(most, len(open_ends))
    return most


def most_begun(begins: Sequence[int], length_us: int) -> int:
    """The most calls that began within any time of that length. `begins` are in order."""
    most = first = 0
    for last, begin in enumerate(begins):
        while begins[first] < begin - length_us:
            first += 1
        most = max(most, last - first + 1)
    return most
