"""JSON, JSON lines and CSV: raw values under their field names."""

import csv
import io
import json
from typing import Any

from wai_ops.core.table import Column, Table, Unit
from wai_ops.core.text import printable
from wai_ops.render.values import cells, columns, to_plain, without_surrogates

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A cell that begins with one of these would be run by a spreadsheet."""


def to_json(table: Table[Any]) -> str:
    """One object: title, columns, rows, total, notes, verdict. ASCII, so no terminal is steered."""
    declared = columns(table)
    document = {
        "title": table.title,
        "columns": [
            {"name": column.name, "label": column.label, "unit": column.unit.value}
            for column in declared
        ],
        "rows": [_object(row, declared) for row in table.rows],
        "total": None if table.total is None else _object(table.total, declared),
        "notes": list(table.notes),
        "verdict": None if table.verdict is None else table.verdict.value,
    }
    return json.dumps(document, indent=2) + "\n"


def to_jsonl(table: Table[Any]) -> str:
    """One object a row and line; the total is left out, because it is no row."""
    declared = columns(table)
    return "".join(f"{json.dumps(_object(row, declared))}\n" for row in table.rows)


def to_csv(table: Table[Any], *, for_terminal: bool) -> str:
    """RFC 4180: a header of field names, CRLF, quotes where needed. The total is left out.

    Text that a spreadsheet would take for a formula gets an apostrophe in front. On a terminal
    control characters are replaced; in a file they stay as they are.
    """
    declared = columns(table)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([_cell(column.name, Unit.TEXT, for_terminal) for column in declared])
    for row in table.rows:
        pairs = zip(cells(row, declared), declared, strict=True)
        writer.writerow([_cell(value, column.unit, for_terminal) for value, column in pairs])
    return out.getvalue()


def _object(row: Any, declared: tuple[Column, ...]) -> dict[str, Any]:
    names = [column.name for column in declared]
    return dict(zip(names, map(to_plain, cells(row, declared)), strict=True))


def _cell(value: Any, unit: Unit, for_terminal: bool) -> str:
    plain = to_plain(value)
    if plain is None:
        return ""
    if isinstance(plain, bool):
        return "true" if plain else "false"
    if isinstance(plain, list | dict):
        plain = json.dumps(plain)
    text = without_surrogates(str(plain))
    if unit is Unit.TEXT and isinstance(value, str) and text.startswith(_FORMULA):
        text = f"'{text}"
    return printable(text) if for_terminal else text
