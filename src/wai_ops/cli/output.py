"""From a typed result to stdout: the only place where commands print data."""

import json
import sys
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum, StrEnum
from pathlib import Path
from typing import Any

import typer

from wai_ops.cli import diagnostics
from wai_ops.core.clock import to_utc_text
from wai_ops.core.errors import ExitCode
from wai_ops.core.plot import Plot
from wai_ops.core.table import Table, Verdict


class Format(StrEnum):
    """The formats in which rows come out."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"
    MD = "md"
    HTML = "html"


def emit(table: Table[Any], fmt: Format, plots: Sequence[Plot] = ()) -> None:
    """Print rows on stdout and notes on stderr; exit 1 when the table's verdict is FAIL.

    The formats that stand alone (json, html, md) carry the notes inside as well. Plots come after
    the rows.
    """
    from wai_ops.render.tables import render

    sys.stdout.write(render(table, fmt.value, terminal_width=terminal_width()))
    if plots:
        sys.stdout.write(_drawn(table, plots))
    sys.stdout.flush()
    for text in table.notes:
        diagnostics.note(text)
    if table.verdict is Verdict.FAIL:
        raise typer.Exit(ExitCode.VERDICT_NO)


def terminal_width() -> int | None:
    """Columns of the terminal on stdout; None when stdout is no terminal."""
    if not sys.stdout.isatty():
        return None
    import shutil

    return shutil.get_terminal_size().columns


def _drawn(table: Table[Any], plots: Sequence[Plot]) -> str:
    """Draw for what stdout can show: its width, its colours, its characters."""
    import codecs
    import os
    import shutil

    from wai_ops.render.plot import to_plots

    is_terminal = sys.stdout.isatty()
    is_dumb = os.environ.get("TERM", "dumb") == "dumb"
    return to_plots(
        table,
        plots,
        width=shutil.get_terminal_size().columns,
        has_colour=is_terminal and not is_dumb and not os.environ.get("NO_COLOR"),
        is_unicode=codecs.lookup(sys.stdout.encoding).name == "utf-8",
    )


def print_json(record: Any) -> None:
    """Print one record (a dataclass or plain data) as JSON on stdout."""
    sys.stdout.write(to_json_text(record) + "\n")
    sys.stdout.flush()


def to_json_text(record: Any) -> str:
    """Encode as indented JSON: decimals as strings, times as UTC text, ASCII escapes only."""
    return json.dumps(to_plain(record), indent=2)


def to_json_line(record: Any) -> str:
    """Encode as JSON on one line."""
    return json.dumps(to_plain(record), separators=(",", ":"))


def to_plain(value: Any) -> Any:
    """Turn dataclasses, decimals, times, enums and paths into what JSON can hold."""
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: to_plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return to_utc_text(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, dict):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    return value
