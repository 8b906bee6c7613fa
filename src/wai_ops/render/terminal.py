"""The table for people. Plain text where nothing is on a terminal; through rich where something is.

Numbers stand to the right and are never cut; how the rest is fitted in is `layout`'s business.
"""

import os
from collections.abc import Iterable, Sequence
from typing import Any

from rich.cells import cell_len

from wai_ops.core.table import Table
from wai_ops.core.text import one_line
from wai_ops.render.layout import GAP, NARROWEST_TEXT, Band, ShownColumn, bands, shown_columns

NO_ROWS = "(no rows)"
_NARROWEST_TERMINAL = 20
"""Below this the terminal's own wrapping does less harm than ours."""


def to_text(table: Table[Any], *, width: int | None) -> str:
    """Return title, rows, total and verdict; notes go elsewhere. `width` None: plain, unwrapped."""
    if width is None:
        lines = list(_plain_lines(table))
    else:
        lines = _terminal_lines(table, max(width, _NARROWEST_TERMINAL))
    return "".join(f"{line}\n" for line in lines)


def _plain_lines(table: Table[Any]) -> Iterable[str]:
    if table.title:
        yield one_line(table.title)
    if not table.rows:
        yield NO_ROWS
    else:
        shown = shown_columns(table)
        spread = bands(shown, None)
        if spread is None:
            yield from _plain_records(shown)
        else:
            for band in spread:
                yield from _plain_band(band)
    if table.verdict is not None:
        yield f"verdict: {table.verdict.value}"


def _plain_band(band: Band) -> Iterable[str]:
    header = [column.label for column in band.columns]
    for texts in (header, *zip(*(column.texts for column in band.columns), strict=True)):
        padded = [
            _padded(text, width, to_right=column.is_numeric)
            for text, width, column in zip(texts, band.widths, band.columns, strict=True)
        ]
        yield (" " * GAP).join(padded).rstrip()


def _plain_records(shown: Sequence[ShownColumn]) -> Iterable[str]:
    width = _label_width(shown)
    for index in range(len(shown[0].texts)):
        if index:
            yield ""
        for column in shown:
            yield _padded(column.label, width) + column.texts[index]


def _terminal_lines(table: Table[Any], width: int) -> list[str]:
    """Draw through rich, which minds NO_COLOR and the terminal's abilities."""
    import io

    from rich.console import Console
    from rich.text import Text

    console = Console(
        file=io.StringIO(),
        width=width,
        force_terminal=True,
        color_system=None if os.environ.get("NO_COLOR") else "auto",
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )
    with console.capture() as capture:
        if table.title:
            console.print(Text(one_line(table.title), style="bold"))
        if not table.rows:
            console.print(NO_ROWS)
        else:
            shown = shown_columns(table)
            spread = bands(shown, width)
            if spread is None:
                _print_records(console, shown)
            for number, band in enumerate(spread or ()):
                if number:
                    console.print()
                _print_band(console, band, has_total=table.total is not None)
        if table.verdict is not None:
            console.print(f"verdict: {table.verdict.value}")
    return capture.get().removesuffix("\n").split("\n")


def _print_band(console: Any, band: Band, *, has_total: bool) -> None:
    from rich.table import Table as RichTable
    from rich.text import Text

    table = RichTable(box=None, pad_edge=False, padding=(0, GAP, 0, 0))
    for column, width in zip(band.columns, band.widths, strict=True):
        table.add_column(
            Text(column.label),
            header_style="bold",
            justify="right" if column.is_numeric else "left",
            overflow="fold",
            width=width,
        )
    rows = list(zip(*(column.texts for column in band.columns), strict=True))
    for number, texts in enumerate(rows, start=1):
        style = "bold" if has_total and number == len(rows) else None
        table.add_row(*map(Text, texts), style=style)
    console.print(table)


def _print_records(console: Any, shown: Sequence[ShownColumn]) -> None:
    from rich.padding import Padding
    from rich.table import Table as RichTable
    from rich.text import Text

    width = _label_width(shown)
    for index in range(len(shown[0].texts)):
        if index:
            console.print()
        for column in shown:
            label, value = Text(column.label, style="bold"), Text(column.texts[index])
            if width + NARROWEST_TEXT <= console.width:
                grid = RichTable.grid()
                grid.add_column(no_wrap=True, width=width)
                grid.add_column(overflow="fold")
                grid.add_row(label, value)
                console.print(grid)
            else:  # hardly a terminal at all
                console.print(label, overflow="fold")
                console.print(Padding(value, (0, 0, 0, GAP)), overflow="fold")


def _label_width(shown: Sequence[ShownColumn]) -> int:
    return max(cell_len(column.label) for column in shown) + GAP


def _padded(text: str, width: int, *, to_right: bool = False) -> str:
    space = " " * (width - cell_len(text))
    return space + text if to_right else text + space
