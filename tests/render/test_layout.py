"""The table on a terminal: nothing is cut, whatever the width."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from wai_ops.core.table import Column, Table, Unit
from wai_ops.render.tables import render

WORDS = st.text("abcdefghij ", min_size=1, max_size=40).map(lambda text: text.strip() or "a")


def table(rows: list[tuple[Any, ...]], units: list[Unit], **more: Any) -> Table[Any]:
    columns = tuple(Column(f"c{n}", f"Column {n}", unit) for n, unit in enumerate(units))
    return Table(row_type=tuple, rows=rows, columns=columns, **more)


@given(
    st.lists(
        st.tuples(WORDS, st.integers(0, 10**12), WORDS, st.integers(0, 10**9)),
        min_size=1,
        max_size=4,
    ),
    st.integers(1, 130),
)
def test_every_number_and_letter_is_there_at_any_width(
    rows: list[tuple[Any, ...]], width: int
) -> None:
    text = render(
        table(rows, [Unit.TEXT, Unit.COUNT, Unit.TEXT, Unit.TOKENS]), "table", terminal_width=width
    )
    assert "…" not in text
    if width >= 40:
        assert max(cell_len(line) for line in text.splitlines()) <= width
        for row in rows:
            assert f"{row[1]:,}" in text
            assert f"{row[3]:,}" in text
    letters = sorted(re.sub(r"[^a-j0-9]", "", text))
    cells = "".join(str(cell) for row in rows for cell in row)
    assert [letter for letter in letters if letters.count(letter) < cells.count(letter)] == []


def test_a_table_that_fits_looks_the_same_on_a_terminal_and_in_a_pipe() -> None:
    sample = table(
        [("a", 1), ("bb", 1000)], [Unit.TEXT, Unit.COUNT], title="T", total=("total", 1001)
    )
    piped = render(sample, "table", terminal_width=None)
    shown = render(sample, "table", terminal_width=80)
    assert [line.rstrip() for line in shown.splitlines()] == piped.splitlines()
    assert (
        piped
        == "T\nColumn 0  Column 1\na                1\nbb           1,000\ntotal        1,001\n"
    )


def test_colour_and_weight_are_for_terminals_that_want_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sample = table([("a", 1)], [Unit.TEXT, Unit.COUNT], title="T")
    monkeypatch.setenv("TERM", "xterm-256color")
    assert "\x1b" not in render(sample, "table", terminal_width=80)  # NO_COLOR is set in tests
    monkeypatch.delenv("NO_COLOR")
    assert "\x1b[1m" in render(sample, "table", terminal_width=80)
    assert "\x1b" not in render(sample, "table", terminal_width=None)


def test_too_many_columns_stand_in_bands_that_each_begin_with_the_first() -> None:
    units = [Unit.TEXT, *[Unit.COUNT] * 11]
    rows: list[tuple[Any, ...]] = [(f"row{n}", *[10**6 + n] * 11) for n in range(2)]
    text = render(table(rows, units), "table", terminal_width=80)
    first, second = text.split("\n\n")
    for band in (first, second):
        assert [line.split()[0] for line in band.splitlines()][-2:] == ["row0", "row1"]
    assert text.count("1,000,001") == 11


def test_one_wide_row_and_too_narrow_terminals_read_downwards() -> None:
    units = [Unit.TEXT, *[Unit.COUNT] * 7]
    text = render(table([("x", *range(7))], units), "table", terminal_width=None)
    assert text.splitlines()[:3] == ["Column 0  x", "Column 1  0", "Column 2  1"]
    rows: list[tuple[Any, ...]] = [("x", *range(7)), ("y", *range(7))]
    narrow = render(table(rows, units), "table", terminal_width=24)
    assert [line.rstrip() for line in narrow.splitlines()[:2]] == ["Column 0  x", "Column 1  0"]


def test_long_text_is_folded_beside_numbers_that_stay_whole() -> None:
    text = render(
        table([("a long text " * 5, 1234567)], [Unit.TEXT, Unit.COUNT]), "table", terminal_width=40
    )
    lines = [line.rstrip() for line in text.splitlines()]
    assert len(lines) > 2
    assert lines[1].endswith("1,234,567")


def test_wide_characters_keep_the_columns_straight() -> None:
    text = render(
        table([("日本語", 1), ("ab", 22)], [Unit.TEXT, Unit.COUNT]), "table", terminal_width=None
    )
    assert [cell_len(line) for line in text.splitlines()] == [18, 18, 18]


def test_columns_that_hold_nothing_are_left_out_where_people_read() -> None:
    sample = table([("a", None), ("b", None)], [Unit.TEXT, Unit.USD])
    assert "Column 1" not in render(sample, "table", terminal_width=None)
    assert "Column 1" not in render(sample, "md", terminal_width=None)
