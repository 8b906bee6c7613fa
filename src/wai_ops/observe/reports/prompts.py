"""What each version of a prompt does in production: money, cached share, time, failures, length.

A call belongs to the version that it names itself. The labels are what the lock says now; reports
never read the lock, they are told (`prompt_facts`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, make_dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any, Protocol

from wai_ops.core.table import Table, Unit, col
from wai_ops.core.text import counted, one_line
from wai_ops.observe.ledger.store import Store
from wai_ops.observe.reports.evidence import (
    missing_notes,
    read_evidence,
    share,
    source_notes,
)
from wai_ops.observe.reports.group import LABELS, TOTAL
from wai_ops.observe.reports.prompt_facts import Facts, PromptFacts
from wai_ops.observe.reports.query import query_slice
from wai_ops.observe.reports.resolved import per_resolved
from wai_ops.observe.reports.slice import Dimension, Slice

_SHOWN = 5


class Grouped(Protocol):
    """What every query of this report says of a row: which group it is of."""

    @property
    def prompt(self) -> str | None:
        """The prompt's name."""

    @property
    def version(self) -> str | None:
        """Its version."""

    @property
    def name(self) -> str | None:
        """The group within the version, where there is one."""

    @property
    def is_total(self) -> bool:
        """Whether it stands for everything."""


Key = tuple[str | None, str | None, str | None, bool]


def key_of(row: Grouped) -> Key:
    """What rows of different queries are matched by."""
    return row.prompt, row.version, row.name, row.is_total


@dataclass(frozen=True, kw_only=True)
class _Version:
    prompt: str | None = col("Prompt")
    """`name@version`, as everywhere. One column, because wide tables repeat only the first."""


@dataclass(frozen=True, kw_only=True)
class PromptNumbers:
    """The numbers of one version of a prompt."""

    request_count: int = col("Requests", Unit.COUNT)
    conversation_count: int = col("Conversations", Unit.COUNT)
    failed_count: int = col("Failed", Unit.COUNT)
    failed_ratio: float = col("Failed share", Unit.RATIO)
    top_error_ratio: float | None = col("Top failure share", Unit.RATIO)
    """Requests that failed with the most frequent class, of all requests."""
    top_error: str | None = col("Top failure")
    cost_usd: Decimal | None = col("Cost", Unit.USD)
    request_cost_usd: Decimal | None = col("Cost per request", Unit.USD)
    """Known cost, of the requests whose cost is known."""
    unknown_cost_count: int = col("Cost unknown", Unit.COUNT)
    resolved_count: int | None = col("Resolved", Unit.COUNT)
    resolved_cost_usd: Decimal | None = col("Cost per resolved", Unit.USD)
    input_tokens: int = col("Input tokens", Unit.TOKENS)
    cached_input_tokens: int = col("Cached input", Unit.TOKENS)
    cached_input_ratio: float | None = col("Cached share", Unit.RATIO)
    output_tokens: int = col("Output tokens", Unit.TOKENS)
    output_tokens_mean: float | None = col("Output mean", Unit.TOKENS)
    output_tokens_p95: float | None = col("Output p95", Unit.TOKENS)
    ttft_p95_ms: float | None = col("TTFT p95", Unit.MS)
    timed_count: int = col("Timed", Unit.COUNT)
    """Requests whose time to first token is known."""
    first_at: datetime = col("First", Unit.TIME)
    last_at: datetime = col("Last", Unit.TIME)
    labels: str | None = col("Labels")
    """What carries the version now; a canary with its share."""
    sources: str = col("Known from")


@dataclass(frozen=True, kw_only=True)
class PromptRow(PromptNumbers, _Version):
    """One version of a prompt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptGroup:
    """A row of `prompts.sql`: a version, a group of it, or everything."""

    prompt: str | None
    version: str | None
    name: str | None
    is_total: bool
    request_count: int
    failed_count: int
    cost_usd: Decimal | None
    priced_count: int
    unknown_cost_count: int
    input_tokens: int
    cached_input_tokens: int
    cached_input_ratio: float | None
    output_tokens: int
    output_tokens_mean: float | None
    timed_count: int
    first_at: datetime
    last_at: datetime
    both_count: int
    gateway_only_count: int
    client_only_count: int
    contract_missing_count: int
    local_count: int

    @property
    def label(self) -> str | None:
        """`name@version`; None for calls without a prompt."""
        if self.prompt is None or self.version is None:
            return self.prompt
        return f"{self.prompt}@{self.version}"

    @property
    def sources(self) -> str:
        """The kinds of sources that the calls are known from."""
        known = {
            "client+gateway": self.both_count,
            "gateway only": self.gateway_only_count,
            "client only": self.client_only_count,
        }
        return ", ".join(words for words, count in known.items() if count)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Quantile:
    """A row of `prompts_quantiles.sql`."""

    prompt: str | None
    version: str | None
    name: str | None
    is_total: bool
    measure: str
    p95: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Failure:
    """A row of `prompts_failures.sql`."""

    prompt: str | None
    version: str | None
    name: str | None
    is_total: bool
    error_type: str
    request_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ended:
    """A row of `prompts_conversations.sql`."""

    prompt: str | None
    version: str | None
    name: str | None
    is_total: bool
    conversation_count: int
    resolved_count: int
    open_count: int


@dataclass(frozen=True, slots=True)
class _Around:
    """What the other queries say, by group."""

    quantiles: Mapping[tuple[Key, str], float]
    failures: Mapping[Key, _Failure]
    ended: Mapping[Key, _Ended]
    facts: Facts
    has_outcomes: bool


@cache
def prompt_row_type(by: Dimension | None) -> type[PromptNumbers]:
    """The version in front, then the group where there is one."""
    if by is None:
        return PromptRow
    group = make_dataclass(
        "_Group", [(by.value, str | None, col(LABELS[by]))], frozen=True, kw_only=True
    )
    made = type(f"PromptsBy{by.name.title()}", (PromptNumbers, group, _Version), {})
    return dataclass(frozen=True, kw_only=True)(made)


def prompts_report(
    store: Store,
    part: Slice,
    by: Dimension | None = None,
    *,
    prompt: str | None = None,
    facts: Facts,
) -> Table[PromptNumbers]:
    """Every version of every prompt (or of one), most requests first. Raises DataError.

    `by` splits each version further.
    """
    groups = query_slice(store, PromptGroup, "prompts", part, by, prompt=prompt)
    quantiles = query_slice(store, _Quantile, "prompts_quantiles", part, by, prompt=prompt)
    failures = query_slice(store, _Failure, "prompts_failures", part, by, prompt=prompt)
    ended = query_slice(store, _Ended, "prompts_conversations", part, by, prompt=prompt)
    found = read_evidence(store, part)
    around = _Around(
        quantiles={(key_of(row), row.measure): row.p95 for row in quantiles},
        failures={key_of(row): row for row in failures},
        ended={key_of(row): row for row in ended},
        facts=facts,
        has_outcomes=bool(found.outcome_count),
    )
    total = next((group for group in groups if group.is_total), None)
    notes = [f"{part.describe()}: {counted(total.request_count if total else 0, 'request')}"]
    if total is not None:
        notes += _notes(total, around)
        notes += source_notes(total, found, part)
    notes += _label_notes(groups, prompt, facts)
    notes += missing_notes(found, store.folded.in_flight_count)
    row_type = prompt_row_type(by)
    return Table(
        row_type=row_type,
        rows=[_row(group, by, row_type, around) for group in groups if not group.is_total],
        title="Prompts by version" if by is None else f"Prompts by version and {by.value}",
        notes=tuple(notes),
        total=None if total is None else _row(total, by, row_type, around),
    )


def _row(
    group: PromptGroup, by: Dimension | None, row_type: type[PromptNumbers], around: _Around
) -> PromptNumbers:
    key = key_of(group)
    names: dict[str, Any] = {"prompt": TOTAL if group.is_total else group.label}
    if by is not None:
        names[by.value] = group.name
    failure, ended = around.failures.get(key), around.ended.get(key)
    resolved = None if ended is None or not around.has_outcomes else ended.resolved_count
    facts = around.facts.get(group.prompt or "", PromptFacts())
    return row_type(
        **names,
        request_count=group.request_count,
        conversation_count=0 if ended is None else ended.conversation_count,
        failed_count=group.failed_count,
        failed_ratio=group.failed_count / group.request_count,
        top_error_ratio=None if failure is None else failure.request_count / group.request_count,
        top_error=None if failure is None else failure.error_type,
        cost_usd=group.cost_usd,
        request_cost_usd=per_resolved(group.cost_usd, group.priced_count),
        unknown_cost_count=group.unknown_cost_count,
        resolved_count=resolved,
        resolved_cost_usd=per_resolved(group.cost_usd, resolved or 0),
        input_tokens=group.input_tokens,
        cached_input_tokens=group.cached_input_tokens,
        cached_input_ratio=group.cached_input_ratio,
        output_tokens=group.output_tokens,
        output_tokens_mean=group.output_tokens_mean,
        output_tokens_p95=around.quantiles.get((key, "output")),
        ttft_p95_ms=around.quantiles.get((key, "ttft")),
        timed_count=group.timed_count,
        first_at=group.first_at,
        last_at=group.last_at,
        labels=None if group.is_total or not group.version else facts.carried_by(group.version),
        sources=group.sources,
    )


def _notes(total: PromptGroup, around: _Around) -> Iterator[str]:
    count = total.request_count
    if total.unknown_cost_count:
        yield f"{share(total.unknown_cost_count, count)} have an unknown cost, which is in no sum"
    if untimed := count - total.timed_count:
        yield f"{share(untimed, count)} have no known time to first token"
    ended = around.ended.get(key_of(total))
    if not around.has_outcomes:
        yield (
            "no outcome of a conversation was ever recorded, so the cost of a resolved workflow is"
            " unknown; see: wai outcomes record"
        )
    elif ended is not None and ended.open_count:
        yield (
            f"{share(ended.open_count, ended.conversation_count, 'conversation')} have no recorded"
            " outcome and count as not resolved"
        )


def _label_notes(groups: Sequence[PromptGroup], prompt: str | None, facts: Facts) -> Iterator[str]:
    """Say which labels point to a version that the slice has no call of."""
    seen = {(group.prompt, group.version) for group in groups}
    silent = [
        f"{one_line(name, 80)}@{label} ({one_line(version, 80)})"
        for name, known in sorted(facts.items())
        if prompt in {None, name}
        for label, version in sorted(known.labels.items())
        if (name, version) not in seen
    ]
    if silent:
        more = f" and {len(silent) - _SHOWN} more" if len(silent) > _SHOWN else ""
        yield f"released, and without a call here: {', '.join(silent[:_SHOWN])}{more}"
