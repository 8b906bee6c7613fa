"""From a reply to the record of its attempt: usage, timing, money and affinity in one row."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from wai_ops.cloudflare.inference import Reply
from wai_ops.core.failures import TRAITS, Billed, FailureClass
from wai_ops.core.money import (
    NO_COST,
    UNKNOWN_COST,
    Cost,
    CostState,
    Rates,
    Usage,
    cost_of,
)
from wai_ops.core.records import AttemptRecord
from wai_ops.core.text import one_line
from wai_ops.core.tokens import estimate_tokens
from wai_ops.runtime.affinity import Expectation, classify

COMPLETE = frozenset({None, FailureClass.OUTPUT_TRUNCATED, FailureClass.INVALID_OUTPUT})
"""The ends of an attempt after which the whole answer is there, whatever is wrong with it."""


_LONGEST_ID = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Pricing:
    """What is needed to price a reply."""

    rates: Rates | None
    estimated_input_tokens: int
    worst_case: Cost


def cost_of_reply(reply: Reply, pricing: Pricing) -> Cost:
    """Price an attempt by how it ended.

    With usage it is metered. Without, a complete answer is estimated from its length. A failed
    attempt costs nothing only where the provider cannot have begun to work; a broken one with a
    running usage costs at least that much, which is an estimate; otherwise nobody knows.
    """
    if not reply.sent:
        return NO_COST
    if reply.headers.get("cf-aig-cache-status", "").upper() == "HIT":
        return NO_COST
    usage = reply.answer.usage
    billed = Billed.YES if reply.failure is None else TRAITS[reply.failure].billed
    if billed is Billed.NO:
        return NO_COST
    if billed is Billed.MAYBE:
        return cost_of(usage, pricing.rates, CostState.ESTIMATED) if usage else UNKNOWN_COST
    if usage is not None:
        return cost_of(usage, pricing.rates)
    answer = reply.answer
    calls = "".join(call.name + call.arguments for call in answer.tool_calls)
    guess = Usage(
        input_tokens=pricing.estimated_input_tokens,
        output_tokens=estimate_tokens(answer.text + answer.reasoning + calls),
    )
    return cost_of(guess, pricing.rates, CostState.ESTIMATED)


def complete(
    announced: AttemptRecord,
    reply: Reply,
    *,
    finished_at: datetime,
    served_model: str | None,
    pricing: Pricing,
    expected: Expectation,
) -> AttemptRecord:
    """Fill in what the reply told."""
    cost = cost_of_reply(reply, pricing)
    usage, rates, answer = reply.answer.usage, pricing.rates, reply.answer
    # Only a complete answer with usage says anything about the cache.
    evidence = classify(expected, usage.cached_input_tokens if usage else None)
    judged = reply.failure in COMPLETE
    return replace(
        announced,
        finished_at=finished_at,
        served_model=served_model,
        http_status=reply.status,
        error_type=None if reply.failure is None else reply.failure.value,
        error_code=reply.error_code,
        error_message=reply.error_message,
        finish_reason=answer.finish_reason,
        log_id=_header(reply, "cf-aig-log-id"),
        event_id=_header(reply, "cf-aig-event-id"),
        ray_id=_header(reply, "cf-ray"),
        gateway_cache_hit=_cache_hit(reply),
        input_tokens=usage.input_tokens if usage else None,
        cached_input_tokens=usage.cached_input_tokens if usage else None,
        output_tokens=usage.output_tokens if usage else None,
        reasoning_tokens=usage.reasoning_tokens if usage else None,
        connect_ms=_ms(reply.connect_ms),
        ttft_ms=_ms(reply.ttft_ms) if announced.streamed else None,
        duration_ms=_ms(reply.duration_ms),
        tpot_ms=_tpot(reply, usage) if announced.streamed else None,
        itl_p50_ms=_ms(quantile(reply.gaps_ms, 0.5)),
        itl_p95_ms=_ms(quantile(reply.gaps_ms, 0.95)),
        chunk_count=len(reply.gaps_ms) + (1 if reply.ttft_ms is not None else 0),
        affinity_result=evidence.result.value if judged else None,
        affinity_cause=evidence.cause if judged else None,
        cacheable_tokens=expected.cacheable_tokens,
        cost_state=cost.state.value,
        cost_usd=cost.cost_usd,
        neurons=cost.neurons,
        in_usd_per_m=rates.in_usd_per_m if rates else None,
        cached_in_usd_per_m=rates.cached_in_usd_per_m if rates else None,
        out_usd_per_m=rates.out_usd_per_m if rates else None,
        price_source=rates.source if rates else None,
        price_as_of=rates.as_of if rates else None,
        response_sha256=hashlib.sha256(answer.text.encode("utf-8", "surrogatepass")).hexdigest()
        if reply.delivered
        else None,
    )


def finished_after(started_at: datetime, duration_ms: float) -> datetime:
    """The end of an attempt: its start plus what the monotonic clock measured."""
    return started_at + timedelta(milliseconds=duration_ms)


def quantile(values: Sequence[float], share: float) -> float | None:
    """The nearest-rank quantile: the smallest value that at least `share` of all do not exceed."""
    if not values:
        return None
    ordered = sorted(values)
    rank = -(-int(share * 1000) * len(ordered) // 1000)
    return ordered[max(0, rank - 1)]


def _tpot(reply: Reply, usage: Usage | None) -> float | None:
    """Time per output token after the first; None under two tokens."""
    if usage is None or usage.output_tokens < 2 or reply.ttft_ms is None:
        return None
    return _ms((reply.duration_ms - reply.ttft_ms) / (usage.output_tokens - 1))


def _header(reply: Reply, name: str) -> str | None:
    """An id that the other side chose: one clean line of bounded length."""
    value = reply.headers.get(name)
    return None if value is None else one_line(value, _LONGEST_ID)


def _cache_hit(reply: Reply) -> bool | None:
    status = reply.headers.get("cf-aig-cache-status")
    return None if status is None else status.upper() == "HIT"


def _ms(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
