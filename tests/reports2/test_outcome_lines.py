"""Files of outcomes: whatever is in them, each line is read or named, and nothing else happens."""

import contextlib
import json
from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from wai_ops.core.errors import UsageError
from wai_ops.core.table import Table
from wai_ops.observe.reports.outcome_lines import BadLine, LineFormat, OutcomeLine, parse_lines
from wai_ops.observe.reports.outcomes import Outcome, OutcomeRow, OutcomeSource
from wai_ops.render.tables import render

NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=12
).filter(lambda name: not name.startswith("'"))
NOTES = st.one_of(
    st.none(),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=40)
    .map(str.strip)
    # A note that itself begins like a cell that was defused is read as one.
    .filter(lambda note: note and not note.startswith("'")),
)
EARLIEST = datetime.fromisoformat("1970-01-01")
ROWS = st.builds(
    OutcomeRow,
    tenant=NAMES,
    workflow=NAMES,
    conversation_id=NAMES,
    outcome=st.sampled_from(Outcome).map(str),
    value_usd=st.one_of(
        st.none(), st.decimals(min_value=0, max_value=999_999, places=12, allow_nan=False)
    ),
    recorded_at=st.datetimes(min_value=EARLIEST, timezones=st.just(UTC)),
    source=st.sampled_from(OutcomeSource).map(str),
    is_current=st.booleans(),
    is_known=st.booleans(),
    note=NOTES,
)


@given(st.lists(ROWS, max_size=5), st.sampled_from(LineFormat))
def test_what_list_writes_is_read_back_as_it_was(rows: list[OutcomeRow], fmt: LineFormat) -> None:
    text = render(Table(row_type=OutcomeRow, rows=rows), fmt.value, terminal_width=None)
    read = list(parse_lines(text.encode(), fmt))
    for row, line in zip(rows, read, strict=True):
        assert isinstance(line, OutcomeLine), line
        assert line.wanted.key is not None
        key = line.wanted.key
        assert (key.tenant, key.workflow, key.conversation_id) == (
            row.tenant,
            row.workflow,
            row.conversation_id,
        )
        assert (line.outcome, line.at) == (row.outcome, row.recorded_at)
        assert (line.value_usd, line.note) == (row.value_usd, row.note)


@given(st.binary(max_size=300), st.sampled_from(LineFormat))
def test_no_bytes_do_more_than_name_their_lines(data: bytes, fmt: LineFormat) -> None:
    with contextlib.suppress(UsageError):
        for line in parse_lines(data, fmt):
            assert isinstance(line, OutcomeLine | BadLine)
            assert 1 <= line.line <= data.count(b"\n") + data.count(b"\r") + 1


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


@given(st.lists(st.dictionaries(st.sampled_from(["conversation", "outcome", "at", "x"]), JSON)))
def test_every_json_line_is_read_or_named(values: list[dict[str, object]]) -> None:
    data = "\n".join(json.dumps(value) for value in values).encode()
    lines = list(parse_lines(data, LineFormat.JSONL))
    assert [line.line for line in lines] == list(range(1, len(values) + 1))


def test_amounts_keep_every_digit() -> None:
    data = b'{"conversation": "a:b:c", "outcome": "failed", "value_usd": 0.123456789012}'
    [line] = parse_lines(data, LineFormat.JSONL)
    assert isinstance(line, OutcomeLine)
    assert line.value_usd == Decimal("0.123456789012")
