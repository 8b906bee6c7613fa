"""The engine behind the log list, against a plain Python model of what it should find."""

import json
import random
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wai_ops.emulator.errors import ApiError
from wai_ops.emulator.gateway.log_filters import parse_filters
from wai_ops.emulator.gateway.log_lag import Sight, visible_times
from wai_ops.emulator.gateway.log_query import LogQuery, parse_delete_query, parse_log_query
from wai_ops.emulator.gateway.log_row import LogRow
from wai_ops.emulator.knobs import Logs
from wai_ops.emulator.store import load_sql, open_store
from wai_ops.emulator.times import to_millis_text

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SEEN = f"with seen as ({load_sql('seen_logs')}) "
MODELS = ["@cf/a/one", "@cf/b/Two", "@cf/a/three"]
TEXTS = ["", "x", "U-bob", "derive", "1", "true", "ä"]
NUMBERS = ["cost", "tokens", "tokens_in", "tokens_out", "duration"]
FLAGS = ["success", "cached", "authentication", "wholesale", "compatibilityMode"]
WORDS = ["id", "provider", "model", "model_type", "event_id", "user_agent", "dlp_action"]


def row(index: int, **facts: Any) -> LogRow:
    """A row of gateway `g` that differs from others where `facts` say."""
    values = {
        "id": f"id-{index:03d}",
        "gateway_id": "g",
        "event_id": "e",
        "created_at": to_millis_text(NOW - timedelta(minutes=index)),
        "model": MODELS[0],
        "path": "run",
        "status_code": 200,
        "duration": 5,
        "latency": 5,
        "request_size": 0,
        "response_size": 0,
        "response_content_type": "application/json",
        "success": True,
    }
    return LogRow(**{**values, **facts})


metadata = st.none() | st.dictionaries(
    st.sampled_from(["agent", "user", "Tenant"]),
    st.sampled_from([*TEXTS, 1, 0, 2.5, True, False]),
    min_size=1,
    max_size=3,
)
facts = st.fixed_dictionaries(
    {
        "model": st.sampled_from(MODELS),
        "model_type": st.none() | st.sampled_from(["text-generation", "embeddings"]),
        "provider": st.sampled_from(["workers-ai", "openai"]),
        "event_id": st.sampled_from(["e1", "e2"]),
        "success": st.booleans(),
        "cached": st.booleans(),
        "wholesale": st.booleans(),
        "compatibility_mode": st.booleans(),
        "duration": st.integers(0, 5),
        "tokens_in": st.none() | st.integers(0, 4),
        "tokens_out": st.none() | st.integers(0, 4),
        "cost": st.none() | st.sampled_from([Decimal(0), Decimal("0.5"), Decimal("0.000001")]),
        "user_agent": st.none() | st.sampled_from(TEXTS),
        "dlp_action": st.none() | st.sampled_from(["FLAG", "BLOCK"]),
        "metadata": metadata,
        "minutes": st.integers(0, 4),
    }
)
tables = st.lists(facts, max_size=12)


def field_of(item: dict[str, Any], key: str) -> Any:
    """What a filter key means of a row, as plain Python."""
    match key:
        case "tokens":
            counted = item["tokens_in"] is not None and item["tokens_out"] is not None
            return item["tokens_in"] + item["tokens_out"] if counted else None
        case "compatibilityMode":
            return item["compatibility_mode"]
        case "authentication":
            return True
        case "cost":
            return None if item["cost"] is None else float(item["cost"])
    return item[key]


def holds(found: Any, operator: str, wanted: Any) -> bool:
    """One comparison; null is equal to null, different from all else, and in no order."""
    if operator == "eq":
        return bool(found == wanted)
    if operator == "neq":
        return bool(found != wanted)
    if found is None or wanted is None:
        return False
    if operator == "contains":
        return ascii_lower(wanted) in ascii_lower(found)
    return bool(found < wanted) if operator == "lt" else bool(found > wanted)


def ascii_lower(text: str) -> str:
    return "".join(letter.lower() if letter.isascii() else letter for letter in text)


def told(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def passes(item: dict[str, Any], condition: dict[str, Any]) -> bool:
    """The naive reading of one filter."""
    key, operator, values = condition["key"], condition["operator"], condition["value"]
    if key in ("metadata.key", "metadata.value"):
        entries = item["metadata"] or {}
        known = [*entries] if key == "metadata.key" else [told(v) for v in entries.values()]
        if operator == "neq":
            return not any(told(value) == entry for value in values for entry in known)
        return any(holds(entry, operator, told(value)) for value in values for entry in known)
    found = field_of(item, key)
    results = [holds(found, operator, value) for value in values]
    return all(results) if operator == "neq" else any(results)


ordered = st.sampled_from(["eq", "neq", "lt", "gt"])
conditions = st.one_of(
    st.fixed_dictionaries(
        {
            "key": st.sampled_from(NUMBERS),
            "operator": ordered,
            "value": st.lists(st.none() | st.sampled_from([0, 1, 2, 0.5]), min_size=1, max_size=3),
        }
    ),
    st.fixed_dictionaries(
        {
            "key": st.sampled_from(FLAGS),
            "operator": ordered,
            "value": st.lists(st.booleans(), min_size=1, max_size=2),
        }
    ),
    st.fixed_dictionaries(
        {
            "key": st.sampled_from(WORDS),
            "operator": ordered,
            "value": st.lists(
                st.none() | st.sampled_from([*TEXTS, *MODELS, "e1", "FLAG"]), min_size=1, max_size=3
            ),
        }
    ),
    st.fixed_dictionaries(
        {
            "key": st.sampled_from(WORDS),
            "operator": st.just("contains"),
            "value": st.lists(st.sampled_from(["", "E", "two", "-", "A", "ä"]), min_size=1),
        }
    ),
    st.fixed_dictionaries(
        {
            "key": st.sampled_from(["metadata.key", "metadata.value"]),
            "operator": st.sampled_from(["eq", "neq", "contains", "lt", "gt"]),
            "value": st.lists(st.sampled_from([*TEXTS, True, 1, "agent"]), min_size=1, max_size=2),
        }
    ),
)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    """A connection to an emulator's own tables."""
    folder = tmp_path_factory.mktemp("rows")
    open_store(folder).close()
    connection = sqlite3.connect(folder / "emulator.sqlite", isolation_level=None)
    connection.row_factory = sqlite3.Row
    connection.execute("begin")  # nothing is kept: faster, and every example starts empty
    yield connection
    connection.close()


def fill(database: sqlite3.Connection, table: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Store the rows; returns them with their ids and times."""
    database.execute("delete from log")
    items = []
    for index, item in enumerate(table):
        rest = {key: value for key, value in item.items() if key != "minutes"}
        at = to_millis_text(NOW - timedelta(minutes=item["minutes"]))
        stored = row(index, created_at=at, **rest)
        database.execute(load_sql("insert_log"), stored.to_columns())
        items.append({**item, "id": stored.id, "created_at": at})
    return items


def found_ids(database: sqlite3.Connection, query: LogQuery, logs: Logs = Logs()) -> list[str]:  # noqa: B008 - frozen
    sight = Sight(gateway_id="g", now=NOW, logs=logs)
    rows = database.execute(SEEN + query.rows_sql(), {**sight.arguments, **query.arguments})
    return [found["id"] for found in rows]


@settings(max_examples=300, deadline=None)
@given(table=tables, wanted=st.lists(conditions, max_size=3))
def test_filters_find_what_the_plain_model_finds(
    database: sqlite3.Connection, table: list[dict[str, Any]], wanted: list[dict[str, Any]]
) -> None:
    items = fill(database, table)
    query = parse_log_query([("filters", json.dumps(wanted)), ("per_page", "50")])
    expected = {item["id"] for item in items if all(passes(item, part) for part in wanted)}
    assert set(found_ids(database, query)) == expected


KEYS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "created_at": lambda item: item["created_at"],
    "provider": lambda item: item["provider"],
    "model": lambda item: item["model"],
    "model_type": lambda item: (item["model_type"] is not None, item["model_type"] or ""),
    "success": lambda item: item["success"],
    "cached": lambda item: item["cached"],
}


@settings(max_examples=150, deadline=None)
@given(
    table=tables,
    order_by=st.sampled_from(sorted(KEYS)),
    direction=st.sampled_from(["asc", "desc"]),
    per_page=st.integers(1, 5),
)
def test_pages_are_the_sorted_rows_cut_into_pieces(
    database: sqlite3.Connection,
    table: list[dict[str, Any]],
    order_by: str,
    direction: str,
    per_page: int,
) -> None:
    """Nulls come first, ties are broken by the id, in the direction that was asked for."""
    items = fill(database, table)
    expected = sorted(
        items, key=lambda item: (KEYS[order_by](item), item["id"]), reverse=direction == "desc"
    )
    pages = []
    for page in range(1, len(items) // per_page + 2):
        params = {"order_by": order_by, "order_by_direction": direction}
        sized = {"per_page": str(per_page), "page": str(page)}
        pages += found_ids(database, parse_log_query([*params.items(), *sized.items()]))
    assert pages == [item["id"] for item in expected]


@settings(max_examples=150, deadline=None)
@given(table=tables, low=st.integers(0, 6), high=st.integers(0, 6))
def test_the_older_ranges_are_inclusive_and_the_totals_fit(
    database: sqlite3.Connection, table: list[dict[str, Any]], low: int, high: int
) -> None:
    items = fill(database, table)
    query = parse_log_query(
        [("min_total_tokens", str(low)), ("max_total_tokens", str(high)), ("meta_info", "true")]
    )
    sums = {item["id"]: field_of(item, "tokens") for item in items}
    expected = {key: total for key, total in sums.items() if total is not None}
    expected = {key: total for key, total in expected.items() if low <= total <= high}
    sight = Sight(gateway_id="g", now=NOW, logs=Logs())
    arguments = {**sight.arguments, **query.arguments}
    totals = dict(database.execute(SEEN + query.count_sql(), arguments).fetchone())
    assert totals["total_count"] == len(expected)
    assert totals["min_total_tokens"] == min(expected.values(), default=None)
    assert totals["max_total_tokens"] == max(expected.values(), default=None)


def test_a_gateway_sees_its_own_rows_only(database: sqlite3.Connection) -> None:
    fill(database, [])
    database.execute(load_sql("insert_log"), row(1, gateway_id="other").to_columns())
    assert found_ids(database, parse_log_query([])) == []


@pytest.mark.parametrize("late", ["cost", "tokens_in", "tokens_out"])
def test_a_late_field_is_null_for_filters_and_orders_too(
    database: sqlite3.Connection, late: str
) -> None:
    fill(database, [])
    later = to_millis_text(NOW + timedelta(seconds=1))
    numbers = {"cost": Decimal(1), "tokens_in": 1, "tokens_out": 1}
    database.execute(load_sql("insert_log"), row(1, fields_at=later, **numbers).to_columns())
    filters = json.dumps([{"key": late, "operator": "gt", "value": [0]}])
    query = parse_log_query([("filters", filters)])
    assert found_ids(database, query, Logs(late_fields=(late,))) == []
    assert found_ids(database, query, Logs(late_fields=("metadata",))) == ["id-001"]


@settings(max_examples=100, deadline=None)
@given(
    lag_ms=st.sampled_from([0.0, 500.0, 60_000.0]),
    jitter_ms=st.sampled_from([0.0, 250.0]),
    late_ms=st.sampled_from([0.0, 1000.0]),
    seed=st.integers(0, 5),
)
def test_a_row_never_comes_before_its_lag_nor_its_fields_before_the_row(
    lag_ms: float, jitter_ms: float, late_ms: float, seed: int
) -> None:
    logs = Logs(lag_ms=lag_ms, lag_jitter_ms=jitter_ms, late_fields_ms=late_ms)
    rng = random.Random(seed)
    row_at, fields_at = visible_times(logs, NOW, rng)
    earliest = to_millis_text(NOW + timedelta(milliseconds=lag_ms))
    latest = to_millis_text(NOW + timedelta(milliseconds=lag_ms + jitter_ms))
    assert (earliest if lag_ms else "") <= row_at <= latest
    assert row_at <= fields_at
    assert (row_at == "") == (lag_ms + jitter_ms == 0)
    assert visible_times(logs, NOW, random.Random(seed)) == (row_at, fields_at)


def pairs(*items: tuple[str, str]) -> list[tuple[str, str]]:
    return [(f"filters.{name}", value) for name, value in items]


def test_the_python_clients_form_of_one_filter_is_understood() -> None:
    """It takes its list of filters apart; one filter with all its values can be put together."""
    apart = pairs(("key", "model"), ("operator", "eq"), ("value", "a"), ("value", "b"))
    whole = [("filters", json.dumps([{"key": "model", "operator": "eq", "value": ["a", "b"]}]))]
    assert list(parse_filters(apart)) == list(parse_filters(whole))


def test_several_filters_in_that_form_pair_by_their_places() -> None:
    apart = pairs(
        ("key", "model"), ("key", "success"), ("operator", "eq"), ("operator", "neq"),
        ("value", "a"), ("value", "true"),
    )  # fmt: skip
    both = [
        {"key": "model", "operator": "eq", "value": ["a"]},
        {"key": "success", "operator": "neq", "value": [True]},
    ]
    assert list(parse_filters(apart)) == list(parse_filters([("filters", json.dumps(both))]))


@pytest.mark.parametrize(
    "apart",
    [
        pairs(("key", "model"), ("operator", "eq")),
        pairs(("key", "model"), ("value", "a")),
        pairs(("value", "a")),
        pairs(
            ("key", "model"), ("key", "id"), ("operator", "eq"), ("operator", "eq"),
            ("value", "a"), ("value", "b"), ("value", "c"),
        ),
        [("filters", "[]"), ("filters", "[]")],
    ],
)  # fmt: skip
def test_what_no_longer_tells_its_pairing_is_refused(apart: list[tuple[str, str]]) -> None:
    with pytest.raises(ApiError) as caught:
        list(parse_filters(apart))
    assert (caught.value.status, caught.value.code) == (400, 7001)


def test_a_list_takes_six_orders_and_a_deletion_eleven() -> None:
    for name in ("cost", "tokens_in", "tokens_out", "duration", "feedback"):
        assert parse_delete_query([("order_by", name)]).order
        with pytest.raises(ApiError):
            parse_log_query([("order_by", name)])
