"""The typed record of one attempt: what live state keeps, the ledger loads and reports read.

One `AttemptRecord` is one HTTP request that was sent, or was about to be. A run has one record per
attempt; a conversation has one turn per run. Names follow the glossary; units are suffixes.
"""

from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any

from wai_ops.core.clock import parse_utc, to_utc_text


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRecord:
    """Everything that is known about one attempt. None means unknown or not reported."""

    attempt_id: str
    run_id: str
    """The `trace` of the metadata contract: the same for all attempts of a run."""
    started_at: datetime
    finished_at: datetime | None = None
    tenant: str
    workflow: str
    conversation_id: str
    turn_index: int
    attempt: int
    """Counted from 1."""
    prompt_name: str
    prompt_version: str
    requested_model: str
    served_model: str | None = None
    target: str
    """`cloudflare`, or `local` when the emulator served it: then nothing was billed."""
    endpoint: str
    gateway_id: str | None = None
    streamed: bool
    http_status: int | None = None
    error_type: str | None = None
    """A `FailureClass`; None when the attempt succeeded."""
    error_code: int | None = None
    error_message: str | None = None
    finish_reason: str | None = None
    log_id: str | None = None
    event_id: str | None = None
    ray_id: str | None = None
    gateway_cache_hit: bool | None = None
    input_tokens: int | None = None
    cached_input_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    max_output_tokens: int | None = None
    connect_ms: float | None = None
    ttft_ms: float | None = None
    duration_ms: float | None = None
    tpot_ms: float | None = None
    itl_p50_ms: float | None = None
    itl_p95_ms: float | None = None
    chunk_count: int | None = None
    affinity_epoch: int | None = None
    affinity_result: str | None = None
    """`hit`, `partial`, `miss`, or `unknown` when the model does not report cached tokens."""
    affinity_cause: str | None = None
    cacheable_tokens: int | None = None
    """Estimate: the prefix shared with the conversation's previous request, in tokens."""
    cost_state: str
    cost_usd: Decimal | None = None
    neurons: Decimal | None = None
    in_usd_per_m: Decimal | None = None
    cached_in_usd_per_m: Decimal | None = None
    out_usd_per_m: Decimal | None = None
    price_source: str | None = None
    price_as_of: str | None = None
    request_sha256: str | None = None
    response_sha256: str | None = None
    wai_version: str


_TIMES = ("started_at", "finished_at")
_DECIMALS = ("cost_usd", "neurons", "in_usd_per_m", "cached_in_usd_per_m", "out_usd_per_m")
FIELD_NAMES = tuple(item.name for item in fields(AttemptRecord))


def to_json(record: AttemptRecord) -> dict[str, Any]:
    """Encode for the outbox: times as text, decimals as strings, so that nothing is rounded."""
    values = {name: getattr(record, name) for name in FIELD_NAMES}
    for name in _TIMES:
        if values[name] is not None:
            values[name] = to_utc_text(values[name])
    for name in _DECIMALS:
        if values[name] is not None:
            values[name] = format(values[name], "f")
    return values


def from_json(values: dict[str, Any]) -> AttemptRecord:
    """Decode what `to_json` wrote. Raises TypeError or ValueError when it is not that."""
    decoded = dict(values)
    for name in _TIMES:
        if decoded.get(name) is not None:
            decoded[name] = parse_utc(decoded[name])
    for name in _DECIMALS:
        if decoded.get(name) is not None:
            decoded[name] = Decimal(decoded[name])
    return AttemptRecord(**decoded)
