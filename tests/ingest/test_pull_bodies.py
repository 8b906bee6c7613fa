"""Bodies by opt-in: what they add to rows, what is masked, who may read them; and ratings."""

import json
import os
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from support.gateway_log import GatewayLog, gateway_log, row, rows_between
from support.pulling import NOON, SECRET, Puller, puller
from wai_ops.core.errors import AccessError, UsageError
from wai_ops.observe.ingest.bodies import (
    KEPT_CHARACTERS,
    BodyChoice,
    BodyMode,
    family_of,
    parse_bodies,
)
from wai_ops.observe.ingest.pull_source import RowKey
from wai_ops.observe.ledger.gateway import ingest_rows

NOW = NOON
HOUR = timedelta(hours=1)
FAILED = BodyChoice(mode=BodyMode.FAILED)
ALL = BodyChoice(mode=BodyMode.ALL)
SPEND = {"success": False, "error": [{"code": 2045, "message": f"Spend limit, key {SECRET}"}]}
CALL = {
    "choices": [
        {
            "finish_reason": "tool_calls",
            "message": {
                "content": None,
                "tool_calls": [
                    {"id": "t1", "function": {"name": "crm.find", "arguments": '{"a":1}'}},
                    {"id": "t2", "function": {"name": "mcp__mail", "arguments": "{}"}},
                ],
            },
        }
    ]
}
STREAM = (
    b'data: {"choices":[{"delta":{"tool_calls":[{"index":0,"id":"s1","function":'
    b'{"name":"search/web","arguments":"{\\"q\\""}}]}}]}\n\n'
    b'data: {"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]},'
    b'"finish_reason":"tool_calls"}]}\n\ndata: [DONE]\n\n'
)


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayLog]:
    with gateway_log(tmp_path_factory.mktemp("gateway")) as log:
        yield log


@pytest.fixture
def log(started: GatewayLog) -> GatewayLog:
    started.reset()
    return started


@pytest.fixture
def pulls(log: GatewayLog, tmp_path: Path) -> Puller:
    return puller(log, tmp_path / "state", NOW)


def refused(number: int) -> object:
    """A row that a bare status cannot explain."""
    return row(
        number,
        NOW - HOUR,
        status_code=429,
        success=False,
        tokens_in=None,
        tokens_out=None,
        cost=Decimal(0),
    )


def test_a_failed_rows_body_says_why(log: GatewayLog, pulls: Puller) -> None:
    """429 alone may be three things; the code in the body is exact. Only failed rows are asked."""
    log.write([row(1, NOW - HOUR), refused(2)])  # type: ignore[list-item]
    log.body(log.ids[1], b'{"messages":[]}', json.dumps(SPEND).encode())
    result = pulls(bodies=FAILED)
    assert (result.body_count, result.missing_body_count) == (2, 0)
    found = pulls.sql("select error_type, error_code from model_call where not http_status = 200")
    assert found == [("spend_limit", 2045)]
    assert pulls.sql("select distinct log_id from body") == [(log.ids[1],)]


def test_a_body_is_masked_before_it_touches_the_disk(log: GatewayLog, pulls: Puller) -> None:
    """Neither the body, nor the message in the row, nor any file of the folder has the secret."""
    log.write([refused(2)])  # type: ignore[list-item]
    log.body(log.ids[0], SECRET.encode(), json.dumps(SPEND).encode())
    result = pulls(bodies=FAILED)
    assert sum(result.removed.values()) >= 2
    contents = pulls.sql("select content, redacted_count from body order by kind")
    assert all("[redacted:" in content and count >= 1 for content, count in contents)
    message = pulls.sql("select error_message from model_call")[0][0]
    assert message.startswith("Spend limit, key [redacted:")
    files = [path for path in pulls.state_dir.rglob("*") if path.is_file()]
    assert files
    assert not any(SECRET.encode() in path.read_bytes() for path in files)
    assert pulls.sql("select sum(removed_count) > 0 from redaction") == [(True,)]


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="this system has no files in memory")
def test_rows_wait_for_their_redaction_where_no_disk_sees_them(
    log: GatewayLog, pulls: Puller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill at this moment leaves nothing of the secret in any file."""
    log.write([row(1, NOW - HOUR, user_agent=SECRET)])
    seen: list[list[Path]] = []

    def look(*given: Any, **more: Any) -> Any:
        (waiting,) = given[3].files
        assert SECRET.encode() in waiting.read_bytes()
        files = [path for path in pulls.state_dir.rglob("*") if path.is_file()]
        assert files
        seen.append([path for path in files if SECRET.encode() in path.read_bytes()])
        return ingest_rows(*given, **more)

    monkeypatch.setattr("wai_ops.observe.ledger.pulls.ingest_rows", look)
    assert pulls().inserted_count == 1
    assert seen == [[]]


def test_the_error_of_a_body_outlives_a_later_reading_without_bodies(
    log: GatewayLog, pulls: Puller
) -> None:
    """The list has no error code; reading it again must not take the code away."""
    log.write([refused(2)])  # type: ignore[list-item]
    log.body(log.ids[0], b"{}", json.dumps(SPEND).encode())
    pulls(bodies=FAILED)
    pulls(since=NOW - 2 * HOUR, again=True)
    assert pulls.sql("select error_type, error_code from model_call") == [("spend_limit", 2045)]


def test_tool_calls_of_answers_and_streams_are_facts(log: GatewayLog, pulls: Puller) -> None:
    """With the names of the call that asked for them, and its output tokens shared evenly."""
    log.write(rows_between(NOW - HOUR, NOW - HOUR / 2, 2))
    log.body(log.ids[0], b"{}", json.dumps(CALL).encode())
    log.body(log.ids[1], b"{}", STREAM)
    pulls(bodies=ALL)
    pulls(since=NOW - 2 * HOUR, again=True, bodies=ALL)
    found = pulls.sql(
        "select tool_call_id, tool_name, tool_family, conversation_id, output_tokens, source"
        " from tool_call order by 1"
    )
    assert found == [
        ("s1", "search/web", "search", "c1", 50.0, "body"),
        ("t1", "crm.find", "crm", "c0", 25.0, "body"),
        ("t2", "mcp__mail", "mcp", "c0", 25.0, "body"),
    ]
    assert pulls.sql("select distinct finish_reason from model_call") == [("tool_calls",)]


def test_a_listed_row_without_a_body_is_counted_not_failed(log: GatewayLog, pulls: Puller) -> None:
    """404 with 7002 is known to happen."""
    log.write([row(1, NOW - HOUR)])
    result = pulls(bodies=ALL)
    assert (result.body_count, result.missing_body_count, result.row_count) == (0, 2, 1)


def test_a_token_that_may_list_may_still_not_read_bodies(log: GatewayLog, tmp_path: Path) -> None:
    """403: the message names the permission, and what was read before stays."""
    log.write([row(1, NOW - HOUR)])
    log.body(log.ids[0], b"{}", b"{}")
    reading = puller(log, tmp_path / "state", NOW, token="reader")
    with pytest.raises(AccessError) as caught:
        reading(bodies=ALL)
    assert "AI Gateway Read" in str(caught.value.hint)
    assert "the next pull goes on from there" in str(caught.value.hint)


def test_a_huge_body_is_cut_and_says_so(log: GatewayLog, pulls: Puller) -> None:
    """Hostile or not: what is kept has a size."""
    log.write([row(1, NOW - HOUR)])
    log.body(log.ids[0], b"{}", b"x" * (KEPT_CHARACTERS + 5))
    pulls(bodies=ALL)
    found = pulls.sql("select kind, length(content), is_truncated from body order by 1")
    assert found == [("request", 2, False), ("response", KEPT_CHARACTERS, True)]


def test_a_sample_is_the_same_rows_every_time() -> None:
    """By the row's own id: a second pull does not draw others."""
    choice = parse_bodies("sample:25%")
    keys = [RowKey(id=f"01J{n:023}", created_at=NOW) for n in range(4000)]
    drawn = [key.id for key in keys if choice.wants(key)]
    assert 900 < len(drawn) < 1100
    assert drawn == [key.id for key in keys if parse_bodies("sample:25%").wants(key)]


@pytest.mark.parametrize("text", ["", "some", "sample", "sample:0%", "sample:101%", "sample:x%"])
def test_what_is_no_choice_of_bodies_is_a_usage_error(text: str) -> None:
    """Named with what would be one."""
    with pytest.raises(UsageError) as caught:
        parse_bodies(text)
    assert caught.value.hint == "try failed, all or sample:1%"


def test_families_are_the_first_part_of_a_name() -> None:
    """Up to the first separator; a name that begins with one has no other part."""
    names = ["crm.find", "a/b", "a:b", "mcp__x", "plain", "__x", "a__b.c"]
    assert [family_of(name) for name in names] == ["crm", "a", "a", "mcp", "plain", "__x", "a"]


def test_ratings_of_rows_that_are_here_already_are_asked_for(
    log: GatewayLog, pulls: Puller
) -> None:
    """They come when their window has long settled."""
    log.write(rows_between(NOW - 5 * HOUR, NOW - 4 * HOUR, 10))
    pulls()
    rated = "select log_id, feedback from model_call where feedback is not null order by 1"
    assert pulls.sql(rated) == []
    log.change(log.ids[3], feedback=1)
    log.change(log.ids[4], feedback=-1)
    pulls.later(hours=2)
    assert pulls().rated_count == 2
    assert pulls.sql(rated) == [(log.ids[3], 1), (log.ids[4], -1)]
    assert pulls.sql("select * from rollup_dirty") == [], "roll-ups know the ratings too"
    assert pulls().rated_count == 0, "nothing changed since"
    log.change(log.ids[3], feedback=-1)
    pulls()
    assert pulls.sql(rated) == [(log.ids[3], -1), (log.ids[4], -1)]
    assert pulls.log_ids() == sorted(log.ids)
