"""How a table for people is laid out: which columns, how wide, in how many bands. No output here.

What does not fit the width is laid out in another way, in this order: text folded; the columns in
up to three bands, each beginning with the first column; one block a row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.cells import cell_len

from wai_ops.core.table import Table
from wai_ops.core.text import one_line
from wai_ops.render.units import is_numeric, to_human
from wai_ops.render.values import for_people

GAP = 2
"""Spaces between two columns."""
NARROWEST_TEXT = 12
"""Text is not folded further than this: it would be unreadable."""
_MOST_BANDS = 3
_WIDE_RECORD = 6
"""A single row with more columns than this reads best downwards."""


@dataclass(frozen=True, slots=True)
class ShownColumn:
    """One column as texts, the total's last where there is one."""

    label: str
    texts: list[str]
    is_numeric: bool
    full: int
    """The width at which nothing is wrapped."""
    narrowest: int
    """The least width: numbers are never cut, a label is wrapped between words, text anywhere."""


@dataclass(frozen=True, slots=True)
class Band:
    """Columns that stand side by side, and their widths."""

    columns: list[ShownColumn]
    widths: list[int]


def shown_columns(table: Table[Any]) -> list[ShownColumn]:
    """Every column that people are shown, with its texts and widths."""
    grid = for_people(table)
    everything = grid.rows if grid.total is None else [*grid.rows, grid.total]
    shown = []
    for index, column in enumerate(grid.columns):
        texts = [to_human(row[index], column.unit) for row in everything]
        numeric = is_numeric(column.unit, [row[index] for row in grid.rows])
        shown.append(_measured(one_line(column.label), texts, is_numeric=numeric))
    return shown


def _measured(label: str, texts: list[str], *, is_numeric: bool) -> ShownColumn:
    content = max(map(cell_len, texts), default=1)
    word = max((cell_len(word) for word in label.split()), default=1)
    return ShownColumn(
        label=label,
        texts=texts,
        is_numeric=is_numeric,
        full=max(cell_len(label), content),
        narrowest=max(word, content if is_numeric else min(content, NARROWEST_TEXT)),
    )


def bands(shown: Sequence[ShownColumn], width: int | None) -> list[Band] | None:
    """Spread the columns over bands of at most `width`; None: one block a row reads better."""
    if len(shown[0].texts) == 1 and len(shown) > _WIDE_RECORD:
        return None
    if width is None:
        return [Band(list(shown), [column.full for column in shown])]
    spread = _spread(shown, width)
    if len(spread) > _MOST_BANDS or any(_narrowest(band) > width for band in spread):
        return None
    if len(spread) > 1:  # as few bands as that, and then all about as wide
        widest = max(map(_narrowest, spread))
        tries = (_spread(shown, limit) for limit in range(widest // 2, width + 1))
        spread = next(even for even in tries if len(even) == len(spread))
    return [Band(band, _widths(band, width)) for band in spread]


def _spread(shown: Sequence[ShownColumn], width: int) -> list[list[ShownColumn]]:
    key, *others = shown
    spread = [[key]]
    for column in others:
        if len(spread[-1]) > 1 and _narrowest([*spread[-1], column]) > width:
            spread.append([key])
        spread[-1].append(column)
    return spread


def _narrowest(band: Sequence[ShownColumn]) -> int:
    return sum(column.narrowest for column in band) + GAP * (len(band) - 1)


def _widths(band: Sequence[ShownColumn], width: int) -> list[int]:
    """Give what is left over to the columns from the left, up to what they can use."""
    widths = [column.narrowest for column in band]
    left = width - _narrowest(band)
    for index, column in enumerate(band):
        more = min(left, column.full - widths[index])
        widths[index] += more
        left -= more
    return widths
