"""One self-contained HTML page: no script, no network, readable in light and dark."""

import base64
import hashlib
from functools import cache
from typing import Any

from wai_ops.core.table import Table
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

    def shown(row: list[Any]) -> list[tuple[str, bool]]:
        texts = [
            to_human(value, column.unit) for value, column in zip(row, grid.columns, strict=True)
        ]
        return list(zip(texts, numeric, strict=True))

    style = _read("page.css")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    page: str = _template().render(
        title=one_line(table.title) or "wai",
        style=style,
        style_hash=f"sha256-{digest}",
        header=[
            (one_line(c.label), is_right) for c, is_right in zip(grid.columns, numeric, strict=True)
        ],
        rows=[shown(row) for row in grid.rows],
        total=None if grid.total is None else shown(grid.total),
        verdict=None if table.verdict is None else table.verdict.value,
        notes=[one_line(note, 2000) for note in table.notes],
    )
    return page


@cache
def _template() -> Any:
    from jinja2 import Environment, StrictUndefined, select_autoescape

    environment = Environment(
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.from_string(_read("page.html"))


def _read(name: str) -> str:
    from importlib.resources import files

    return (files(__package__) / "templates" / name).read_text("utf-8")
