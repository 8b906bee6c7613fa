"""Log rows over a real socket: bodies, late rows, rating, deleting, retention, restarts."""

import json
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cloudflare
import httpx
import pytest

from emulator.api import Api, events_of
from emulator.lab import Lab, lab
from wai_ops.emulator.gateway.log_bodies import Bodies
from wai_ops.emulator.gateway.log_row import LogRow
from wai_ops.emulator.gateway.retention import MAX_ROW_BYTES
from wai_ops.emulator.gateway.settings import DEFAULT_SETTINGS
from wai_ops.emulator.served import Served
from wai_ops.emulator.server import embedded
from wai_ops.emulator.store import FILE_NAME, load_sql
from wai_ops.emulator.times import to_millis_text

DEFAULT = {"cf-aig-gateway-id": "default"}
LOGS = "/ai-gateway/gateways/default/logs"


@dataclass
class HeldClock:
    """Stands still until it is moved."""

    at: datetime = field(default_factory=lambda: datetime(2026, 6, 1, 10, 30, tzinfo=UTC))

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()

    def sleep(self, seconds: float) -> None:
        self.move(seconds)

    def move(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
def held(tmp_path: Path, clock: HeldClock) -> Iterator[Lab]:
    """An emulator whose time only the test moves."""
    gateways = {
        "keeps-first": {"log_management": 3, "log_management_strategy": "STOP_INSERTING"},
        "keeps-last": {"log_management": 3, "log_management_strategy": "DELETE_OLDEST"},
    }
    with lab(tmp_path / "held", gateways, clock=clock) as running:
        yield running


def send(api: Api, method: str, path: str, role: str = "operator", **sent: Any) -> httpx.Response:
    return api.http.request(method, api.url(path), headers=api.auth(role), **sent)


def one(api: Api, answer: httpx.Response) -> str:
    return f"{LOGS}/{answer.headers['cf-aig-log-id']}"


def test_both_bodies_are_told_as_they_were(api: Api) -> None:
    """Raw: no envelope around them, byte for byte what went over the wire."""
    answer = api.chat("Read my bodies. äöü", headers=DEFAULT)
    request = api.get(f"{one(api, answer)}/request", role="operator")
    response = api.get(f"{one(api, answer)}/response", role="operator")
    assert request.content == answer.request.content
    assert response.content == answer.content
    assert request.headers["content-type"] == "application/json"


def test_the_body_of_a_stream_is_the_stream(api: Api) -> None:
    answer = api.chat("Stream my body", stream=True, headers=DEFAULT)
    response = api.get(f"{one(api, answer)}/response", role="operator")
    assert events_of(response) == events_of(answer)


def test_who_may_read_metadata_may_not_read_bodies(api: Api) -> None:
    answer = api.chat(headers=DEFAULT)
    assert api.get(one(api, answer), role="reader").status_code == 200
    for side in ("request", "response"):
        refused = api.get(f"{one(api, answer)}/{side}", role="reader")
        assert (refused.status_code, refused.json()["errors"][0]["code"]) == (403, 10000)


def test_without_payload_the_row_stays_and_the_bodies_are_gone(api: Api) -> None:
    answer = api.chat("Secret", headers=DEFAULT | {"cf-aig-collect-log-payload": "false"})
    row = api.get(one(api, answer)).json()["result"]
    assert row["tokens_in"] > 0
    assert row["cost"] > 0
    assert row["request_size"] == len(answer.request.content)
    assert (row["request_head"], row["response_head"]) == ("", "")
    assert (row["request_head_complete"], row["response_head_complete"]) == (False, False)
    for side in ("request", "response"):
        missing = api.get(f"{one(api, answer)}/{side}", role="operator")
        assert (missing.status_code, missing.json()["errors"][0]["code"]) == (404, 7002)


def test_a_call_that_is_not_collected_has_no_row(fresh: Api) -> None:
    fresh.chat(headers=DEFAULT)
    fresh.chat(headers=DEFAULT | {"cf-aig-collect-log": "false"})
    assert len(fresh.logs()) == 1


def test_a_long_body_shows_its_beginning_in_the_row_and_is_kept_whole(api: Api) -> None:
    answer = api.chat("long " * 2000, headers=DEFAULT)
    row = api.get(one(api, answer)).json()["result"]
    assert row["request_head"] == answer.request.content[:2048].decode()
    assert row["request_head_complete"] is False
    body = api.get(f"{one(api, answer)}/request", role="operator")
    assert body.content == answer.request.content


def test_a_row_takes_feedback_score_and_metadata_each_on_its_own(api: Api) -> None:
    answer = api.chat(headers=DEFAULT | {"cf-aig-metadata": '{"tenant":"t"}'})

    def patched(**body: Any) -> tuple[Any, Any, Any]:
        told = send(api, "PATCH", one(api, answer), json=body)
        assert told.status_code == 200
        row = api.row_of(answer)
        return row["feedback"], row["score"], row["metadata"]

    assert patched(feedback=1) == (1, None, {"tenant": "t"})
    assert patched(score=0.5) == (1, 0.5, {"tenant": "t"})
    assert patched(metadata={"a": True, "b": 2}) == (1, 0.5, {"a": True, "b": 2})
    assert patched(feedback=None, metadata=None) == (None, 0.5, None)
    assert patched() == (None, 0.5, None)


@pytest.mark.parametrize(
    "body",
    ["{", "[]", '{"feedback":2}', '{"feedback":true}', '{"score":"x"}', '{"score":1e999}',
     '{"metadata":{"a":null}}', '{"metadata":{"a":{}}}', '{"metadata":[]}'],
)  # fmt: skip
def test_a_patch_that_makes_no_sense_is_refused(api: Api, body: str) -> None:
    answer = api.chat(headers=DEFAULT)
    refused = send(api, "PATCH", one(api, answer), content=body)
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (400, 7001)


def test_feedback_on_a_row_that_is_not_there_is_a_404(api: Api) -> None:
    api.chat(headers=DEFAULT)
    missing = send(api, "PATCH", f"{LOGS}/none", json={"feedback": 1})
    assert (missing.status_code, missing.json()["errors"][0]["code"]) == (404, 7002)


def test_reading_may_not_write(api: Api) -> None:
    answer = api.chat(headers=DEFAULT)
    assert send(api, "PATCH", one(api, answer), "reader", json={}).status_code == 403
    assert send(api, "DELETE", LOGS, "reader").status_code == 403
    assert api.row_of(answer)["feedback"] is None


def test_deleting_takes_what_matches_the_oldest_first(held: Lab, clock: HeldClock) -> None:
    names = []
    for limit in (1, 2, 3, 4):
        answer = held.api.chat(max_tokens=limit, headers=DEFAULT)
        names.append(answer.headers["cf-aig-log-id"])
        clock.move(1)
    filters = json.dumps([{"key": "tokens_out", "operator": "lt", "value": [4]}])
    told = send(held.api, "DELETE", LOGS, params={"filters": filters, "limit": "2"})
    assert (told.status_code, told.json()["success"]) == (200, True)
    assert {row["id"] for row in held.api.logs()} == set(names[2:])
    assert held.api.get(f"{LOGS}/{names[0]}/request", role="operator").status_code == 404
    most = {"order_by": "tokens_out", "order_by_direction": "desc", "limit": "1"}
    send(held.api, "DELETE", LOGS, params=most)
    assert {row["id"] for row in held.api.logs()} == {names[2]}
    send(held.api, "DELETE", LOGS)
    assert held.api.logs() == []


def test_the_official_client_lists_reads_rates_and_deletes(fresh: Api) -> None:
    """Unmodified, with the filters that it takes apart on the wire."""
    keep = fresh.chat("keep", headers=DEFAULT).headers["cf-aig-log-id"]
    drop = fresh.chat("drop", headers=DEFAULT).headers["cf-aig-log-id"]
    endpoint = fresh.endpoint
    client = cloudflare.Cloudflare(
        api_token=endpoint.tokens["operator"], base_url=endpoint.base_url, max_retries=0
    )
    logs = client.ai_gateway.logs
    where: Any = {"gateway_id": "default", "account_id": endpoint.account_id}
    found = logs.list(**where, filters=[{"key": "id", "operator": "eq", "value": [drop]}])
    assert [row.id for row in found] == [drop]
    logs.edit(drop, **where, feedback=-1)
    assert logs.get(drop, **where).model_extra is not None
    assert json.loads(json.dumps(logs.request(drop, **where)))["messages"][0]["content"] == "drop"
    gone = logs.delete(**where, filters=[{"key": "feedback", "operator": "eq", "value": [-1]}])
    assert gone.success
    assert [row.id for row in logs.list(**where)] == [keep]


def test_rows_and_bodies_survive_a_restart(tmp_path: Path) -> None:
    with embedded(tmp_path) as endpoint, httpx.Client() as http:
        before = Api(endpoint, http)
        answer = before.chat("Remember me", headers=DEFAULT)
        send(before, "PATCH", one(before, answer), json={"feedback": 1})
        row = before.row_of(answer)
    with embedded(tmp_path) as endpoint, httpx.Client() as http:
        after = Api(endpoint, http)
        assert after.row_of(answer) == row
        body = after.get(f"{one(after, answer)}/response", role="operator")
        assert body.content == answer.content


def test_a_folder_of_the_first_version_is_brought_up_to_date(tmp_path: Path) -> None:
    """Its rows stay, count towards retention, and have no bodies."""
    connection = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
    connection.executescript(load_sql("schema"))
    identity = {
        "account_id": "a" * 32,
        "tokens": json.dumps({role: f"token-{role}" for role in ("runtime", "operator", "reader")}),
        "token_ids": json.dumps({role: role for role in ("runtime", "operator", "reader")}),
    }
    connection.executemany("insert into identity values (?, ?)", identity.items())
    at = "2026-01-01T00:00:00.000Z"
    settings = json.dumps({**DEFAULT_SETTINGS, "log_management": 2})
    connection.execute("insert into gateway values ('default', ?, ?, ?)", (settings, at, at))
    old = {"id": "old", "gateway_id": "default", "event_id": "e", "created_at": at, "model": "m",
           "provider": "workers-ai", "path": "p", "status_code": 200, "success": 1, "cached": 0,
           "custom_cost": 0, "step": 0, "duration": 1, "latency": 1, "authentication": 1,
           "wholesale": 0, "request_size": 1, "response_size": 1, "request_head": "x",
           "response_head": "y", "cost": "0.5"}  # fmt: skip
    marks = ", ".join(f":{name}" for name in old)
    connection.execute(f"insert into log ({', '.join(old)}) values ({marks})", old)
    connection.execute("pragma user_version = 1")
    connection.close()
    with embedded(tmp_path) as endpoint, httpx.Client() as http:
        api = Api(endpoint, http)
        assert [row["id"] for row in api.logs()] == ["old"]
        assert api.get(f"{LOGS}/old").json()["result"]["response_head"] == "y"
        assert api.get(f"{LOGS}/old/request", role="operator").status_code == 404
        for _ in range(2):
            api.chat(headers=DEFAULT)
        assert len(api.logs()) == 2


def test_a_row_appears_after_its_lag_and_its_cost_after_that(held: Lab, clock: HeldClock) -> None:
    held.services.knobs.change_all([("logs.lag_ms", 5000), ("logs.late_fields_ms", 2000)])
    answer = held.api.chat(headers=DEFAULT)
    assert held.api.logs() == []
    assert held.api.get(one(held.api, answer)).status_code == 404
    assert held.api.get(f"{one(held.api, answer)}/request", role="operator").status_code == 404
    clock.move(4.999)
    assert held.api.logs() == []
    clock.move(0.001)
    (row,) = held.api.logs()
    assert (row["cost"], row["tokens_in"] > 0) == (None, True)
    detail = held.api.get(one(held.api, answer)).json()["result"]
    assert (detail["response_head"], detail["response_head_complete"]) == (None, None)
    clock.move(2)
    (row,) = held.api.logs()
    assert row["cost"] > 0
    assert held.api.get(one(held.api, answer)).json()["result"]["response_head"] == answer.text


def test_a_lag_that_is_set_later_hides_no_earlier_row(held: Lab) -> None:
    held.api.chat(headers=DEFAULT)
    held.services.knobs.change("logs.lag_ms", 5000)
    assert len(held.api.logs()) == 1


def test_metadata_comes_as_an_object_or_as_text(held: Lab, clock: HeldClock) -> None:
    held.api.chat(headers=DEFAULT | {"cf-aig-metadata": '{"tenant":"t","n":1}'})
    clock.move(1)
    held.api.chat(headers=DEFAULT | {"cf-aig-metadata": '{"tenant":null}'})
    lost, kept = held.api.logs()
    assert (lost["metadata"], kept["metadata"]) == (None, {"tenant": "t", "n": 1})
    held.services.knobs.change("logs.metadata_encoding", "string")
    lost, kept = held.api.logs()
    assert lost["metadata"] is None
    assert json.loads(kept["metadata"]) == {"tenant": "t", "n": 1}


def test_rows_vanish_with_age(held: Lab, clock: HeldClock) -> None:
    held.api.chat(headers=DEFAULT)
    held.services.knobs.change("logs.retention_days", 1)
    clock.move(86_399)
    assert len(held.api.logs()) == 1
    clock.move(2)
    assert held.api.logs() == []


@pytest.mark.parametrize(
    ("gateway", "kept"), [("keeps-first", [0, 1, 2]), ("keeps-last", [2, 3, 4])]
)
def test_a_full_gateway_drops_by_its_strategy(
    held: Lab, clock: HeldClock, gateway: str, kept: list[int]
) -> None:
    made = []
    for _ in range(5):
        answer = held.api.chat(headers={"cf-aig-gateway-id": gateway})
        made.append(answer.headers["cf-aig-log-id"])
        clock.move(1)
    found = held.api.get(f"/ai-gateway/gateways/{gateway}/logs", order_by_direction="asc").json()
    assert [row["id"] for row in found["result"]] == [made[index] for index in kept]
    assert found["result_info"]["total_count"] == 3


def test_a_gateway_that_was_emptied_takes_rows_again(held: Lab) -> None:
    path = "/ai-gateway/gateways/keeps-first/logs"
    for _ in range(4):
        held.api.chat(headers={"cf-aig-gateway-id": "keeps-first"})
    send(held.api, "DELETE", path)
    held.api.chat(headers={"cf-aig-gateway-id": "keeps-first"})
    assert held.api.get(path).json()["result_info"]["total_count"] == 1


def test_a_plans_own_limit_holds_for_gateways_without_one(held: Lab) -> None:
    held.services.knobs.change("logs.max_rows", 2)
    for _ in range(3):
        held.api.chat(headers=DEFAULT)
    assert len(held.api.logs()) == 2


@pytest.mark.parametrize(("size", "rows"), [(MAX_ROW_BYTES, 1), (MAX_ROW_BYTES + 1, 0)])
def test_a_row_with_bodies_beyond_ten_megabytes_is_not_stored(
    held: Lab, clock: HeldClock, size: int, rows: int
) -> None:
    """It is counted all the same."""
    row = LogRow(
        id="big", gateway_id="default", event_id="e", created_at=to_millis_text(clock.now()),
        model="m", path="p", status_code=200, duration=0, latency=0, request_size=size,
        response_size=0, response_content_type="text/plain", success=True,
    )  # fmt: skip
    served = Served(at=clock.now(), model="m", status_code=200, gateway_id="default")
    held.services.recorder.record(served, row, bodies=Bodies(b"x", b""))
    held.api.chat(headers=DEFAULT)
    assert len(held.api.logs()) == 1 + rows
    truth = held.api.http.get(
        f"{held.api.endpoint.base_url.removesuffix('/client/v4')}/__wai/truth",
        headers=held.api.auth("reader"),
    )
    assert truth.json()["result"]["totals"]["requests"] == 2


def test_pages_read_upwards_lose_nothing_while_rows_arrive(fresh: Api) -> None:
    """Ascending by time with an overlap, as a careful client reads: every row, whatever arrives."""
    total = 120
    made: list[str] = []
    begun = threading.Event()

    def keep_calling() -> None:
        with httpx.Client() as http:
            caller = Api(fresh.endpoint, http)
            for number in range(total):
                made.append(caller.chat(max_tokens=1, headers=DEFAULT).headers["cf-aig-log-id"])
                if number == 10:
                    begun.set()

    thread = threading.Thread(target=keep_calling)
    thread.start()
    begun.wait(30)
    seen: dict[str, str] = {}
    since = ""
    rounds = 0
    while thread.is_alive() or len(seen) < total:
        rounds += 1
        assert rounds < 5000
        params = {"order_by": "created_at", "order_by_direction": "asc", "per_page": "20"}
        if since:
            params["start_date"] = since  # inclusive: the last time is read again
        rows = fresh.logs(**params)
        news = {row["id"]: row["created_at"] for row in rows if row["id"] not in seen}
        seen |= news
        if len(rows) == 20 and rows[-1]["created_at"] == since:
            page2 = fresh.logs(**params, page="2")
            seen |= {row["id"]: row["created_at"] for row in page2}
            since = max(row["created_at"] for row in page2)
        elif rows:
            since = rows[-1]["created_at"]
    thread.join()
    assert set(seen) == set(made)


def test_newest_first_shifts_under_a_reader(held: Lab, clock: HeldClock) -> None:
    """Why one reads upwards: a row that arrives between two pages is pushed on to the second."""

    def call() -> None:
        held.api.chat(max_tokens=1, headers=DEFAULT)
        clock.move(1)

    for _ in range(4):
        call()
    first = [row["id"] for row in held.api.logs(per_page="2", page="1")]
    call()
    second = [row["id"] for row in held.api.logs(per_page="2", page="2")]
    assert second[0] == first[1]
