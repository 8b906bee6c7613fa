"""The money side of a prompt diff: calibrated tokens and observed traffic, both from the ledger."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

from wai_ops.core.money import Rates
from wai_ops.core.prices import PriceBook
from wai_ops.core.table import Table, Unit, col
from wai_ops.core.window import Window
from wai_ops.observe.reports.group import TOTAL
from wai_ops.observe.reports.prompt_rows import (
    LiveConversations,
    PromptCounts,
    PromptTraffic,
    VersionUsage,
)
from wai_ops.prompts.diff import VersionDiff
from wai_ops.prompts.tokens import Method
from wai_ops.runtime.prompt_assumed import MONTH_S, Assumed, assumed_live, assumed_traffic
from wai_ops.runtime.prompt_notes import basis_notes, price_notes
from wai_ops.runtime.prompt_price import (
    Priced,
    PriceQuestion,
    Tokens,
    kept_by_conversations,
    price_traffic,
    rewarm_usd,
    rounded,
)
from wai_ops.runtime.prompt_warm import WarmRatios

if TYPE_CHECKING:
    from wai_ops.observe.ledger.store import Store

_SLACK = {Method.EXACT: 0.0, Method.CALIBRATED: 0.05, Method.ESTIMATED: 0.3}
"""How far a count of the prefix may be off when observed cached tokens are told apart by it."""
_NOTHING = Decimal(0)


class TrafficSource(StrEnum):
    """Where the traffic comes from."""

    LEDGER = "ledger"
    ASSUMED = "assumed"
    NONE = "none"
    """The ledger has no request of the prompt, and nothing was assumed: there is no money."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyRow:
    """One workflow: what was observed, and dollars of a month of 30 days of the same."""

    workflow: str | None = col("Workflow")
    request_count: int = col("Requests", Unit.COUNT)
    conversation_count: int = col("Conversations", Unit.COUNT)
    live_conversation_count: int = col("Live", Unit.COUNT)
    before_cached_ratio: float | None = col("Cached before", Unit.RATIO)
    after_cached_ratio: float | None = col("Cached after", Unit.RATIO)
    output_tokens_mean: int | None = col("Output", Unit.TOKENS)
    before_usd: Decimal | None = col("Before", Unit.USD)
    after_usd: Decimal | None = col("After", Unit.USD)
    delta_usd: Decimal | None = col("A month", Unit.USD)
    rewarm_usd: Decimal | None = col("Re-warm, once", Unit.USD)


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptMoney:
    """What the change costs."""

    source: TrafficSource
    since: datetime | None
    until: datetime | None
    rows: tuple[MoneyRow, ...]
    total: MoneyRow | None
    notes: tuple[str, ...]

    def table(self) -> Table[MoneyRow]:
        """The rows as a table; the total of one row is that row."""
        total = self.total if len(self.rows) > 1 else None
        return Table(row_type=MoneyRow, rows=self.rows, total=total)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked, apart from the two versions."""

    basis_version: str | None
    """How records name the version before."""
    prices: PriceBook
    now: datetime
    window: Window
    idle_ttl_s: float
    default_model: str
    output_limits: tuple[int | None, int | None]
    """The most output tokens that each version asks for."""
    assumed: Assumed | None = None

    def rates(self, model: str) -> Rates | None:
        """The rates of a model, today."""
        return self.prices.rates(model, self.now)

    @property
    def output_limit(self) -> int | None:
        """The limit of the version after, where it is another one."""
        before, after = self.output_limits
        return None if after == before else after


@dataclass(frozen=True, slots=True, kw_only=True)
class _Traffic:
    """Everything that the rows are made of."""

    counts: Sequence[PromptCounts]
    calls: Sequence[PromptTraffic]
    priced: Sequence[Priced]
    live: Sequence[LiveConversations]
    prices: PriceQuestion
    months: Decimal
    """How many months of 30 days the window goes into, or 1 over how many it holds."""

    def of(self, workflow: str | None) -> "_Traffic":
        """The part of one workflow."""
        return replace(
            self,
            counts=[item for item in self.counts if item.workflow == workflow],
            calls=[item for item in self.calls if item.workflow == workflow],
            priced=[item for item in self.priced if item.workflow == workflow],
            live=[item for item in self.live if item.workflow == workflow],
        )


def ask_ledger(
    store: "Store", diff: VersionDiff, question: Question, usage: Sequence[VersionUsage]
) -> PromptMoney:
    """Price the change at the traffic of the ledger. Raises DataError."""
    from wai_ops.observe.reports.prompt_traffic import (
        read_counts,
        read_live,
        read_traffic,
        read_warmth,
    )

    name, window = diff.before.name, question.window
    live_since = question.now - timedelta(seconds=question.idle_ttl_s)
    counts = read_counts(store, name, window, version=question.basis_version, live_since=live_since)
    if not counts:
        return without_traffic(diff, question)
    traffic = read_traffic(
        store,
        name,
        window,
        version=question.basis_version,
        prefix_tokens=_most_prefix_tokens(diff),
        block_tokens=diff.prefix.block_tokens,
        opening_delta=diff.tokens.opening_delta_tokens,
        turn_delta=diff.tokens.turn_delta_tokens,
        output_limit=question.output_limit,
    )
    kept = kept_by_conversations(diff)
    live = read_live(
        store,
        name,
        window,
        live_since=live_since,
        block_tokens=diff.prefix.block_tokens,
        kept_tokens=kept,
    )
    warm = WarmRatios(usage)
    prices = PriceQuestion(
        diff=diff, rates=question.rates, warm_ratio=warm.of, history_ratio=warm.of_history
    )
    if prices.history_returns:
        block_tokens = diff.prefix.block_tokens
        warm.history = read_warmth(store, name, window, block_tokens=block_tokens)
    assert window.since is not None
    assert window.until is not None
    found = _Traffic(
        counts=counts,
        calls=traffic,
        priced=price_traffic(traffic, prices),
        live=live,
        prices=prices,
        months=Decimal(MONTH_S) / Decimal(str((window.until - window.since).total_seconds())),
    )
    rows = tuple(_row(item.workflow, found.of(item.workflow)) for item in counts)
    return PromptMoney(
        source=TrafficSource.LEDGER,
        since=window.since,
        until=window.until,
        rows=rows,
        total=rows[0] if len(rows) == 1 else _row(TOTAL, found),
        notes=tuple(_notes(diff, question, found, warm)),
    )


def without_traffic(diff: VersionDiff, question: Question) -> PromptMoney:
    """Price the change at assumed traffic; without an assumption, say that there is none."""
    said = f"the ledger has no request with the prompt {diff.before.name} in the window"
    assumed = question.assumed
    if assumed is None:
        return PromptMoney(
            source=TrafficSource.NONE,
            since=question.window.since,
            until=question.window.until,
            rows=(),
            total=None,
            notes=(f"{said}; assume some: --assume requests=10000,output=200,cached=0.9",),
        )
    model = diff.before.model or question.default_model
    traffic = assumed_traffic(assumed, diff, model, output_limit=question.output_limit)
    live = assumed_live(assumed, traffic, model, idle_ttl_s=question.idle_ttl_s)
    prices = PriceQuestion(
        diff=diff,
        rates=question.rates,
        warm_ratio=lambda _: assumed.cached,
        history_ratio=lambda _: assumed.cached,
    )
    counts = PromptCounts(
        workflow=None,
        call_count=assumed.requests,
        request_count=assumed.requests,
        conversation_count=assumed.conversations,
        live_conversation_count=live.conversation_count if live else 0,
        gateway_cache_hit_count=0,
        uncounted_count=0,
        basis_count=assumed.requests,
        local_count=0,
        has_turns=live is not None,
        first_at=question.now,
    )
    found = _Traffic(
        counts=[counts],
        calls=traffic,
        priced=price_traffic(traffic, prices),
        live=[live] if live else [],
        prices=prices,
        months=Decimal(1),
    )
    row = _row(None, found)
    return PromptMoney(
        source=TrafficSource.ASSUMED,
        since=None,
        until=None,
        rows=(row,),
        total=row,
        notes=(
            f"{said}: the traffic is assumed, not observed",
            *price_notes(traffic, found.priced),
        ),
    )


def _notes(
    diff: VersionDiff, question: Question, found: _Traffic, warm: WarmRatios
) -> Iterable[str]:
    version = question.basis_version
    yield from basis_notes(
        diff.before.name, version, question.window, found.counts, is_assumed=bool(question.assumed)
    )
    before_limit, after_limit = question.output_limits
    is_raised = before_limit is not None and (after_limit is None or after_limit > before_limit)
    if is_raised and (cut := sum(row.cut_count for row in found.calls)):
        yield f"{cut:,} answers ended at the output limit, and would be longer with the new one"
    yield from warm.notes()
    yield from price_notes(found.calls, found.priced)


def _most_prefix_tokens(diff: VersionDiff) -> int:
    """No more cached tokens than this are the stable prefix."""
    slack = _SLACK[diff.before.token_basis.method]
    slack = max(slack, diff.before.token_basis.error_ratio or 0.0)
    prefix = diff.prefix.before_cacheable_tokens
    return int(prefix * (1 + slack)) + diff.prefix.block_tokens


def _row(workflow: str | None, found: _Traffic) -> MoneyRow:
    before = sum((item.before for item in found.priced), Tokens())
    after = sum((item.after for item in found.priced), Tokens())
    # Of requests that failed, all of them, nobody knows what they would have cost.
    is_known = bool(found.calls) or not any(item.uncounted_count for item in found.counts)
    before_usd = _sum(item.before_usd for item in found.priced) if is_known else None
    after_usd = _sum(item.after_usd for item in found.priced) if is_known else None
    delta = None if before_usd is None or after_usd is None else after_usd - before_usd
    kept = kept_by_conversations(found.prices.diff)
    answered = sum(row.call_count for row in found.calls)
    reported = sum(row.reported_count for row in found.calls)
    output = sum(row.output_tokens for row in found.calls)
    return MoneyRow(
        workflow=workflow,
        request_count=sum(item.request_count for item in found.counts),
        conversation_count=sum(item.conversation_count for item in found.counts),
        live_conversation_count=sum(item.live_conversation_count for item in found.counts),
        before_cached_ratio=_ratio(before) if reported else None,
        after_cached_ratio=_ratio(after) if reported else None,
        output_tokens_mean=round(output / answered) if answered else None,
        before_usd=_monthly(before_usd, found.months),
        after_usd=_monthly(after_usd, found.months),
        delta_usd=_monthly(delta, found.months),
        rewarm_usd=rounded(_sum(rewarm_usd(item, found.prices, kept) for item in found.live)),
    )


def _sum(amounts: Iterable[Decimal | None]) -> Decimal | None:
    """None as soon as one of them is not known."""
    total = _NOTHING
    for amount in amounts:
        if amount is None:
            return None
        total += amount
    return total


def _monthly(amount: Decimal | None, months: Decimal) -> Decimal | None:
    return None if amount is None else rounded(amount * months)


def _ratio(tokens: Tokens) -> float | None:
    return float(tokens.cached / tokens.input) if tokens.input else None
