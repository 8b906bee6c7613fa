"""What is worth drawing of each report, by the columns that its rows have.

A plot whose columns a table lacks is left out, so that one list serves every `--by`.
"""

from wai_ops.core.plot import Mark, Plot
from wai_ops.observe.reports.slice import Dimension

COST = Plot(
    title="Known cost",
    mark=Mark.BARS,
    values=("retried_cost_usd", "failed_run_cost_usd", "truncated_cost_usd"),
    whole="cost_usd",
    rest="Useful",
    parts="wasted",
)
COST_PER_RESOLVED = Plot(
    title="Cost per resolved conversation",
    mark=Mark.BARS,
    values=("resolved_cost_usd",),
    is_rate=True,
)
COST_STATES = Plot(
    title="Cost by day, as far as it can be believed",
    mark=Mark.LINES,
    label="day",
    values=("metered_cost_usd", "confirmed_cost_usd", "estimated_cost_usd"),
)
FAILURES = Plot(
    title="Failed requests by class",
    mark=Mark.BARS,
    label="error_type",
    values=("request_count",),
)
FAILURES_BY: dict[Dimension, Plot] = {
    by: Plot(
        title=f"Failed requests by {by.value}",
        mark=Mark.BARS,
        label=by.value,
        values=("request_count",),
        split="error_type",
    )
    for by in Dimension
    if by is not Dimension.ERROR
}
HITS = Plot(
    title="Affinity",
    mark=Mark.SHARES,
    values=("hit_count", "partial_count", "miss_count"),
)
MISS_CAUSES = Plot(
    title="Causes of misses",
    mark=Mark.BARS,
    values=(
        *("cold_count", "expired_count", "rotated_count", "model_changed_count"),
        *("prefix_changed_count", "checkpoint_count", "too_short_count", "rerouted_count"),
        *("shared_count", "other_cause_count"),
    ),
)
HIT_TTFT = Plot(
    title="TTFT with and without a hit",
    mark=Mark.RANGES,
    values=("hit_ttft_p50_ms", "miss_ttft_p50_ms"),
)
SAVED = Plot(
    title="Money saved and missed",
    mark=Mark.RANGES,
    values=("cache_saved_usd", "cold_prefix_cost_usd"),
)
CACHED = Plot(
    title="Cached share of input",
    mark=Mark.BARS,
    values=("cached_input_ratio",),
    target="target_ratio",
)
TTFT = Plot(title="TTFT", mark=Mark.RANGES, values=("ttft_p50_ms", "ttft_p95_ms", "ttft_p99_ms"))
DURATION = Plot(
    title="Duration",
    mark=Mark.RANGES,
    values=("duration_p50_ms", "duration_p95_ms", "duration_p99_ms"),
)
BURN = Plot(
    title="Burn rate of the error budget",
    mark=Mark.RANGES,
    values=("burn_1h", "burn_6h", "burn_1d", "burn_3d", "burn_window"),
    reference=1,
)
BUDGET = Plot(
    title="Error budget left", mark=Mark.BARS, values=("budget_left_ratio",), is_rate=True
)
TOOL_OUTPUT = Plot(
    title="Output tokens, p95",
    mark=Mark.BARS,
    values=("output_tokens_p95",),
    target="output_tokens_p95_target",
    is_target_most=True,
    is_rate=True,
)
TOOL_FAILURES = Plot(title="Failed tool calls", mark=Mark.BARS, values=("failed_count",))
ANOMALIES = Plot(
    title="What the conversations cost",
    mark=Mark.BARS,
    label="conversation_id",
    values=("cost_usd",),
)
_BY = tuple(by for by in Dimension if by not in {Dimension.ERROR, Dimension.CONVERSATION})
"""What `anomalies` and `kpi` can be grouped by."""
ANOMALIES_BY = tuple(
    Plot(
        title=f"What the conversations that stand out cost by {by.value}",
        mark=Mark.BARS,
        label=by.value,
        values=("anomaly_cost_usd",),
    )
    for by in _BY
)
DRIFT = Plot(
    title="Drift of the gateway's cost",
    mark=Mark.BARS,
    label="group",
    values=("drift_ratio",),
)
KPI = (
    Plot(
        title="Cost per resolved workflow",
        mark=Mark.BARS,
        label="name",
        values=("resolved_cost_usd",),
        target="resolved_cost_target_usd",
        is_target_most=True,
        is_rate=True,
        is_of_some=True,
    ),
    Plot(
        title="Cached share of input by workflow",
        mark=Mark.BARS,
        label="name",
        values=("cached_input_ratio",),
        target="cached_input_target_ratio",
        is_of_some=True,
    ),
    Plot(
        title="Output tokens, p95 by tool family",
        mark=Mark.BARS,
        label="name",
        values=("output_tokens_p95",),
        target="output_tokens_p95_target",
        is_target_most=True,
        is_rate=True,
        is_of_some=True,
    ),
)
KPI_BY = tuple(
    Plot(
        title=f"{title} by {by.value}",
        mark=Mark.BARS,
        label=by.value,
        values=(value,),
        target=target,
        is_target_most=value != "cached_input_ratio",
        is_rate=value != "cached_input_ratio",
        is_of_some=True,
    )
    for by in _BY
    for title, value, target in (
        ("Cost per resolved conversation", "resolved_cost_usd", "resolved_cost_target_usd"),
        ("Cached share of input", "cached_input_ratio", "cached_input_target_ratio"),
        ("Output tokens of tool calls, p95", "output_tokens_p95", None),
    )
)
PROMPT_COST = Plot(
    title="Cost per request",
    mark=Mark.BARS,
    label="prompt",
    values=("request_cost_usd",),
    is_rate=True,
)

PLOTS: dict[str, tuple[Plot, ...]] = {
    "cost": (COST, COST_PER_RESOLVED),
    "failures": (FAILURES, *FAILURES_BY.values()),
    "affinity": (HITS, MISS_CAUSES, HIT_TTFT),
    "cache": (CACHED,),
    "slo": (TTFT, DURATION, BURN),
    "tools": (TOOL_OUTPUT, TOOL_FAILURES),
    "kpi": (*KPI, *KPI_BY),
    "prompts": (PROMPT_COST,),
    "anomalies": (ANOMALIES, *ANOMALIES_BY),
    "audit_cost": (DRIFT,),
}
"""Command of `wai report`, with `_` for `-` -> its plots, the one that says most first."""


def plots_of(command: str) -> tuple[Plot, ...]:
    """The plots of a command of `wai report`; none for one that has nothing to draw."""
    return PLOTS.get(command, ())
