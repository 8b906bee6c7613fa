"""The truth as a table: one row a tenant, workflow, model or whatever was asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from wai_ops.core.table import Table, Unit, col


@dataclass(frozen=True, slots=True, kw_only=True)
class TruthRow:
    """What was really served for one value of a dimension. Input includes cached tokens."""

    group: str | None = col("Group")
    requests: int = col("Requests", Unit.COUNT)
    attempts: int = col("Attempts", Unit.COUNT)
    input_tokens: int = col("Input", Unit.TOKENS)
    cached_input_tokens: int = col("Cached", Unit.TOKENS)
    output_tokens: int = col("Output", Unit.TOKENS)
    reasoning_tokens: int = col("Reasoning", Unit.TOKENS)
    cost_usd: Decimal = col("Cost", Unit.USD)
    unpriced_attempts: int = col("Unpriced", Unit.COUNT)


def truth_table(told: Mapping[str, Any], by: str) -> Table[TruthRow]:
    """The table of one dimension out of what the endpoint tells."""
    rows = [_row(item[by], item) for item in told["by"][by]]
    return Table(
        row_type=TruthRow,
        rows=rows,
        title=f"Served by the local emulator, by {by.replace('_', ' ')}",
        total=_row("total", told["totals"]),
    )


def _row(group: Any, item: Mapping[str, Any]) -> TruthRow:
    name = str(group).lower() if isinstance(group, bool) else group
    return TruthRow(
        group=None if name is None else str(name),
        requests=item["requests"],
        attempts=item["attempts"],
        input_tokens=item["tokens_in"],
        cached_input_tokens=item["cached_tokens_in"],
        output_tokens=item["tokens_out"],
        reasoning_tokens=item["reasoning_tokens_out"],
        cost_usd=Decimal(item["cost_usd"]),
        unpriced_attempts=item["unpriced_attempts"],
    )
