"""How conversations ended, by what they belong to: what the cost of resolved ones is shared by."""

from dataclasses import dataclass
from decimal import Context, Decimal

from wai_ops.core.money import COST_DIGITS
from wai_ops.observe.ledger.store import Store
from wai_ops.observe.reports.query import query_rolled, query_slice
from wai_ops.observe.reports.slice import CONVERSATIONS, Dimension, Slice, split_days

_WIDE = Context(prec=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedGroup:
    """How the conversations of a group ended, or of everything."""

    name: str | None
    is_total: bool
    conversation_count: int
    resolved_count: int
    open_count: int
    """Those of which nobody recorded an outcome."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _News:
    """The row of `conversation_news.sql`."""

    is_current: bool


Ended = dict[tuple[str | None, bool], ResolvedGroup]
"""By the group's name, and whether it is everything."""


def ended_conversations(
    store: Store, part: Slice, by: Dimension, *, is_rolled: bool = True
) -> Ended:
    """How the conversations of each group ended. Raises DataError.

    From their counts by day where those suffice and `is_rolled`; the figures are the same.
    """
    is_parted = by in {Dimension.WORKFLOW, Dimension.TENANT, Dimension.CONVERSATION}
    rows = _counted(store, part, by) if is_rolled else None
    if rows is None:
        rows = query_slice(store, ResolvedGroup, "cost_resolved", part, by, is_parted=is_parted)
    if is_parted:
        everything = ResolvedGroup(
            name=None,
            is_total=True,
            conversation_count=sum(row.conversation_count for row in rows),
            resolved_count=sum(row.resolved_count for row in rows),
            open_count=sum(row.open_count for row in rows),
        )
        rows.append(everything)
    return {(row.name, row.is_total): row for row in rows}


def _counted(store: Store, part: Slice, by: Dimension) -> list[ResolvedGroup] | None:
    """From the counts by day; None: only the table can answer."""
    if CONVERSATIONS.grain({by, *(condition.key for condition in part.where)}) is None:
        return None
    whole, _ = split_days(part.window)
    if whole is None or not store.query(_News, "conversation_news")[0].is_current:
        return None
    return query_rolled(
        store,
        ResolvedGroup,
        "conversation_counts",
        part,
        by,
        kept=CONVERSATIONS,
        first_day="-infinity" if whole.since is None else whole.since.date(),
        end_day="infinity" if whole.until is None else whole.until.date(),
    )


def per_resolved(cost_usd: Decimal | None, resolved_count: int) -> Decimal | None:
    """The cost of one resolved workflow, to twelve places; None where there is nothing to share."""
    if cost_usd is None or resolved_count == 0:
        return None
    return _WIDE.divide(cost_usd, Decimal(resolved_count)).quantize(COST_DIGITS, context=_WIDE)
