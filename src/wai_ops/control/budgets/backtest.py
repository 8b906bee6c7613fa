"""`wai budget backtest`: recorded calls through the guards of the budgets, as a table."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from wai_ops.config.budget_settings import BudgetSettings, ScopeKey
from wai_ops.control.budgets.matching import ENVELOPE, Matcher, Traits
from wai_ops.control.budgets.native import Compiled
from wai_ops.control.budgets.replay import Meter, Replayed, from_pico, from_us, replay
from wai_ops.core.table import Table, Unit, col
from wai_ops.core.text import counted
from wai_ops.observe.ledger.store import Store
from wai_ops.observe.reports.budget_calls import (
    CallRow,
    Keys,
    KindRow,
    budget_calls,
    budget_kinds,
    resolved_conversations,
    state_counts,
)
from wai_ops.observe.reports.evidence import missing_notes, read_evidence
from wai_ops.observe.reports.slice import Slice

DEFAULT_DENY = "default deny"
NOBODY = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestRow:
    """One bucket of one guard: a tenant's share of a budget, or the whole."""

    guard: str = col("Guard")
    bucket: str = col("For")
    limit_usd: Decimal | None = col("Limit", Unit.USD)
    most_usd: Decimal | None = col("Most in a window", Unit.USD)
    """With the guards in force; it passes the limit by the calls that were under way."""
    refused_count: int = col("Refused", Unit.COUNT)
    first_refused_at: datetime | None = col("First refused", Unit.TIME)
    saved_usd: Decimal = col("Saved", Unit.USD)
    """What the refused calls had cost."""
    conversation_count: int = col("Conversations", Unit.COUNT)
    """With at least one refused call."""
    lost_count: int = col("Lost resolved", Unit.COUNT)
    """Those of them that were resolved."""


@dataclass(frozen=True, slots=True)
class _Tally:
    calls: Counter[int]
    saved: Counter[int]
    conversations: Mapping[int, set[tuple[str, str, str]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedRow:
    """One call that would have been refused."""

    started_at: datetime = col("Started", Unit.TIME)
    tenant: str | None = col("Tenant")
    workflow: str | None = col("Workflow")
    conversation_id: str | None = col("Conversation")
    prompt: str | None = col("Prompt")
    model: str | None = col("Model")
    guard: str = col("Guard")
    bucket: str = col("For")
    cost_usd: Decimal = col("Had cost", Unit.USD)


class Backtest:
    """Calls that were run through guards. Raises DataError."""

    def __init__(
        self,
        store: Store,
        part: Slice,
        compiled: Compiled,
        budgets: Mapping[str, BudgetSettings],
        *,
        envelopes: Mapping[str, Decimal] | None = None,
        delay_us: int = 0,
    ) -> None:
        """Replay the calls of the slice. `delay_us`: how late a cost is seen.

        `envelopes`: workflow -> the dollars that policy allows a conversation.
        """
        self._matcher = Matcher(compiled=compiled, budgets=budgets, envelopes=envelopes or {})
        # Conversations are told apart by their tenant, so that key is always asked for.
        looked_at = self._matcher.keys
        keys = Keys(
            by_tenant=True,
            by_prompt=ScopeKey.PROMPT in looked_at,
            by_model=ScopeKey.MODEL in looked_at,
        )
        self._kinds = budget_kinds(store, part, keys)
        self._calls = budget_calls(store, part, keys)
        meters_of = [self._matcher.meters_of(_traits(kind)) for kind in self._kinds]
        traits = [_traits(kind) for kind in self._kinds]
        self._result = replay(
            self._calls,
            meters_of,
            delay_us=delay_us,
            own_of=(lambda kind, name: self._matcher.purse_of(traits[kind], name))
            if envelopes
            else None,
        )
        self._states = state_counts(store, part)
        self._resolved = resolved_conversations(store)
        self._missing = tuple(
            missing_notes(read_evidence(store, part), store.folded.in_flight_count)
        )
        self._title = f"Backtest of {counted(len(budgets), 'budget')}, {part.window.describe()}"

    def table(self, *, shows_all: bool = False) -> Table[BacktestRow]:
        """One row a bucket. `shows_all`: also those that would have refused nothing."""
        found = _rows_of(self._result, self._calls, self._kinds, self._matcher, self._resolved)
        quiet = [row for row in found if not row.refused_count and not _is_purse(row)]
        shown = [row for row in found if row.refused_count] + (quiet if shows_all else [])
        notes = [*self._notes()]
        if quiet and not shows_all:
            notes.insert(
                1, f"{counted(len(quiet), 'bucket')} would have refused nothing: see --all"
            )
        return Table(row_type=BacktestRow, rows=tuple(shown), title=self._title, notes=tuple(notes))

    def calls(self) -> Table[RefusedRow]:
        """One row a refused call, in the order of their beginnings."""
        rows = []
        for index, meter in self._result.refused:
            start, _, kind, cost, _, conversation = self._calls[index]
            labels = self._kinds[kind]
            rows.append(
                RefusedRow(
                    started_at=from_us(start),
                    tenant=labels.tenant,
                    workflow=labels.workflow,
                    conversation_id=conversation,
                    prompt=labels.prompt,
                    model=labels.model,
                    guard=DEFAULT_DENY if meter is None else meter.guard,
                    bucket=NOBODY if meter is None else meter.bucket,
                    cost_usd=from_pico(cost),
                )
            )
        notes = tuple(self._notes())
        return Table(row_type=RefusedRow, rows=rows, title=self._title, notes=notes)

    def _notes(self) -> Iterator[str]:
        refused, states = len(self._result.refused), self._states
        yield (
            f"{refused:,} of {counted(len(self._calls), 'call')} refused, which had cost "
            f"${from_pico(self._result.saved):f}; each counts for the first guard that refuses it"
        )
        if count := states.unknown_cost_count:
            yield f"{counted(count, 'call')} of unknown or estimated cost: unknown counts as 0"
        if count := states.cached_count:
            yield f"{counted(count, 'answer')} of the gateway's cache: no guard is asked there"
        if count := states.refused_count:
            yield f"not evaluated: {counted(count, 'call')} that a guard refused then"
        if self._matcher.envelopes:
            yield "not evaluated: limits of envelopes other than the dollars of a conversation"
        for text in self._matcher.not_evaluated():
            yield f"not evaluated: {text}"
        yield "a refused call is taken to be lost: nobody tries again, and nothing follows from it"
        yield from self._missing


def _is_purse(row: BacktestRow) -> bool:
    """Of one conversation: there may be many, and those that were not stopped say nothing."""
    return row.guard.startswith(f"{ENVELOPE} ")


def _traits(kind: KindRow) -> Traits:
    return Traits(tenant=kind.tenant, workflow=kind.workflow, prompt=kind.prompt, model=kind.model)


def _rows_of(
    result: Replayed,
    calls: list[CallRow],
    kinds: list[KindRow],
    matcher: Matcher,
    resolved: set[tuple[str, str, str]],
) -> list[BacktestRow]:
    tally = _tally(result, calls, kinds)
    rows = [_row(meter, tally, resolved) for meter in matcher.meters]
    if tally.calls[0]:
        first = next(index for index, meter in result.refused if meter is None)
        rows.append(
            BacktestRow(
                guard=DEFAULT_DENY,
                bucket=NOBODY,
                limit_usd=None,
                most_usd=None,
                refused_count=tally.calls[0],
                first_refused_at=from_us(calls[first][0]),
                saved_usd=from_pico(tally.saved[0]),
                conversation_count=len(tally.conversations[0]),
                lost_count=len(tally.conversations[0] & resolved),
            )
        )
    return sorted(rows, key=lambda row: (-row.saved_usd, row.guard, row.bucket))


def _tally(result: Replayed, calls: list[CallRow], kinds: list[KindRow]) -> _Tally:
    """By the identity of the meter; 0: refused outright."""
    counts: Counter[int] = Counter()
    saved: Counter[int] = Counter()
    touched: dict[int, set[tuple[int, str | None]]] = {0: set()}
    for index, meter in result.refused:
        key = 0 if meter is None else id(meter)
        _, _, kind, cost, _, conversation = calls[index]
        counts[key] += 1
        saved[key] += cost
        if key not in touched:
            touched[key] = set()
        touched[key].add((kind, conversation))
    named = {
        key: {
            (kinds[kind].tenant or "", kinds[kind].workflow or "", conversation)
            for kind, conversation in found
            if conversation is not None
        }
        for key, found in touched.items()
    }
    return _Tally(counts, saved, named)


def _row(meter: Meter, tally: _Tally, resolved: set[tuple[str, str, str]]) -> BacktestRow:
    key = id(meter)
    touched = tally.conversations.get(key, set())
    return BacktestRow(
        guard=meter.guard,
        bucket=meter.bucket,
        limit_usd=None if meter.counts_calls else from_pico(meter.limit),
        most_usd=None if meter.counts_calls else from_pico(meter.most),
        refused_count=tally.calls[key],
        first_refused_at=None
        if meter.first_refused_us is None
        else from_us(meter.first_refused_us),
        saved_usd=from_pico(tally.saved[key]),
        conversation_count=len(touched),
        lost_count=len(touched & resolved),
    )
