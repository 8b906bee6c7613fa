"""A table in the format that was asked for, as text. Nothing is printed here."""

from typing import Any

from wai_ops.core.table import Table

FORMATS = ("table", "json", "jsonl", "csv", "md", "html")


def render(table: Table[Any], fmt: str, *, terminal_width: int | None) -> str:
    """Return the table as text that ends with a newline (or is empty: JSON lines of no rows).

    `terminal_width` is None when the text does not go to a terminal: then nothing is wrapped and
    nothing is coloured. Raises ValueError for an unknown format.
    """
    match fmt:
        case "table":
            from wai_ops.render.terminal import to_text

            return to_text(table, width=terminal_width)
        case "json":
            from wai_ops.render.machine import to_json

            return to_json(table)
        case "jsonl":
            from wai_ops.render.machine import to_jsonl

            return to_jsonl(table)
        case "csv":
            from wai_ops.render.machine import to_csv

            return to_csv(table, for_terminal=terminal_width is not None)
        case "md":
            from wai_ops.render.markdown import to_markdown

            return to_markdown(table)
        case "html":
            from wai_ops.render.page import to_html

            return to_html(table)
        case _:
            raise ValueError(f"unknown format {fmt!r}: one of {', '.join(FORMATS)}")
