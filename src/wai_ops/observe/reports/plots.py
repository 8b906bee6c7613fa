"""What is worth drawing of each report, by the columns that its rows have.

A plot whose columns a table lacks is left out, so that one list serves every `--by`.
"""

from wai_ops.core.plot import Mark, Plot

PLOTS: dict[str, tuple[Plot, ...]] = {
    "cost": (
        Plot(
            title="Known cost",
            mark=Mark.BARS,
            values=("retried_cost_usd", "failed_run_cost_usd", "truncated_cost_usd"),
            whole="cost_usd",
            rest="Useful",
            parts="wasted",
        ),
    ),
}
"""Command of `wai report`, with `_` for `-` -> its plots, the one that says most first."""

COST_BY_STATE = Plot(
    title="Cost a day",
    mark=Mark.LINES,
    label="day",
    values=("metered_cost_usd", "confirmed_cost_usd", "estimated_cost_usd"),
)
COST_PER_RESOLVED = Plot(
    title="Cost per resolved workflow",
    mark=Mark.BARS,
    values=("resolved_cost_usd",),
    is_rate=True,
)


def plots_of(command: str) -> tuple[Plot, ...]:
    """The plots of a command of `wai report`; none for one that has nothing to draw."""
    return PLOTS.get(command, ())
