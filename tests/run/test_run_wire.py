"""`wai run` against servers that misbehave, byte by byte."""

import json
import os
import signal
import subprocess
import threading
from typing import Any

import pytest

from support.cli import Ran, Wai
from support.wire_server import (
    Do,
    Hang,
    Reset,
    Send,
    Step,
    WireServer,
    event,
    http,
    sse_head,
    wire_server,
)

MODEL = "@cf/zai-org/glm-5.3-flash"
UNPRICED = "@cf/example/unlisted"


def chunk(text: str | None = None, **more: Any) -> Send:
    choice: dict[str, Any] = {"index": 0, "delta": {} if text is None else {"content": text}}
    choice["finish_reason"] = more.pop("finish_reason", None)
    return event(json.dumps({"choices": [choice], **more}))


def usage(prompt: int, completion: int, cached: int | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {"prompt_tokens": prompt, "completion_tokens": completion}
    if cached is not None:
        found["prompt_tokens_details"] = {"cached_tokens": cached}
    return {"usage": found}


GOOD: list[Step] = [
    sse_head(),
    chunk("Hello"),
    chunk(" world", **usage(10, 1, 0)),
    chunk(finish_reason="stop", **usage(10, 2, 0)),
    event("[DONE]"),
]
CAPACITY = http(
    "429 Too Many Requests",
    json.dumps(
        {
            "success": False,
            "errors": [{"code": 3040, "message": "Capacity temporarily exceeded"}],
        }
    ).encode(),
)


def error_body(code: int, message: str) -> bytes:
    return json.dumps({"success": False, "errors": [{"code": code, "message": message}]}).encode()


def call(wai: Wai, server: WireServer, *arguments: str) -> Ran:
    wai.environ.update(server.environ)
    return wai("run", "-m", MODEL, *arguments)


def attempts(wai: Wai) -> list[dict[str, Any]]:
    ran = wai(
        "ledger",
        "sql",
        "select attempt, error_type, cost_state, cost_usd, http_status, input_tokens, "
        "output_tokens from attempt order by started_at, attempt",
        "--format",
        "json",
    )
    assert ran.exit_code == 0, ran.stderr
    found: list[dict[str, Any]] = json.loads(ran.stdout)["rows"]
    return found


def headers_of(request: bytes) -> dict[str, str]:
    head = request.partition(b"\r\n\r\n")[0].decode()
    pairs = (line.partition(": ") for line in head.split("\r\n")[1:])
    return {name.lower(): value for name, _, value in pairs}


def body_of(request: bytes) -> bytes:
    return request.partition(b"\r\n\r\n")[2]


def test_the_request_carries_the_contract(wai: Wai) -> None:
    with wire_server(GOOD) as server:
        ran = call(wai, server, "-t", "acme", "-w", "support", "-c", "c1", "hello")
    assert (ran.exit_code, ran.stdout) == (0, "Hello world\n")
    request = server.requests[0]
    account = server.environ["CLOUDFLARE_ACCOUNT_ID"]
    first_line = request.split(b"\r\n", 1)[0].decode()
    assert first_line == f"POST /client/v4/accounts/{account}/ai/v1/chat/completions HTTP/1.1"
    headers = headers_of(request)
    assert headers["authorization"] == f"Bearer {server.environ['CLOUDFLARE_API_TOKEN']}"
    assert headers["cf-aig-gateway-id"] == "default"
    assert headers["cf-aig-max-attempts"] == "1"
    metadata = json.loads(headers["cf-aig-metadata"])
    assert list(metadata) == ["tenant", "workflow", "conversation", "prompt", "trace"]
    assert metadata["conversation"] == "c1.0.1"
    assert headers["x-session-affinity"].startswith("wai-1-")
    assert "acme" not in headers["x-session-affinity"]
    body = json.loads(body_of(request))
    assert body["stream"] is True
    assert body["stream_options"] == {"include_usage": True}
    assert body["max_completion_tokens"] == 1024


def test_the_native_endpoint_keeps_the_slashes_of_the_model(wai: Wai) -> None:
    with wire_server(GOOD) as server:
        call(wai, server, "--endpoint", "run", "hello")
    assert b"/ai/run/@cf/zai-org/glm-5.3-flash HTTP/1.1" in server.requests[0]
    assert "model" not in json.loads(body_of(server.requests[0]))


def test_earlier_turns_are_sent_again_byte_for_byte(wai: Wai) -> None:
    """One different byte near the top would empty the provider's prefix cache."""
    odd = 'caf\u00e9 "quoted" \\ and \U0001f600 and tab\t'
    with wire_server(GOOD) as server:
        call(wai, server, "-c", "c1", "-s", "Be brief.", odd)
        call(wai, server, "-c", "c1", "second")
        call(wai, server, "-c", "c1", "third")
    bodies = [body_of(request) for request in server.requests]
    messages = [body.partition(b'"messages":[')[2][:-2] for body in bodies]
    assert messages[1].startswith(messages[0] + b",")
    assert messages[2].startswith(messages[1] + b",")
    heads = {body.partition(b'"messages":[')[0] for body in bodies}
    assert len(heads) == 1


def test_a_running_usage_is_not_summed(wai: Wai) -> None:
    script = [sse_head(), *[chunk("x", **usage(100, n, 0)) for n in range(1, 6)]]
    script += [chunk(finish_reason="stop", **usage(100, 5, 0)), event("[DONE]")]
    with wire_server(script) as server:
        ran = call(wai, server, "--json", "hello")
    found = json.loads(ran.stdout)["usage"]
    assert (found["input_tokens"], found["output_tokens"]) == (100, 5)


def test_a_cut_stream_keeps_its_text_and_exits_3(wai: Wai) -> None:
    with wire_server([sse_head(), chunk("Half an"), chunk(" answer")]) as server:
        ran = call(wai, server, "-c", "c1", "hello")
    assert (ran.exit_code, ran.stdout) == (3, "Half an answer\n")
    assert "stream_truncated" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert len(server.requests) == 1
    assert [(row["error_type"], row["cost_state"]) for row in attempts(wai)] == [
        ("stream_truncated", "unknown")
    ]


def test_a_partial_answer_does_not_enter_the_history(wai: Wai) -> None:
    with wire_server([sse_head(), chunk("Half")], GOOD) as server:
        call(wai, server, "-c", "c1", "first")
        call(wai, server, "-c", "c1", "second")
    sent = json.loads(body_of(server.requests[1]))["messages"]
    assert sent == [{"role": "user", "content": "second"}]


def test_a_reset_within_the_stream_is_never_sent_again(wai: Wai) -> None:
    with wire_server([sse_head(), chunk("Half"), Reset()], GOOD) as server:
        ran = call(wai, server, "hello")
    assert ran.exit_code == 3
    assert ran.stdout.startswith("Half")
    assert len(server.requests) == 1


def test_a_reset_after_the_finish_reason_spoils_nothing(wai: Wai) -> None:
    script = [sse_head("cf-aig-log-id: a\x9bb" + "c" * 999), chunk("Whole")]
    with wire_server([*script, chunk(finish_reason="stop", **usage(9, 1)), Reset()]) as server:
        ran = call(wai, server, "--json", "hello")
    result = json.loads(ran.stdout)
    assert (ran.exit_code, result["text"], result["error"]) == (0, "Whole", None)
    assert len(result["log_id"]) == 200
    assert "\x9b" not in result["log_id"]


def test_no_capacity_is_tried_again_and_every_attempt_is_recorded(wai: Wai) -> None:
    with wire_server([CAPACITY], [CAPACITY], GOOD) as server:
        ran = call(wai, server, "hello")
    assert (ran.exit_code, ran.stdout) == (0, "Hello world\n")
    assert ran.stderr.count("trying again in") == 2
    found = attempts(wai)
    assert [(row["attempt"], row["error_type"], row["cost_state"]) for row in found] == [
        (1, "capacity", "none"),
        (2, "capacity", "none"),
        (3, None, "metered"),
    ]
    lineage = [
        json.loads(headers_of(r)["cf-aig-metadata"])["conversation"] for r in server.requests
    ]
    assert [text.rsplit(".", 1)[1] for text in lineage] == ["1", "2", "3"]


def test_the_attempts_have_a_ceiling(wai: Wai) -> None:
    with wire_server([CAPACITY]) as server:
        ran = call(wai, server, "hello")
    assert ran.exit_code == 3
    assert "not retried: 3 attempts were made" in ran.stderr
    assert len(server.requests) == 3


def test_a_spent_allowance_is_never_tried_again(wai: Wai) -> None:
    body = error_body(4006, "you have used up your daily free allocation of 10,000 neurons")
    with wire_server([http("429 Too Many Requests", body)]) as server:
        ran = call(wai, server, "hello")
    assert ran.exit_code == 3
    assert "allowance_spent" in ran.stderr
    assert "it resets at 00:00 UTC" in ran.stderr
    assert len(server.requests) == 1


def test_a_long_retry_after_is_not_waited_for(wai: Wai) -> None:
    refusal = http(
        "429 Too Many Requests",
        error_body(3040, "Capacity temporarily exceeded"),
        "Retry-After: 900",
    )
    with wire_server([refusal]) as server:
        ran = call(wai, server, "hello")
    assert "the server asks to wait 900 s" in ran.stderr
    assert len(server.requests) == 1


def test_a_server_error_of_an_unpriced_model_is_not_sent_twice(wai: Wai) -> None:
    """It may have been billed, and nobody knows how much another attempt would cost."""
    with wire_server([http("500 Internal Server Error", error_body(5001, "failed"))]) as server:
        wai.environ.update(server.environ)
        ran = wai("run", "-m", UNPRICED, "hello")
    assert ran.exit_code == 3
    assert "its price is unknown" in ran.stderr
    assert len(server.requests) == 1
    assert attempts(wai)[0]["cost_state"] == "unknown"


def test_a_server_error_of_a_cheap_model_is_tried_again_and_said(wai: Wai) -> None:
    failure = http("500 Internal Server Error", error_body(5001, "failed"))
    with wire_server([failure], GOOD) as server:
        ran = call(wai, server, "hello")
    assert ran.exit_code == 0
    assert "it may have been billed" in ran.stderr
    assert [row["cost_state"] for row in attempts(wai)] == ["unknown", "metered"]


def test_the_money_ceiling_stops_a_retry(wai: Wai, project: Any) -> None:
    (project / "wai.yaml").write_text('version: "1"\nretry: {max_cost_usd: "0.0000001"}\n')
    failure = http("500 Internal Server Error", error_body(5001, "failed"))
    with wire_server([failure], GOOD) as server:
        ran = call(wai, server, "hello")
    assert "another attempt could pass the retry ceiling of $0.0000001" in ran.stderr
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("status", "body", "code", "words"),
    [
        ("401 Unauthorized", error_body(10000, "Authentication error"), 4, "auth"),
        ("403 Forbidden", error_body(5035, "needs Workers Paid"), 4, "payment_required"),
        ("400 Bad Request", error_body(5007, "No such model"), 2, "not_found"),
        ("413 Payload Too Large", error_body(3006, "too large"), 2, "bad_request"),
        (
            "429 Too Many Requests",
            b'{"success":false,"error":[{"code":2045,"message":"Spend limit exceeded: rule x"}]}',
            5,
            "spend_limit",
        ),
        (
            "403 Forbidden",
            b'{"success":false,"error":{"message":"blocked by policy"}}',
            5,
            "policy_denied",
        ),
        ("429 Too Many Requests", b"slow down", 3, "unknown"),
        ("404 Not Found", b"<html>\x1b[31mnothing here</html>", 2, "not_found"),
    ],
)
def test_each_refusal_has_its_class_its_exit_code_and_one_clear_line(
    wai: Wai, status: str, body: bytes, code: int, words: str
) -> None:
    with wire_server([http(status, body)]) as server:
        ran = call(wai, server, "hello")
    assert (ran.exit_code, ran.stdout) == (code, "")
    assert ran.stderr.startswith(f"wai: error: {words}: ")
    assert "Traceback" not in ran.stderr
    assert "\x1b" not in ran.stderr
    assert server.environ["CLOUDFLARE_API_TOKEN"] not in ran.stderr


def test_an_error_under_status_200_is_still_an_error(wai: Wai) -> None:
    body = error_body(3040, "Capacity temporarily exceeded")
    with wire_server([http("200 OK", body)], GOOD) as server:
        ran = call(wai, server, "hello")
    assert (ran.exit_code, ran.stdout) == (0, "Hello world\n")
    assert attempts(wai)[0]["error_type"] == "capacity"


def test_control_sequences_never_reach_the_terminal_but_json_is_exact(wai: Wai) -> None:
    hostile = "a\x1b[2J\x1b]0;owned\x07b\u202ec\x9bd\r\x00e"
    script = [sse_head(), chunk(hostile), chunk(finish_reason="stop"), event("[DONE]")]
    with wire_server(script) as server:
        ran = call(wai, server, "-q", "hello")
        exact = call(wai, server, "--json", "hello")
    assert not set(ran.stdout) & set("\x1b\x07\u202e\x9b\r\x00")
    assert ran.stdout.startswith("a␛[2J␛]0;owned␇b")
    assert json.loads(exact.stdout)["text"] == hostile
    assert "\x1b" not in exact.stdout


def test_a_closed_pipe_ends_quietly_and_is_recorded(wai: Wai) -> None:
    script = [sse_head(), chunk("line one\n"), *[chunk("more\n") for _ in range(20000)]]
    with wire_server([*script, event("[DONE]")]) as server:
        wai.environ.update(server.environ)
        command = subprocess.list2cmdline(wai.command("run", "-c", "c1", "-m", MODEL, "hello"))
        done = subprocess.run(
            ["bash", "-c", f"{command} | head -1; echo ${{PIPESTATUS[0]}}"],
            capture_output=True,
            text=True,
            cwd=wai.folder,
            env=wai.environment(),
            timeout=60,
        )
    assert done.stdout == "line one\n141\n"
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr
    assert [(row["error_type"], row["cost_state"]) for row in attempts(wai)] == [
        ("cancelled", "unknown")
    ]


@pytest.mark.parametrize(
    ("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["ctrl-c", "sigterm"]
)
def test_an_interruption_keeps_the_text_records_and_exits_right(
    wai: Wai, sent: signal.Signals, code: int
) -> None:
    with wire_server([sse_head(), chunk("Half an answer\n"), Hang()]) as server:
        wai.environ.update(server.environ)
        process = wai.start("run", "-c", "c1", "-m", MODEL, "hello")
        assert process.stdout is not None
        assert process.stdout.readline() == b"Half an answer\n"
        process.send_signal(sent)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == code
    assert stderr == (b"wai: interrupted\n" if sent is signal.SIGINT else b"wai: terminated\n")
    assert [(row["error_type"], row["cost_state"]) for row in attempts(wai)] == [
        ("cancelled", "unknown")
    ]


def test_a_killed_run_is_listed_as_outcome_unknown(wai: Wai) -> None:
    arrived = threading.Event()
    with wire_server([Do(arrived.set), Hang()]) as server:
        wai.environ.update(server.environ)
        process = wai.start("run", "-m", MODEL, "hello")
        assert arrived.wait(60)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)
    found = attempts(wai)
    assert [(row["error_type"], row["cost_state"], row["cost_usd"]) for row in found] == [
        ("unknown", "unknown", None)
    ]


def test_an_answer_against_its_schema_exits_1_and_is_kept(wai: Wai, project: Any) -> None:
    (project / "schema.json").write_text('{"type": "object", "required": ["ok"]}')
    body = {"choices": [{"message": {"content": '{"no": 1}'}, "finish_reason": "stop"}]}
    with wire_server([http("200 OK", json.dumps(body | usage(5, 5)).encode())]) as server:
        ran = call(wai, server, "--json-schema", "schema.json", "hello")
    assert ran.exit_code == 1
    assert ran.stdout == '{"no": 1}\n'
    assert "'ok' is a required property" in ran.stderr
    assert [row["error_type"] for row in attempts(wai)] == ["invalid_output"]


def test_an_answer_without_usage_is_estimated_and_its_affinity_unknown(wai: Wai) -> None:
    script = [sse_head(), chunk("Hello"), chunk(finish_reason="stop"), event("[DONE]")]
    with wire_server(script) as server:
        ran = call(wai, server, "--json", "hello")
    result = json.loads(ran.stdout)
    assert result["cost"]["state"] == "estimated"
    assert result["affinity"]["result"] == "unknown"
    assert result["affinity"]["cause"] == "not_reported"


def test_nobody_listening_is_said_with_the_address_and_costs_nothing(
    wai: Wai, project: Any
) -> None:
    (project / "wai.yaml").write_text('version: "1"\nretry: {max_attempts: 1}\n')
    with wire_server(GOOD) as server:
        pass  # the port is closed again
    ran = call(wai, server, "hello")
    assert ran.exit_code == 3
    assert ran.stderr.startswith("wai: error: network: ")
    assert f"no answer from {server.base_url}/accounts/" in ran.stderr
    assert [row["cost_state"] for row in attempts(wai)] == ["none"]
