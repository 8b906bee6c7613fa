"""The result of `wai run`: one object, the same for people's summary and for `--json`."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from wai_ops.runtime.governed_result import RunGoverned
from wai_ops.runtime.request import PromptRelease


@dataclass(frozen=True, slots=True, kw_only=True)
class RunUsage:
    """Token counts as the model reported them; null where it did not."""

    input_tokens: int | None
    cached_input_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCost:
    """The cost of the final attempt, and the rates it was computed with (USD per million)."""

    state: str
    cost_usd: Decimal | None
    neurons: Decimal | None
    in_usd_per_m: Decimal | None
    cached_in_usd_per_m: Decimal | None
    out_usd_per_m: Decimal | None
    price_source: str | None
    price_as_of: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTimings:
    """Milliseconds, from a monotonic clock. `connect_ms` is null when no connection was opened."""

    connect_ms: float | None
    ttft_ms: float | None
    itl_p50_ms: float | None
    itl_p95_ms: float | None
    duration_ms: float
    total_ms: float
    """All attempts and the pauses between them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunAffinity:
    """The session, and what it brought: see `Result` and `Cause` in runtime.affinity."""

    affinity_key: str
    header: str
    epoch: int
    reason: str
    result: str | None
    cause: str | None
    cacheable_tokens: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunAttempt:
    """One attempt in short; the ledger holds the rest."""

    attempt_id: str
    attempt: int
    http_status: int | None
    error_type: str | None
    cost_state: str
    cost_usd: Decimal | None
    duration_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RunToolCall:
    """One call of a tool that was made, or refused, on the way to the answer."""

    tool: str
    ok: bool
    problem: str | None
    """Why there is no result: `refused_by_policy`, `timeout`, ..."""
    decision_id: str | None
    duration_ms: float
    result_sha256: str | None
    """Of the raw output."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCheckpoint:
    """The summary that was due before the request."""

    checkpoint_id: str
    is_made: bool
    reason: str
    """Why it was not made; empty."""
    covers_turn_index: int
    cost_usd: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunExchange:
    """Everything between the question and the final answer: each step is a turn."""

    turn_indexes: list[int]
    cost_usd: Decimal | None
    """All attempts of all steps, and the checkpoint; null: not known."""
    cost_state: str
    tools: list[RunToolCall]
    checkpoint: RunCheckpoint | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunError:
    """Why the run failed: a class of the failure taxonomy, the provider's code and words."""

    error_type: str
    code: int | None
    message: str
    retried: bool
    stop_reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """Everything about one run. `text` is exact; a terminal gets a harmless rendering of it."""

    run_id: str
    tenant: str
    workflow: str
    conversation_id: str
    turn_index: int
    prompt: str
    release: PromptRelease | None
    """How the prompt's version was chosen; null for text from the command line."""
    target: str
    gateway_id: str
    requested_model: str
    served_model: str | None
    text: str
    reasoning: str
    tool_calls: list[dict[str, Any]]
    output: Any
    """The parsed answer when a JSON schema was given and met; else null."""
    finish_reason: str | None
    usage: RunUsage
    cost: RunCost
    timings: RunTimings
    affinity: RunAffinity
    log_id: str | None
    event_id: str | None
    ray_id: str | None
    attempts: list[RunAttempt]
    exchange: RunExchange | None
    """Null: one request was all of it."""
    governed: RunGoverned | None
    """What was decided, set aside and charged; null: the project has no policies."""
    error: RunError | None
