"""The record of an attempt is kept exactly: what was written is what is read."""

import json
from dataclasses import fields
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wai_ops.core.records import FIELD_NAMES, AttemptRecord, from_json, to_json

TIMES = st.datetimes(
    min_value=datetime(1970, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    timezones=st.just(UTC),
)
DECIMALS = st.decimals(
    min_value=0, max_value=Decimal("999999.999999999999"), places=12, allow_nan=False
) | st.sampled_from([Decimal(0), Decimal("1E-12"), Decimal("1E+3"), Decimal("0.10")])
FLOATS = st.floats(0, 10**9)
TEXT = st.text(max_size=20)


def of_type(annotation: Any) -> st.SearchStrategy[Any]:
    """Values of a field's declared type."""
    strategies: dict[Any, st.SearchStrategy[Any]] = {
        str: TEXT,
        int: st.integers(0, 2**53),
        bool: st.booleans(),
        float: FLOATS,
        datetime: TIMES,
        Decimal: DECIMALS,
    }
    options = getattr(annotation, "__args__", (annotation,))
    return st.one_of([st.none() if o is type(None) else strategies[o] for o in options])


RECORDS = st.builds(
    AttemptRecord, **{item.name: of_type(item.type) for item in fields(AttemptRecord)}
)


@given(RECORDS)
def test_a_record_reads_back_from_its_json_text(record: AttemptRecord) -> None:
    text = json.dumps(to_json(record))
    assert from_json(json.loads(text)) == record


@given(RECORDS)
def test_decimals_are_plain_texts_and_times_end_in_z(record: AttemptRecord) -> None:
    values = to_json(record)
    assert tuple(values) == FIELD_NAMES
    for name in ("cost_usd", "neurons", "in_usd_per_m"):
        value = values[name]
        assert value is None or ("E" not in value and Decimal(value) == getattr(record, name))
    assert values["started_at"].endswith("Z")


@given(RECORDS, st.sampled_from(FIELD_NAMES))
def test_an_unknown_field_is_not_swallowed(record: AttemptRecord, name: str) -> None:
    values = to_json(record)
    with pytest.raises(TypeError):
        from_json({**values, f"{name}_x": 1})


def test_a_missing_necessary_field_is_an_error() -> None:
    with pytest.raises(TypeError):
        from_json({"attempt_id": "a"})
