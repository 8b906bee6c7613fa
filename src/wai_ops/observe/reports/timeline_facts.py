"""What the ledger and live state hold of one conversation, as rows of the timeline's queries."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from wai_ops.core.clock import Clock, parse_utc
from wai_ops.observe.ledger.store import Store
from wai_ops.observe.reports.conversation import ConversationKey
from wai_ops.state.live import LiveState


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A row of `timeline_calls.sql`."""

    started_at: datetime
    turn_index: int | None
    attempt: int | None
    step: int | None
    sources: str
    model: str | None
    endpoint: str | None
    streamed: bool | None
    http_status: int | None
    error_type: str | None
    error_message: str | None
    finish_reason: str | None
    gateway_cache_hit: bool | None
    affinity_result: str | None
    affinity_cause: str | None
    input_tokens: int | None
    cached_input_tokens: int | None
    output_tokens: int | None
    ttft_ms: float | None
    duration_ms: float | None
    cost_state: str
    cost_usd: Decimal | None
    log_id: str | None
    run_id: str | None
    feedback: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A row of `timeline_tools.sql`."""

    started_at: datetime
    turn_index: int | None
    tool_name: str
    tool_family: str
    error_type: str | None
    duration_ms: float | None
    output_tokens: float | None
    decision_id: str | None
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A row of `timeline_decisions.sql`."""

    occurred_at: datetime
    turn_index: int | None
    decision_id: str
    verdict: str
    rule: str | None
    action: str
    justification: str | None
    actor: str | None
    policy_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """A row of `timeline_sessions.sql`."""

    occurred_at: datetime
    epoch: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """A row of `timeline_outcomes.sql`."""

    recorded_at: datetime
    outcome: str
    value_usd: Decimal | None
    note: str | None
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InFlight:
    """An attempt that was announced and has no outcome yet."""

    started_at: datetime
    turn_index: int
    attempt: int
    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that is known of one conversation, each kind in order."""

    key: ConversationKey
    calls: Sequence[Call]
    tools: Sequence[Tool]
    decisions: Sequence[Decided]
    epochs: Sequence[Epoch]
    endings: Sequence[Ending]
    in_flight: Sequence[InFlight]

    @property
    def is_empty(self) -> bool:
        """Nobody ever heard of the conversation."""
        kinds = (
            self.calls, self.tools, self.decisions, self.epochs, self.endings, self.in_flight
        )  # fmt: skip
        return not any(kinds)


def read_facts(store: Store, key: ConversationKey, state_dir: Path, clock: Clock) -> Facts:
    """Collect the conversation. Raises DataError."""
    names = {
        "tenant": key.tenant,
        "workflow": key.workflow,
        "conversation_id": key.conversation_id,
    }
    return Facts(
        key=key,
        calls=store.query(Call, "timeline_calls", **names),
        tools=store.query(Tool, "timeline_tools", **names),
        decisions=store.query(Decided, "timeline_decisions", **names),
        epochs=store.query(Epoch, "timeline_sessions", **names),
        endings=store.query(Ending, "timeline_outcomes", **names),
        in_flight=_in_flight(state_dir, clock, key),
    )


def _in_flight(state_dir: Path, clock: Clock, key: ConversationKey) -> list[InFlight]:
    if not LiveState.exists(state_dir):
        return []
    with LiveState.open(state_dir, clock=clock) as live:
        announced = live.announced()
    wanted = (key.tenant, key.workflow, key.conversation_id)
    return [
        InFlight(
            started_at=parse_utc(record["started_at"]),
            turn_index=record["turn_index"],
            attempt=record["attempt"],
            model=record["requested_model"],
        )
        for record in announced
        if (record["tenant"], record["workflow"], record["conversation_id"]) == wanted
    ]
