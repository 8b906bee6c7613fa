"""The reports again, slowly and in plain Python. Nothing of `wai` computes here."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from support.calls import Call

KNOWN = ("metered", "confirmed", "none")
DENIED = ("spend_limit", "policy_denied", "guardrail", "dlp", "local_policy", "local_budget")
NAME: dict[str, Callable[[Call], Any]] = {
    "workflow": lambda c: c["workflow"],
    "tenant": lambda c: c["tenant"],
    "model": lambda c: c["model"],
    "prompt": lambda c: (
        c["prompt_name"]
        if c["prompt_version"] is None
        else _joined("@", c["prompt_name"], c["prompt_version"])
    ),
    "route": lambda c: c["endpoint"],
    "gateway": lambda c: c["gateway_id"],
    "provider": lambda c: c["provider"],
    "target": lambda c: c["target"],
    "source": lambda c: c["sources"],
    "conversation": lambda c: _joined(
        ":", c["tenant"] or "", c["workflow"] or "", c["conversation_id"]
    ),
    "error": lambda c: c["error_type"],
    "day": lambda c: c["started_at"].date().isoformat(),
}


def _joined(sign: str, *parts: str | None) -> str | None:
    return None if None in parts else sign.join(map(str, parts))


def chosen(
    calls: Iterable[Call],
    since: datetime | None,
    until: datetime | None,
    where: Iterable[tuple[str, str, bool]],
) -> list[Call]:
    """The calls of a slice; the same key twice means either."""
    wanted: dict[tuple[str, bool], set[str]] = defaultdict(set)
    for key, value, is_equal in where:
        wanted[key, is_equal].add(value)
    return [
        call
        for call in calls
        if (since is None or call["started_at"] >= since)
        and (until is None or call["started_at"] < until)
        and all(
            ((NAME[key](call) or "") in values) == is_equal
            for (key, is_equal), values in wanted.items()
        )
    ]


def grouped(calls: Iterable[Call], by: str) -> dict[Any, list[Call]]:
    """The calls by the name of their group."""
    groups: dict[Any, list[Call]] = defaultdict(list)
    for call in calls:
        groups[NAME[by](call)].append(call)
    return groups


def total(values: Iterable[Any]) -> Any:
    """The sum of what is there; None where nothing is."""
    present = [value for value in values if value is not None]
    return sum(present[1:], present[0]) if present else None


def known(call: Call, name: str = "cost_usd") -> Decimal | None:
    """A cost that is known."""
    value: Decimal | None = call[name] if call["cost_state"] in KNOWN else None
    return value


def waste(call: Call) -> str | None:
    """The first class of waste that a call falls into."""
    if not call["is_last"]:
        return "retried"
    if call["error_type"] not in {None, "output_truncated"}:
        return "failed run"
    if call["error_type"] == "output_truncated" or call["finish_reason"] == "length":
        return "truncated"
    return None


def _discount(call: Call, tokens: int) -> Decimal | None:
    if call["in_usd_per_m"] is None or call["cached_in_usd_per_m"] is None:
        return None
    amount: Decimal = tokens * (call["in_usd_per_m"] - call["cached_in_usd_per_m"]) / 1_000_000
    return amount


def cold_prefix(call: Call) -> Decimal | None:
    """What a miss or a partial hit cost beyond a full hit."""
    cached = call["cached_input_tokens"] or 0
    if (
        call["affinity_result"] not in {"miss", "partial"}
        or (call["cacheable_tokens"] or 0) <= cached
        or call["cost_state"] not in {"metered", "confirmed"}
    ):
        return None
    return _discount(call, min(call["cacheable_tokens"], call["input_tokens"]) - cached)


def cache_saved(call: Call) -> Decimal | None:
    """What cached input cost less than fresh input."""
    cached = call["cached_input_tokens"] or 0
    if not cached or call["cost_state"] not in {"metered", "confirmed"}:
        return None
    return _discount(call, min(cached, call["input_tokens"]))


def ratio(part: float | None, whole: float | None) -> float | None:
    """A share, or None of nothing."""
    return None if part is None or not whole else part / whole


def cost_numbers(calls: list[Call]) -> dict[str, Any]:
    """One row of the cost report, without outcomes."""
    reported = [c for c in calls if c["cached_input_tokens"] is not None]
    by_state = {
        f"{state}_cost_usd": total(c["cost_usd"] for c in calls if c["cost_state"] == state)
        for state in ("metered", "confirmed", "estimated")
    }
    by_waste = {
        f"{name}_cost_usd": total(known(c) for c in calls if waste(c) == name.replace("_", " "))
        for name in ("retried", "failed_run", "truncated")
    }
    return {
        "request_count": len(calls),
        "run_count": sum(c["is_first"] for c in calls),
        "failed_count": sum(c["error_type"] is not None for c in calls),
        "input_tokens": total(c["input_tokens"] for c in calls) or 0,
        "cached_input_tokens": total(c["cached_input_tokens"] for c in calls) or 0,
        "output_tokens": total(c["output_tokens"] for c in calls) or 0,
        "cached_input_ratio": ratio(
            total(c["cached_input_tokens"] for c in reported),
            total(c["input_tokens"] for c in reported),
        ),
        **by_state,
        "unknown_cost_count": sum(c["cost_state"] == "unknown" for c in calls),
        "cost_usd": total(known(c) for c in calls),
        "neurons": total(known(c, "neurons") for c in calls),
        **by_waste,
        "cold_prefix_cost_usd": total(cold_prefix(c) for c in calls),
        "denied_count": sum(c["error_type"] in DENIED for c in calls),
    }


def cache_numbers(calls: list[Call]) -> dict[str, Any]:
    """One row of the cache report, without its target."""
    prefix = [
        c for c in calls if c["cached_input_tokens"] is not None and not c["gateway_cache_hit"]
    ]
    cached = total(c["cached_input_tokens"] for c in prefix)
    read = total(c["input_tokens"] for c in prefix)
    hits = sum(bool(c["gateway_cache_hit"]) for c in calls)
    return {
        "request_count": len(calls),
        "reported_count": len(prefix),
        "input_tokens": read or 0,
        "cached_input_tokens": cached or 0,
        "cached_input_ratio": ratio(cached, read),
        "cache_saved_usd": total(cache_saved(c) for c in calls),
        "cold_prefix_cost_usd": total(cold_prefix(c) for c in calls),
        "gateway_cache_hit_count": hits,
        "gateway_cache_hit_ratio": hits / len(calls),
    }


def failure_numbers(calls: list[Call]) -> dict[str, Any]:
    """What the failures of one class add up to."""
    return {
        "request_count": len(calls),
        "failed_run_count": sum(c["is_last"] for c in calls),
        "cost_usd": total(known(c) for c in calls),
        "first_at": min(c["started_at"] for c in calls),
        "last_at": max(c["started_at"] for c in calls),
    }


def nearest_rank(values: Iterable[float], q: Fraction) -> float | None:
    """The smallest value with at least q of the values at or below it."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(q * len(ordered)) - 1)] if ordered else None


def three_digits(value: float | None) -> float | None:
    """Three significant digits, half away from zero; at most two decimals."""
    if value is None:
        return None
    if value < 1000:
        # In binary, as the ledger does: 9.995 * 100 is a little under 999.5.
        scale = 1 if value >= 100 else 10 if value >= 10 else 100
        return math.floor(value * scale + 0.5) / scale
    exact = Decimal(repr(value))
    decimals = min(2, 2 - exact.adjusted())
    return float(exact.quantize(Decimal(1).scaleb(-decimals), rounding="ROUND_HALF_UP"))


CAUSES = {
    "cold": "cold_count",
    "expired": "expired_count",
    "rotated": "rotated_count",
    "model_changed": "model_changed_count",
    "prefix_changed": "prefix_changed_count",
    "checkpoint": "checkpoint_count",
    "too_short": "too_short_count",
    "rerouted_or_evicted": "rerouted_count",
    "shared_with_others": "shared_count",
}


def affinity_numbers(calls: list[Call]) -> dict[str, Any]:
    """One row of the affinity report."""
    counts = {f"{name}_count": 0 for name in ("hit", "partial", "miss", "unjudged")}
    causes = dict.fromkeys([*CAUSES.values(), "other_cause_count"], 0)
    times: dict[str, list[float]] = {"hit": [], "miss": []}
    sides: dict[Any, dict[str, list[float]]] = defaultdict(lambda: {"hit": [], "miss": []})
    for c in calls:
        result = c["affinity_result"]
        counts[f"{result}_count" if result in {"hit", "partial", "miss"} else "unjudged_count"] += 1
        if result in {"miss", "partial"}:
            cause = (c["affinity_cause"] or "").partition("@")[0]
            causes[CAUSES.get(cause, "other_cause_count")] += 1
        if result not in times or c["error_type"] or c["gateway_cache_hit"]:
            continue
        if c["ttft_ms"] is not None:
            times[result].append(c["ttft_ms"])
            if c["conversation_id"] is not None:
                key = (c["tenant"], c["workflow"], c["conversation_id"])
                sides[key][result].append(c["ttft_ms"])
    half = Fraction(1, 2)
    gains = sorted(
        (nearest_rank(side["miss"], half) or 0) - (nearest_rank(side["hit"], half) or 0)
        for side in sides.values()
        if side["hit"] and side["miss"]
    )
    rank = sign_test_rank(len(gains))
    judged = counts["hit_count"] + counts["partial_count"] + counts["miss_count"]
    return {
        "request_count": len(calls),
        **counts,
        "hit_ratio": ratio(counts["hit_count"], judged),
        **causes,
        "hit_ttft_p50_ms": three_digits(nearest_rank(times["hit"], half)),
        "miss_ttft_p50_ms": three_digits(nearest_rank(times["miss"], half)),
        "pair_count": len(gains),
        "ttft_gain_ms": three_digits(nearest_rank(gains, half)) if rank else None,
        "ttft_gain_low_ms": three_digits(gains[rank - 1]) if rank else None,
        "ttft_gain_high_ms": three_digits(gains[-rank]) if rank else None,
        "cache_saved_usd": total(cache_saved(c) for c in calls),
        "cold_prefix_cost_usd": total(cold_prefix(c) for c in calls),
    }


def sign_test_rank(pairs: int) -> int:
    """The largest k for which fewer than k heads in `pairs` throws come up at most 1 in 40."""
    rank = 0
    while rank < pairs:
        below = Fraction(sum(math.comb(pairs, i) for i in range(rank + 1)), 2**pairs)
        if below > Fraction(1, 40):
            break
        rank += 1
    return rank
