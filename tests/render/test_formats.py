"""Every format of one table, to the byte; and what untrusted text may do in each: nothing."""

import csv
import io
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wai_ops.core.table import Column, Table, Unit, Verdict, col
from wai_ops.render.tables import FORMATS, render

GOLDEN = Path(__file__).with_name("golden")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One column of each kind."""

    name: str = col("Workflow")
    count: int = col("Requests", Unit.COUNT)
    cost_usd: Decimal | None = col("Cost", Unit.USD)
    share: float | None = col("Cached share", Unit.RATIO)
    seen_at: datetime = col("Last seen", Unit.TIME)
    is_new: bool = col("New", Unit.FLAG)
    never: str | None = col("Never there", default=None)


AT = datetime(2026, 3, 14, 12, 0, 0, 250000, tzinfo=UTC)
HOSTILE = "=cmd|' /C calc'!A0 <img src=x onerror=alert(1)> \x1b[2J\u202e, \"quoted\" *a* [b](c) é"
SAMPLE: Table[Row] = Table(
    row_type=Row,
    title="Cost by workflow",
    rows=[
        Row(
            name="triage",
            count=1234,
            cost_usd=Decimal("1234.500000000001"),
            share=0.4,
            seen_at=AT,
            is_new=False,
        ),
        Row(name=HOSTILE, count=1, cost_usd=None, share=None, seen_at=AT, is_new=True),
    ],
    total=Row(
        name="total", count=1235, cost_usd=Decimal("1234.5"), share=0.4, seen_at=AT, is_new=True
    ),
    notes=("1 of 2 <b>calls</b> | had no price", "prices: built-in"),
    verdict=Verdict.WARN,
)
EMPTY: Table[Row] = Table(row_type=Row, rows=[])


@pytest.mark.parametrize("fmt", FORMATS)
def test_each_format_is_what_it_was(fmt: str) -> None:
    """To accept a change: write `render(SAMPLE, fmt, terminal_width=None)` to the golden file."""
    expected = (GOLDEN / f"sample.{fmt}").read_bytes()
    assert render(SAMPLE, fmt, terminal_width=None).encode() == expected


@pytest.mark.parametrize(
    ("fmt", "expected"),
    [
        ("table", "(no rows)\n"),
        ("jsonl", ""),
        ("csv", "name,count,cost_usd,share,seen_at,is_new,never\r\n"),
    ],
)
def test_no_rows_are_no_trouble(fmt: str, expected: str) -> None:
    assert render(EMPTY, fmt, terminal_width=None) == expected


@pytest.mark.parametrize(
    ("fmt", "width"),
    [(fmt, width) for fmt in FORMATS for width in (80, None) if fmt != "csv" or width],
)
def test_no_format_prints_a_control_character_on_a_terminal(fmt: str, width: int | None) -> None:
    """CSV in a file keeps what it was given; on a terminal it does not."""
    text = render(SAMPLE, fmt, terminal_width=width)
    assert re.search("[\x00-\x09\x0b-\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e]", text) is None


def test_an_unknown_format_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="unknown format 'xml'"):
        render(SAMPLE, "xml", terminal_width=None)


def free(values: list[tuple[Any, ...]], *names: str) -> Table[Any]:
    columns = tuple(Column(name, name, Unit.TEXT) for name in names)
    return Table(row_type=tuple, rows=values, columns=columns)


texts = st.text(st.characters(codec="utf-8"), max_size=30)


@given(
    st.lists(st.tuples(texts, st.one_of(st.none(), st.integers(), st.decimals(-9, 9))), max_size=6)
)
def test_csv_reads_back_cell_by_cell(values: list[tuple[str, Any]]) -> None:
    text = render(free(values, "text", "number"), "csv", terminal_width=None)
    header, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    assert header == ["text", "number"]
    expected = [
        [
            f"'{name}" if name.startswith(("=", "+", "-", "@", "\t", "\r")) else name,
            "" if number is None else format(number, "f" if isinstance(number, Decimal) else "d"),
        ]
        for name, number in values
    ]
    assert rows == expected


@given(st.lists(st.tuples(texts, texts), max_size=6))
def test_json_reads_back_and_is_ascii(values: list[tuple[str, str]]) -> None:
    text = render(free(values, "a", "b"), "json", terminal_width=None)
    assert text.isascii()
    rows = json.loads(text)["rows"]
    assert [(row["a"], row["b"]) for row in rows] == values
    lines = render(free(values, "a", "b"), "jsonl", terminal_width=None).splitlines()
    assert [json.loads(line) for line in lines] == rows


class Page(HTMLParser):
    """What a browser would make of a page: the tags, and the texts of the cells."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.cells: list[str] = []
        self.attributes: set[str] = set()
        self._in_cell = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag == "td":
            self._in_cell = True
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        self._in_cell = self._in_cell and tag != "td"

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self.cells[-1] += data


@given(texts)
def test_html_shows_any_text_as_text(text: str) -> None:
    page, plain = Page(), Page()
    page.feed(render(free([(f"<{text}>",)], "a"), "html", terminal_width=None))
    plain.feed(render(free([("x",)], "a"), "html", terminal_width=None))
    assert page.tags == plain.tags
    assert page.attributes == plain.attributes
    assert page.cells[0].startswith("<")
    assert page.cells[0].endswith(">")


def test_the_page_needs_nothing_from_anywhere_and_runs_nothing() -> None:
    import base64
    import hashlib

    page = render(SAMPLE, "html", terminal_width=None)
    style = page.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert f'http-equiv="Content-Security-Policy" content="{policy}"' in page
    parsed = Page()
    parsed.feed(page)
    assert {"script", "link", "img", "iframe", "object"}.isdisjoint(parsed.tags)
    assert {"src", "href", "style", "onerror"}.isdisjoint(parsed.attributes)
    assert "url(" not in style


@given(texts)
def test_markdown_keeps_its_cells_and_begins_no_markup(text: str) -> None:
    lines = render(free([(text, "b")], "a", "b"), "md", terminal_width=None).splitlines()
    assert len(lines) == 3
    bare = re.sub(r"\\.", "", lines[2])  # without what is escaped
    assert bare.count("|") == 3
    assert re.search(r"[<>`*\[\]~]", bare) is None
