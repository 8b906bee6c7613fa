"""The newer log system: rows are events of Workers Observability, and the older list is empty."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cloudflare
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.api import OPENAI_MODEL, Api
from emulator.lab import Lab, lab
from wai_ops.emulator.errors import ApiError
from wai_ops.emulator.telemetry_filters import parse_filters, parse_needle

DEFAULT = {"cf-aig-gateway-id": "default"}
EVER = {"from": 0, "to": 4_000_000_000_000}
BASE = "/workers/observability/telemetry"


@pytest.fixture
def newer(tmp_path: Path) -> Iterator[Lab]:
    """An account on the newer system."""
    with lab(tmp_path / "newer", {"second": {}}) as running:
        running.services.knobs.change("logs.system", "observability")
        yield running


def post(api: Api, path: str, **body: Any) -> Any:
    answer = api.http.post(api.url(f"{BASE}/{path}"), json=body, headers=api.auth("reader"))
    assert answer.status_code == 200, answer.text
    return answer.json()["result"]


def query(api: Api, **more: Any) -> Any:
    return post(api, "query", **{"queryId": "q", "timeframe": EVER, "view": "events", **more})


def where(key: str, operation: str, value: Any, kind: str = "string") -> dict[str, Any]:
    return {"key": key, "operation": operation, "type": kind, "value": value}


def ids(result: Any) -> list[str]:
    return [event["$metadata"]["id"] for event in result["events"]["events"]]


def test_rows_come_as_events_and_the_older_list_is_empty(newer: Lab) -> None:
    answer = newer.api.chat(headers=DEFAULT | {"cf-aig-metadata": '{"tenant":"t"}'})
    log_id = answer.headers["cf-aig-log-id"]
    assert newer.api.logs() == []
    assert newer.api.get(f"/ai-gateway/gateways/default/logs/{log_id}").status_code == 404
    (event,) = query(newer.api)["events"]["events"]
    assert event["$metadata"]["id"] == log_id
    assert event["$metadata"]["service"] == "default"
    assert event["$metadata"]["endTime"] == event["timestamp"]
    source = event["source"]
    assert (source["model"], source["metadata"]) == (OPENAI_MODEL, {"tenant": "t"})
    assert source["tokens_in"] == answer.json()["usage"]["prompt_tokens"]
    assert source["cost"] > 0


def test_an_account_on_the_older_system_has_no_events(fresh: Api) -> None:
    fresh.chat(headers=DEFAULT)
    assert query(fresh)["events"]["events"] == []
    assert post(fresh, "keys") == []


def test_events_are_read_page_by_page_newest_first(newer: Lab) -> None:
    gateways = ["default", "second", "default", "default", "second"]
    made = [
        newer.api.chat(headers={"cf-aig-gateway-id": name}).headers["cf-aig-log-id"]
        for name in gateways
    ]
    seen: list[str] = []
    while True:
        cursor = {"offset": seen[-1]} if seen else {}
        result = query(newer.api, limit=2, **cursor)
        assert result["events"]["count"] == 5
        if not ids(result):
            break
        seen += ids(result)
    assert sorted(seen) == sorted(made)
    times = {event["$metadata"]["id"]: event["timestamp"] for event in
             query(newer.api)["events"]["events"]}  # fmt: skip
    assert [times[name] for name in seen] == sorted(times.values(), reverse=True)
    back = query(newer.api, limit=2, offset=seen[3], offsetDirection="prev")
    assert ids(back) == seen[1:3]


def test_a_time_frame_has_both_of_its_ends_in_it(newer: Lab) -> None:
    newer.api.chat(headers=DEFAULT)
    (event,) = query(newer.api)["events"]["events"]
    at = event["timestamp"]
    assert len(ids(query(newer.api, timeframe={"from": at, "to": at}))) == 1
    assert ids(query(newer.api, timeframe={"from": at + 1, "to": at + 2})) == []
    assert ids(query(newer.api, timeframe={"from": at - 2, "to": at - 1})) == []


def test_filters_and_needles_find_what_they_say(newer: Lab) -> None:
    good = newer.api.chat(headers=DEFAULT | {"cf-aig-metadata": '{"tenant":"acme"}'})
    bad = newer.api.chat(model="@cf/nobody/nothing", headers=DEFAULT)
    names = {good.headers["cf-aig-log-id"]: "good", bad.headers["cf-aig-log-id"]: "bad"}

    def found(*filters: Any, **more: Any) -> set[str]:
        parameters = {"filters": list(filters), **more}
        return {names[name] for name in ids(query(newer.api, parameters=parameters))}

    assert found(where("metadata.tenant", "eq", "acme")) == {"good"}
    assert found(where("metadata.tenant", "neq", "acme")) == {"bad"}
    assert found(where("$metadata.statusCode", ">=", 400, "number")) == {"bad"}
    assert found(where("success", "eq", "true", "boolean")) == {"good"}
    assert found(where("model", "MATCH_REGEX", "kimi-k2[.]6$")) == {"good"}
    assert found({"key": "metadata.tenant", "operation": "exists", "type": "string"}) == {"good"}
    assert found({"key": "cost", "operation": "is_null", "type": "number"}) == set()
    assert found(where("provider", "in", "openai, workers-ai")) == {"good", "bad"}
    either = (where("success", "eq", False, "boolean"), where("metadata.tenant", "eq", "acme"))
    assert found(*either) == set()
    assert found(*either, filterCombination="or") == {"good", "bad"}
    group = {"kind": "group", "filterCombination": "OR", "filters": list(either)}
    assert found(group, where("model", "includes", "kimi")) == {"good"}
    assert found(needle={"value": "ACME"}) == {"good"}
    assert found(needle={"value": "ACME", "matchCase": True}) == set()
    assert found(needle={"value": "^ac.e$", "isRegex": True}) == {"good"}


def test_keys_and_values_tell_what_can_be_searched(newer: Lab) -> None:
    newer.api.chat(headers=DEFAULT | {"cf-aig-metadata": '{"tenant":"acme"}'})
    newer.api.chat(headers={"cf-aig-gateway-id": "second", "cf-aig-metadata": '{"tenant":"zeta"}'})
    keys = {item["key"]: item["type"] for item in post(newer.api, "keys", limit=1000)}
    assert keys["metadata.tenant"] == "string"
    assert keys["usage_metadata.input_tokens"] == "number"
    assert keys["success"] == "boolean"
    few = post(newer.api, "keys", keyNeedle={"value": "TENANT"})
    assert [item["key"] for item in few] == ["metadata.tenant"]

    def values(**more: Any) -> list[Any]:
        body = {"key": "metadata.tenant", "type": "string", "datasets": [], "timeframe": EVER}
        return [item["value"] for item in post(newer.api, "values", **{**body, **more})]

    assert values() == ["acme", "zeta"]
    assert values(filters=[where("gateway", "eq", "second")]) == ["zeta"]
    assert values(type="number") == []
    assert values(datasets=["cloudflare-workers"]) == []


def test_the_official_client_reads_events(newer: Lab) -> None:
    log_id = newer.api.chat(headers=DEFAULT).headers["cf-aig-log-id"]
    endpoint = newer.api.endpoint
    client = cloudflare.Cloudflare(
        api_token=endpoint.tokens["reader"], base_url=endpoint.base_url, max_retries=0
    )
    telemetry = client.workers.observability.telemetry
    told = telemetry.query(
        account_id=endpoint.account_id, query_id="q", timeframe={"from": 0, "to": EVER["to"]},
        view="events", parameters={"filters": [{"key": "gateway", "operation": "eq",
                                                "type": "string", "value": "default"}]},
    )  # fmt: skip
    assert told is not None
    assert told.events is not None
    assert told.events.events is not None
    assert [event.metadata.id for event in told.events.events] == [log_id]
    assert "gateway" in {item.key for item in telemetry.keys(account_id=endpoint.account_id)}


def test_late_rows_are_late_here_too(newer: Lab) -> None:
    newer.services.knobs.change("logs.lag_ms", 3_600_000)
    newer.api.chat(headers=DEFAULT)
    assert ids(query(newer.api)) == []


def test_the_newer_system_forgets_after_a_week(tmp_path: Path) -> None:
    class Clock:
        at = datetime(2026, 6, 1, tzinfo=UTC)

        def now(self) -> datetime:
            return self.at

        def monotonic(self) -> float:
            return self.at.timestamp()

        def sleep(self, seconds: float) -> None:
            raise AssertionError

    clock = Clock()
    with lab(tmp_path / "week", clock=clock) as running:
        running.services.knobs.change("logs.system", "observability")
        running.api.chat(headers=DEFAULT)
        clock.at = datetime(2026, 6, 8, tzinfo=UTC)
        assert len(ids(query(running.api))) == 1
        clock.at = datetime(2026, 6, 8, 0, 0, 1, tzinfo=UTC)
        assert ids(query(running.api)) == []


@pytest.mark.parametrize(
    "more",
    [
        {"view": "calculations"},
        {"limit": 0},
        {"limit": "9"},
        {"offset": "nobody"},
        {"parameters": []},
        {"timeframe": {"from": 0, "to": 10**18}},
        {"parameters": {"filters": [where("a", "almost", "b")]}},
        {"parameters": {"filters": [where("a", "regex", "(")]}},
        {"parameters": {"filters": [where("a", "gt", "x", "number")]}},
        {"parameters": {"filters": [where("a", "eq", "x", "boolean")]}},
        {"parameters": {"filters": [where("a", "eq", None)]}},
        {"parameters": {"filters": [where("a", "eq", "b", "text")]}},
        {"parameters": {"filters": "x"}},
        {"parameters": {"filters": [], "filterCombination": "xor"}},
        {"parameters": {"needle": "x"}},
    ],
)
def test_a_query_that_makes_no_sense_is_refused(newer: Lab, more: dict[str, Any]) -> None:
    body = {"queryId": "q", "timeframe": EVER, "view": "events", **more}
    answer = newer.api.http.post(
        newer.api.url(f"{BASE}/query"), json=body, headers=newer.api.auth("reader")
    )
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, 7001)


def test_groups_nest_four_deep_at_most() -> None:
    def nested(depth: int) -> list[Any]:
        inner: list[Any] = [where("a", "eq", "b")]
        for _ in range(depth):
            inner = [{"kind": "group", "filterCombination": "and", "filters": inner}]
        return inner

    assert parse_filters(nested(4))({"a": "b"})
    with pytest.raises(ApiError):
        parse_filters(nested(5))


scalars = st.one_of(st.text(max_size=3), st.integers(-3, 3), st.booleans())
events = st.dictionaries(st.sampled_from(["a", "b"]), scalars, max_size=2)


@given(events, st.sampled_from(["eq", "gt", "gte", "includes", "starts_with", "in"]), scalars)
def test_an_operation_and_its_negation_divide_the_events(
    event: dict[str, Any], operation: str, value: Any
) -> None:
    """Of values of the filter's own type, and of absent ones for the negations that hold there."""
    kind = {bool: "boolean", str: "string"}.get(type(value), "number")
    opposite = {"eq": "neq", "gt": "lte", "gte": "lt", "includes": "not_includes",
                "starts_with": None, "in": "not_in"}[operation]  # fmt: skip
    holds = parse_filters([where("a", operation, value, kind)])(event)
    found = event.get("a")
    is_own = found is not None and type(found) is type(value)
    if not is_own:
        assert not holds
    elif opposite is not None:
        assert parse_filters([where("a", opposite, value, kind)])(event) is not holds


@given(st.text(), st.text(max_size=3))
def test_a_needle_without_case_finds_what_lower_case_finds(text: str, value: str) -> None:
    assert parse_needle({"value": value})(text) == (value.lower() in text.lower())
    escaped = {"value": re.escape(value), "isRegex": True, "matchCase": True}
    if value.isalnum() and value.isascii():
        assert parse_needle(escaped)(text) == (value in text)
