"""Markdown (GitHub's tables): a table, its notes as a list, everything untrusted escaped."""

import re
from typing import Any

from wai_ops.core.table import Table
from wai_ops.core.text import one_line
from wai_ops.render.units import is_numeric, to_human
from wai_ops.render.values import for_people

_SPECIAL = re.compile(r"([\\`*\[\]|~#!]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))")


def to_markdown(table: Table[Any]) -> str:
    """Return title, table, verdict and notes."""
    grid = for_people(table)
    rules = [
        "---:" if is_numeric(column.unit, [row[index] for row in grid.rows]) else "---"
        for index, column in enumerate(grid.columns)
    ]
    lines = [f"## {escape(one_line(table.title))}", ""] if table.title else []
    lines += [_line(escape(column.label) for column in grid.columns), _line(rules)]
    for row in grid.rows:
        pairs = zip(row, grid.columns, strict=True)
        lines.append(_line(escape(to_human(value, column.unit)) for value, column in pairs))
    if grid.total is not None:
        pairs = zip(grid.total, grid.columns, strict=True)
        lines.append(
            _line(f"**{escape(to_human(value, column.unit))}**" for value, column in pairs)
        )
    if table.verdict is not None:
        lines += ["", f"Verdict: **{table.verdict.value}**"]
    if table.notes:
        lines += ["", *(f"- {escape(one_line(note, 2000))}" for note in table.notes)]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """Make text mean itself: no cell ends early, no markup and no HTML begins."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _SPECIAL.sub(r"\\\1", text)


def _line(texts: Any) -> str:
    return f"| {' | '.join(texts)} |"
