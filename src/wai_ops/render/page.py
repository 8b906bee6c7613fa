"""One self-contained HTML page: no script, no network, readable in light and dark."""

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from typing import Any

from wai_ops.core.table import Column, Table
from wai_ops.core.text import one_line
from wai_ops.render.units import is_numeric, to_human
from wai_ops.render.values import for_people


def to_html(table: Table[Any]) -> str:
    """Render the page. jinja2 escapes every value; the policy allows this one style sheet only."""
    grid = for_people(table)
    numeric = [
        is_numeric(column.unit, [row[index] for row in grid.rows])
        for index, column in enumerate(grid.columns)
    ]

    style = read_template("page.css")
    page: str = template("page.html").render(
        title=one_line(table.title) or "wai",
        style=style,
        style_hash=style_hash(style),
        header=[
            (one_line(c.label), is_right) for c, is_right in zip(grid.columns, numeric, strict=True)
        ],
        rows=[text_cells(row, grid.columns, numeric) for row in grid.rows],
        total=None if grid.total is None else text_cells(grid.total, grid.columns, numeric),
        verdict=None if table.verdict is None else table.verdict.value,
        notes=[one_line(note, 2000) for note in table.notes],
    )
    return page


def text_cells(
    row: Sequence[Any], columns: Sequence[Column], numeric: Sequence[bool]
) -> list[tuple[str, bool]]:
    """The texts of a row for people, each with whether it stands to the right."""
    return [
        (to_human(value, column.unit), is_right)
        for value, column, is_right in zip(row, columns, numeric, strict=True)
    ]


def style_hash(style: str) -> str:
    """The name under which a policy allows exactly this style sheet."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"sha256-{digest}"


@cache
def template(name: str) -> Any:
    """A template of this package; jinja2 escapes every value that it puts in."""
    from jinja2 import Environment, StrictUndefined, select_autoescape

    environment = Environment(
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.from_string(read_template(name))


def read_template(name: str) -> str:
    """The text of a file beside the templates."""
    from importlib.resources import files

    return (files(__package__) / "templates" / name).read_text("utf-8")
