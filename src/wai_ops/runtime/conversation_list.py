"""Conversations as a list."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

from wai_ops.core.clock import Clock
from wai_ops.core.table import Table, Unit, col
from wai_ops.core.text import counted
from wai_ops.state.conversation_rows import Totals, list_totals
from wai_ops.state.live import LiveState


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationRow:
    """One conversation. Copies of a fork's parent are turns, but cost nothing here."""

    conversation_id: str = col("Conversation")
    tenant: str = col("Tenant")
    workflow: str = col("Workflow")
    turn_count: int = col("Turns", Unit.COUNT)
    checkpoint_count: int = col("Checkpoints", Unit.COUNT)
    input_tokens: int = col("Input", Unit.TOKENS)
    output_tokens: int = col("Output", Unit.TOKENS)
    cost_usd: Decimal = col("Cost", Unit.USD)
    last_used_at: datetime = col("Last used", Unit.TIME)
    state: str = col("State")


def list_conversations(
    state_dir: Path,
    limits: tuple[float, float],
    clock: Clock,
    *,
    tenant: str | None = None,
    workflow: str | None = None,
    limit: int | None = None,
) -> Table[ConversationRow]:
    """List conversations, the last used first. `limits`: idle TTL and maximum age, in seconds."""
    now = clock.now()
    totals: list[Totals] = []
    if LiveState.exists(state_dir):
        with LiveState.open(state_dir, clock=clock) as live:
            totals = list_totals(live)
    wanted = [
        item
        for item in totals
        if tenant in (None, item.session.tenant) and workflow in (None, item.session.workflow)
    ]
    shown = wanted if limit is None else wanted[:limit]
    notes = []
    if unknown := sum(item.unknown_cost_count for item in shown):
        notes.append(f"what {counted(unknown, 'turn')} cost is not known, and not in the sums")
    if len(shown) < len(wanted):
        notes.append(
            f"the {len(shown)} most recently used of {counted(len(wanted), 'conversation')}"
        )
    return Table(
        row_type=ConversationRow,
        rows=[_row(item, limits, now) for item in shown],
        title="Conversations",
        notes=tuple(notes),
    )


def _row(item: Totals, limits: tuple[float, float], now: datetime) -> ConversationRow:
    session = item.session
    return ConversationRow(
        conversation_id=session.conversation_id,
        tenant=session.tenant,
        workflow=session.workflow,
        turn_count=item.turn_count,
        checkpoint_count=item.made_count,
        input_tokens=item.input_tokens,
        output_tokens=item.output_tokens,
        cost_usd=item.cost_usd + item.checkpoint_cost_usd,
        last_used_at=item.last_used_at,
        state=_state(item, limits, now),
    )


def _state(item: Totals, limits: tuple[float, float], now: datetime) -> str:
    """`running`, `interrupted`, or whether its session is still warm."""
    if item.open_count:
        return "running"
    if item.last_state in ("partial", "failed", "lost"):
        return "interrupted"
    idle_ttl_s, max_age_s = limits
    session = item.session
    stale_at = min(
        session.last_used_at + timedelta(seconds=idle_ttl_s),
        session.created_at + timedelta(seconds=max_age_s),
    )
    return "warm" if now <= stale_at else "cold"
