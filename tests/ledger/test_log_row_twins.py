"""A log row that is in a batch twice is one row, in whatever order the batch came."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redact.planted import PREFIXED
from support.facts import NOON, in_ledger
from support.gateway_rows import ingest_some, log_row
from wai_ops.core.clock import to_utc_text
from wai_ops.observe.ledger.database import run_count

SECRET = next(iter(PREFIXED.values()))[0]


def row_of(number: int, kind: str) -> dict[str, Any]:
    """A row whose time, shared by three rows, comes from its number; of a kind."""
    special: dict[str, dict[str, Any]] = {
        "plain": {},
        "failed": {"status_code": 500, "success": False, "error_message": "a text of its own"},
        "secret": {"user_agent": f"agent with {SECRET}"},
    }
    at = to_utc_text(NOON + timedelta(seconds=number // 3))
    return log_row(number, created_at=at, **special[kind])


log_rows = st.builds(
    row_of, st.integers(0, 12), st.sampled_from(["plain", "plain", "failed", "secret"])
)


def by_time(row: dict[str, Any]) -> str:
    """What the log sorts by."""
    at: str = row["created_at"]
    return at


@settings(max_examples=15)
@given(st.lists(log_rows, min_size=1, max_size=40), st.booleans())
def test_every_log_id_is_there_once(
    tmp_path_factory: pytest.TempPathFactory, batch: list[dict[str, Any]], is_ordered: bool
) -> None:
    folder = tmp_path_factory.mktemp("ledger")
    ingested = ingest_some(folder, *(sorted(batch, key=by_time) if is_ordered else batch))
    ids = sorted({row["id"] for row in batch})
    assert in_ledger(folder, "select log_id from model_call order by log_id") == [
        (log_id,) for log_id in ids
    ]
    assert ingested.inserted_count == len(ids)
    assert ingested.duplicate_count == len(batch) - len(ids)


def test_rows_in_the_order_of_time_are_told_apart_without_a_look_at_every_id(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def counted(connection: Any, name: str, **parameters: Any) -> int:
        asked.append(name)
        return run_count(connection, name, **parameters)

    monkeypatch.setattr("wai_ops.observe.ledger.gateway.run_count", counted)
    batch = [row_of(number, "plain") for number in range(40)]
    for name, rows, is_asked in (
        ("ordered", batch, False),
        ("reversed", batch[::-1], True),
        ("one that needs a second look", [*batch, row_of(39, "secret")], True),
    ):
        asked.clear()
        ingest_some(tmp_path_factory.mktemp("ledger"), *rows)
        assert ("gateway/distinct_any" in asked) is is_asked, name
