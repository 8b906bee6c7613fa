"""What is worth drawing of a table: named columns and a way to draw them. Nothing is drawn here."""

from dataclasses import dataclass
from enum import StrEnum


class Mark(StrEnum):
    """How the values stand on the page."""

    BARS = "bars"
    """One bar a row, its series end to end; a target is a tick across the bar."""
    SHARES = "shares"
    """As BARS, every bar stretched to the same length."""
    RANGES = "ranges"
    """One line a row, a point a series: quantiles."""
    LINES = "lines"
    """One line a series over days."""
    COLUMNS = "columns"
    """One column a day, its series on top of each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """One chart of a table, by the names of the table's columns.

    The columns of `values` are one series each and share a unit. Rows are named by `label`, or by
    the first column. A long table has one column in `values` and names its series in `split`.
    """

    title: str
    mark: Mark
    values: tuple[str, ...]
    label: str | None = None
    split: str | None = None
    whole: str | None = None
    """The column of which `values` are parts: what they leave over is a series, and comes first."""
    rest: str = "rest"
    """What that series is called."""
    parts: str = "parts"
    """What `values` are called together where a `whole` is given."""
    target: str | None = None
    """The column of what each row should reach, or stay below."""
    is_target_most: bool = False
    """The target is the most that is good; without it, the least."""
    is_rate: bool = False
    """The values are per something: neither their sum nor "the others together" has a meaning."""
    is_of_some: bool = False
    """Rows without any of the values are of another kind, and left out: they are not unknown."""
    reference: float | None = None
    """One value that every row is held against, such as a burn rate of 1."""

    def columns(self) -> frozenset[str]:
        """Every column that a table must have for this plot."""
        named = {self.label, self.split, self.whole, self.target, *self.values}
        return frozenset(name for name in named if name is not None)
