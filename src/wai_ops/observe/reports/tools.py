"""What tools cost the models in output, how fast and how often they fail, and whether they loop.

The output tokens of a call are those of the turn that asked for it, shared evenly by the calls of
that turn. A loop is the same tool with the same arguments, three times or more in one turn.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from wai_ops.config.settings import ToolSettings
from wai_ops.core.errors import UsageError
from wai_ops.core.table import Table, Unit, col
from wai_ops.core.text import counted, one_line
from wai_ops.observe.ledger.store import Store
from wai_ops.observe.reports.evidence import missing_notes, read_evidence, share
from wai_ops.observe.reports.query import query_slice
from wai_ops.observe.reports.slice import Dimension, Slice

LOOP_AT = 3
"""So many calls of one tool with the same arguments in one turn are a loop."""
CARRIED = (
    Dimension.WORKFLOW,
    Dimension.TENANT,
    Dimension.MODEL,
    Dimension.CONVERSATION,
    Dimension.ERROR,
    Dimension.DAY,
)
"""What a tool call says of itself."""


class ToolGrouping(StrEnum):
    """What one row stands for."""

    FAMILY = "family"
    TOOL = "tool"


@dataclass(frozen=True, kw_only=True)
class ToolFamilyRow:
    """One family of tools."""

    family: str = col("Family")
    call_count: int = col("Calls", Unit.COUNT)
    failed_count: int = col("Failed", Unit.COUNT)
    failed_ratio: float = col("Failed share", Unit.RATIO)
    tool_count: int = col("Tools", Unit.COUNT)
    duration_p50_ms: float | None = col("Duration p50", Unit.MS)
    duration_p95_ms: float | None = col("Duration p95", Unit.MS)
    duration_p99_ms: float | None = col("Duration p99", Unit.MS)
    output_tokens_p95: float | None = col("Output tokens p95", Unit.TOKENS)
    output_tokens_p95_target: int | None = col("Output target", Unit.TOKENS)
    loop_count: int = col("Loops", Unit.COUNT)
    loop_call_count: int = col("Calls in loops", Unit.COUNT)
    verdict: str | None = col("Verdict")


@dataclass(frozen=True, kw_only=True)
class ToolRow:
    """One tool of a family."""

    family: str = col("Family")
    tool: str | None = col("Tool")
    call_count: int = col("Calls", Unit.COUNT)
    failed_count: int = col("Failed", Unit.COUNT)
    failed_ratio: float = col("Failed share", Unit.RATIO)
    duration_p50_ms: float | None = col("Duration p50", Unit.MS)
    duration_p95_ms: float | None = col("Duration p95", Unit.MS)
    duration_p99_ms: float | None = col("Duration p99", Unit.MS)
    output_tokens_p95: float | None = col("Output tokens p95", Unit.TOKENS)
    loop_count: int = col("Loops", Unit.COUNT)
    loop_call_count: int = col("Calls in loops", Unit.COUNT)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolGroup:
    """A row of `tools.sql`: a family, a tool or everything."""

    family: str | None
    tool: str | None
    is_total: bool
    call_count: int
    failed_count: int
    failed_ratio: float
    tool_count: int
    duration_p50_ms: float | None
    duration_p95_ms: float | None
    duration_p99_ms: float | None
    timed_count: int
    output_tokens_p95: float | None
    output_reported_count: int
    loop_count: int
    loop_call_count: int
    no_arguments_count: int
    sources: list[str]


def read_tools(
    store: Store, part: Slice, grouping: ToolGrouping, settings: ToolSettings
) -> list[ToolGroup]:
    """Every group, the most calls first, and everything, last. Raises DataError, UsageError."""
    for condition in part.where:
        if condition.key not in CARRIED:
            raise UsageError(
                f"--where {condition.key}: tool calls do not carry it",
                hint=f"one of {', '.join(CARRIED)}",
            )
    return query_slice(
        store,
        ToolGroup,
        "tools",
        part,
        grouping=grouping.value,
        prefixes=list(settings.families),
        families=list(settings.families.values()),
        loop_at=LOOP_AT,
    )


def tools_report(
    store: Store, part: Slice, grouping: ToolGrouping, settings: ToolSettings
) -> Table[Any]:
    """Tool calls by family or by tool, with a total. Raises DataError, UsageError."""
    groups = read_tools(store, part, grouping, settings)
    total = next((group for group in groups if group.is_total), None)
    row_of = _family_row if grouping is ToolGrouping.FAMILY else _tool_row
    return Table(
        row_type=ToolFamilyRow if grouping is ToolGrouping.FAMILY else ToolRow,
        rows=[row_of(group, settings) for group in groups if not group.is_total],
        title=f"Tools by {grouping.value}",
        notes=tuple(_notes(store, part, total)),
        total=None if total is None else row_of(total, settings),
    )


def _family_row(group: ToolGroup, settings: ToolSettings) -> ToolFamilyRow:
    target = None if group.is_total else settings.output_tokens_p95.get(group.family or "")
    return ToolFamilyRow(
        family="total" if group.is_total else group.family or "",
        call_count=group.call_count,
        failed_count=group.failed_count,
        failed_ratio=group.failed_ratio,
        tool_count=group.tool_count,
        duration_p50_ms=group.duration_p50_ms,
        duration_p95_ms=group.duration_p95_ms,
        duration_p99_ms=group.duration_p99_ms,
        output_tokens_p95=group.output_tokens_p95,
        output_tokens_p95_target=target,
        loop_count=group.loop_count,
        loop_call_count=group.loop_call_count,
        verdict=output_verdict(target, group.output_tokens_p95),
    )


def _tool_row(group: ToolGroup, settings: ToolSettings) -> ToolRow:
    del settings  # targets are of families
    return ToolRow(
        family="total" if group.is_total else group.family or "",
        tool=group.tool,
        call_count=group.call_count,
        failed_count=group.failed_count,
        failed_ratio=group.failed_ratio,
        duration_p50_ms=group.duration_p50_ms,
        duration_p95_ms=group.duration_p95_ms,
        duration_p99_ms=group.duration_p99_ms,
        output_tokens_p95=group.output_tokens_p95,
        loop_count=group.loop_count,
        loop_call_count=group.loop_call_count,
    )


def output_verdict(target: int | None, value: float | None) -> str | None:
    """`pass` or `fail`; `unknown` where there is a target and nothing was measured."""
    if target is None:
        return None
    if value is None:
        return "unknown"
    return "pass" if value <= target else "fail"


def _notes(store: Store, part: Slice, total: ToolGroup | None) -> Iterator[str]:
    count = 0 if total is None else total.call_count
    yield f"{part.describe()}: {counted(count, 'tool call')}"
    if total is None:
        yield (
            "tool calls come from imported traces, from bodies that were pulled and from the tool"
            " loop of wai"
        )
    else:
        yield f"known from: {', '.join(one_line(source, 60) for source in total.sources)}"
        for missing, words in (
            (count - total.output_reported_count, "do not say how many output tokens they took"),
            (count - total.timed_count, "have no duration"),
            (total.no_arguments_count, "have no digest of their arguments: no loop is seen there"),
        ):
            if missing:
                yield f"{share(missing, count, 'tool call')} {words}"
        yield (
            f"a loop: the same tool with the same arguments, {LOOP_AT} times or more in one turn;"
            " output tokens of a turn are shared evenly by its tool calls"
        )
    yield from missing_notes(read_evidence(store, part), store.folded.in_flight_count)
