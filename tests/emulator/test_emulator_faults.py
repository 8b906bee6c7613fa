"""Faults: the same for the same seed, and as broken on the wire as the real ones."""

import asyncio
import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.api import LEGACY_MODEL, OPENAI_MODEL, Api
from wai_ops.emulator.fault_wire import FaultLayer
from wai_ops.emulator.faults import Facts, FaultBook
from wai_ops.emulator.knobs import FAULT_KINDS, Fault, LiveKnobs
from wai_ops.emulator.own_api import call
from wai_ops.emulator.server import embedded

PATHS = ("/a/ai/v1/chat/completions", f"/a/ai/run/{LEGACY_MODEL}")
RULES = st.builds(
    Fault,
    kind=st.sampled_from(FAULT_KINDS),
    path=st.sampled_from(["*", "*/ai/run/*"]),
    tenant=st.sampled_from(["*", "acme", "a*"]),
    probability=st.floats(0, 1),
    seed=st.integers(0, 3),
    skip=st.integers(0, 3),
    count=st.none() | st.integers(0, 5),
)
REQUESTS = st.lists(
    st.builds(
        Facts,
        path=st.sampled_from(PATHS),
        model=st.sampled_from([None, OPENAI_MODEL]),
        tenant=st.sampled_from([None, "acme", "beta"]),
    ),
    max_size=30,
)


def sequence(book: FaultBook, requests: list[Facts]) -> list[list[tuple[str, float]]]:
    """What happens to each request, with a number that stands for its details."""
    return [
        [(hit.rule.kind, hit.rng.random()) for hit in book.hits(facts, "edge")]
        for facts in requests
    ]


@given(st.lists(RULES, max_size=5), REQUESTS)
def test_the_same_rules_and_requests_give_the_same_faults(
    rules: list[Fault], requests: list[Facts]
) -> None:
    """A mixture of faults can be played again from its seeds."""
    assert sequence(FaultBook(rules), requests) == sequence(FaultBook(rules), requests)


@given(RULES, REQUESTS, REQUESTS)
def test_other_traffic_does_not_change_what_a_rule_does(
    rule: Fault, requests: list[Facts], others: list[Facts]
) -> None:
    """Only requests that match are counted, so bystanders cannot shift the sequence."""
    alone = FaultBook([rule])
    matching = [facts for facts in requests if sequence(FaultBook([_always(rule)]), [facts])[0]]
    strangers = [facts for facts in others if not sequence(FaultBook([_always(rule)]), [facts])[0]]
    mixed: list[Facts] = []
    for index, facts in enumerate(matching):
        mixed += [*strangers[index : index + 1], facts]
    hits = [hit for hit in sequence(FaultBook([rule]), mixed) if hit]
    assert hits == [hit for hit in sequence(alone, matching) if hit]


def _always(rule: Fault) -> Fault:
    return Fault(kind=rule.kind, path=rule.path, model=rule.model, tenant=rule.tenant)


def test_probability_skip_and_count_bound_what_happens() -> None:
    """Rates are near what was asked for, the first ones pass, and it stops after `count`."""
    facts = [Facts(PATHS[0])] * 4000
    often = sequence(FaultBook([Fault(kind="reset", probability=0.25, seed=5)]), facts)
    assert 900 < sum(bool(hits) for hits in often) < 1100
    other = sequence(FaultBook([Fault(kind="reset", probability=0.25, seed=6)]), facts)
    assert often != other
    book = FaultBook([Fault(kind="reset", skip=3, count=2)])
    assert [bool(hits) for hits in sequence(book, facts[:8])] == [0, 0, 0, 1, 1, 0, 0, 0]


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An emulator whose faults each test sets for itself."""
    folder = tmp_path_factory.mktemp("faulty")
    with embedded(folder) as endpoint, httpx.Client(timeout=20) as http:
        yield Api(endpoint, http)


def set_faults(api: Api, *faults: dict[str, Any]) -> None:
    call(api.endpoint, "PATCH", "/__wai/knobs", {"faults": list(faults)})


def raw_chat(api: Api, *, stream: bool = True, text: str = "Hi") -> bytes:
    """All bytes of one answer as they are on the wire."""
    body = {"model": OPENAI_MODEL, "messages": [{"role": "user", "content": text}]}
    data = json.dumps({**body, "stream": stream}).encode()
    path = httpx.URL(api.url("/ai/v1/chat/completions"))
    head = (
        f"POST {path.path} HTTP/1.1\r\nhost: {path.host}:{path.port}\r\n"
        f"authorization: {api.auth('runtime')['authorization']}\r\nconnection: close\r\n"
        f"content-length: {len(data)}\r\n\r\n"
    )
    with socket.create_connection((path.host, path.port or 80), timeout=20) as connection:
        connection.sendall(head.encode() + data)
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
        return b"".join(parts)


def frames(text: str) -> list[str]:
    return [frame.removeprefix("data: ") for frame in text.split("\n\n") if frame]


def test_a_status_has_its_code_its_words_and_its_retry_after(faulty: Api) -> None:
    """In the envelope of the API, and in the gateway's own below its host."""
    set_faults(
        faulty,
        {"kind": "status", "status": 429, "code": 3036, "message": "Spent", "retry_after_s": 7},
    )
    answer = faulty.chat()
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
    assert answer.json()["errors"] == [{"code": 3036, "message": "Spent"}]
    host = f"{faulty.endpoint.gateway_base_url}/{faulty.endpoint.account_id}"
    url = f"{host}/default/compat/chat/completions"
    body = {"model": f"workers-ai/{OPENAI_MODEL}", "messages": []}
    refused = faulty.http.post(url, json=body, headers=faulty.auth("runtime"))
    assert refused.status_code == 429
    assert refused.json()["internalCode"] == 3036


def test_an_error_may_come_under_status_200(faulty: Api) -> None:
    """Also for a request that wanted a stream."""
    set_faults(faulty, {"kind": "error_in_200"})
    answer = faulty.chat(stream=True)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["success"] is False
    assert answer.json()["errors"][0]["code"] == 3040


@pytest.mark.parametrize("after_bytes", [0, 300])
def test_a_reset_is_a_tcp_reset(faulty: Api, after_bytes: int) -> None:
    """Before the head, or in the middle of the answer."""
    set_faults(faulty, {"kind": "reset", "after_bytes": after_bytes})
    with pytest.raises(ConnectionResetError):
        raw_chat(faulty)


def test_a_truncated_stream_ends_cleanly_and_too_early(faulty: Api) -> None:
    """No [DONE], no finish reason, and the chunked encoding is complete."""
    set_faults(faulty, {"kind": "truncate", "after_bytes": 500})
    answer = faulty.chat("Write 100 words", stream=True)
    assert len(answer.content) == 500
    assert '"finish_reason":"' not in answer.text
    assert "[DONE]" not in answer.text


def test_a_truncated_whole_answer_breaks_its_promise_of_length(faulty: Api) -> None:
    """The connection closes before `content-length` bytes have come."""
    set_faults(faulty, {"kind": "truncate", "after_bytes": 20})
    with pytest.raises(httpx.RemoteProtocolError):
        faulty.chat()
    head, _, body = raw_chat(faulty, stream=False).partition(b"\r\n\r\n")
    promised = re.search(rb"content-length: (\d+)", head)
    assert promised is not None
    assert len(body) == 20 < int(promised[1])


def test_a_stream_may_be_garbage_in_the_middle(faulty: Api) -> None:
    """One frame is no JSON, and it is the same one every time."""
    seen = []
    for _ in range(2):
        set_faults(faulty)
        set_faults(faulty, {"kind": "garbage", "after_bytes": 400, "chunk_bytes": 12, "seed": 3})
        broken = []
        answer = faulty.http.post(
            faulty.url("/ai/v1/chat/completions"),
            json={
                "model": OPENAI_MODEL,
                "stream": True,
                "messages": [{"role": "user", "content": "Write 30 words"}],
            },
            headers=faulty.auth("runtime"),
        )
        for frame in answer.content.split(b"\n\n"):
            payload = frame.removeprefix(b"data: ")
            try:
                json.loads(payload)
            except ValueError:
                broken.append(payload)
        assert len(broken) == 3  # the garbage, [DONE] and the end
        assert len(broken[0]) == 12
        seen.append(broken)
    assert seen[0] == seen[1]


def test_a_whole_answer_may_be_garbage(faulty: Api) -> None:
    """From a byte on, at the promised length."""
    set_faults(faulty, {"kind": "garbage", "after_bytes": 10})
    answer = faulty.chat()
    assert answer.status_code == 200
    assert len(answer.content) == int(answer.headers["content-length"])
    with pytest.raises(ValueError, match=r"JSON|decode|Expecting|Invalid"):
        json.loads(answer.content)


def test_done_may_come_twice(faulty: Api) -> None:
    """As some models do."""
    set_faults(faulty, {"kind": "duplicate_done"})
    assert frames(faulty.chat(stream=True).text)[-2:] == ["[DONE]", "[DONE]"]


def test_content_may_be_a_bare_number(faulty: Api) -> None:
    """In a stream as one more piece, in a whole answer instead of the text."""
    set_faults(faulty, {"kind": "number_content"})
    pieces = [
        json.loads(frame)["choices"][0]["delta"].get("content")
        for frame in frames(faulty.chat(stream=True).text)[:-1]
    ]
    assert sum(isinstance(piece, int) for piece in pieces) == 1
    assert isinstance(faulty.chat().json()["choices"][0]["message"]["content"], int)
    assert isinstance(faulty.run({"prompt": "Hi"}).json()["result"]["response"], int)


def test_every_chunk_may_carry_a_running_usage(faulty: Api) -> None:
    """Who adds them up counts far too much; the last one is right."""
    set_faults(faulty, {"kind": "usage_in_every_chunk"})
    text = faulty.chat("Write 20 words", stream=True, stream_options={"include_usage": True}).text
    usages = [json.loads(frame)["usage"] for frame in frames(text)[:-1]]
    counts = [usage["completion_tokens"] for usage in usages]
    assert len(counts) > 20
    assert counts == sorted(counts)
    set_faults(faulty)
    whole = faulty.chat("Write 20 words").json()["usage"]
    assert counts[-1] == whole["completion_tokens"]
    assert usages[-1]["prompt_tokens"] == whole["prompt_tokens"]


def test_the_finish_may_be_repeated(faulty: Api) -> None:
    """Two frames with a finish reason."""
    set_faults(faulty, {"kind": "repeated_finish"})
    assert faulty.chat(stream=True).text.count('"finish_reason":"stop"') == 2


def test_rules_are_matched_by_model_and_tenant(faulty: Api) -> None:
    """The model is found in the path and in the body; the tenant in the metadata."""
    set_faults(
        faulty,
        {"kind": "status", "model": "@cf/meta/*", "status": 500},
        {"kind": "status", "tenant": "acme", "status": 502},
    )
    acme = {"cf-aig-metadata": '{"tenant":"acme"}'}
    codes = [
        faulty.chat().status_code,
        faulty.chat(model=LEGACY_MODEL).status_code,
        faulty.run({"prompt": "Hi"}).status_code,
        faulty.chat(headers=acme).status_code,
        faulty.chat(headers={"cf-aig-metadata": '{"tenant":"other"}'}).status_code,
    ]
    assert codes == [200, 500, 500, 502, 200]


def test_a_seeded_mixture_is_the_same_again(faulty: Api) -> None:
    """Twice the same rules, twice the same forty outcomes on the wire."""
    rules: list[dict[str, Any]] = [
        {"kind": "status", "status": 503, "probability": 0.2, "seed": 1},
        {"kind": "reset", "probability": 0.2, "seed": 2},
        {"kind": "truncate", "after_bytes": 200, "probability": 0.2, "seed": 3},
        {"kind": "error_in_200", "probability": 0.2, "seed": 4},
    ]

    def play() -> list[str]:
        set_faults(faulty)
        set_faults(faulty, *rules)
        outcomes = []
        for _ in range(40):
            try:
                raw = raw_chat(faulty)
            except ConnectionResetError:
                outcomes.append("reset")
                continue
            if b" 503 " in raw[:20]:
                outcomes.append("503")
            elif b'"errors"' in raw:
                outcomes.append("error in 200")
            else:
                outcomes.append("whole" if b"[DONE]" in raw else "truncated")
        return outcomes

    first = play()
    assert first == play()
    assert set(first) == {"reset", "503", "error in 200", "whole", "truncated"}


def test_the_model_stage_fails_behind_the_gateway_which_retries(faulty: Api) -> None:
    """Two attempts fail and are rows of their own; the third answers."""
    set_faults(
        faulty, {"kind": "status", "stage": "model", "status": 500, "code": 5001, "count": 2}
    )
    headers = {
        "cf-aig-gateway-id": "default",
        "cf-aig-max-attempts": "3",
        "cf-aig-retry-delay": "1",
        "cf-aig-event-id": "fails-twice",
    }
    assert faulty.chat(headers=headers).status_code == 200
    rows = [row for row in faulty.logs() if row["event_id"] == "fails-twice"]
    assert sorted(row["status_code"] for row in rows) == [200, 500, 500]


def test_the_emulators_own_endpoints_never_break(faulty: Api) -> None:
    """Or nobody could turn the faults off again."""
    set_faults(faulty, {"kind": "reset"})
    set_faults(faulty)
    assert faulty.chat().status_code == 200


def test_a_fault_needs_a_token_like_everything_else(faulty: Api) -> None:
    """A stranger learns nothing about the rules."""
    set_faults(faulty, {"kind": "status"})
    answer = faulty.http.post(faulty.url("/ai/v1/chat/completions"), json={})
    assert answer.status_code == 401
    set_faults(faulty)


def _asgi(fault: Fault, parts: list[bytes]) -> tuple[list[Any], list[float]]:
    """What leaves, and which pauses were taken, for an answer of these parts."""
    knobs = LiveKnobs()
    knobs.change("faults", [{"kind": fault.kind, **_own(fault)}])
    sent: list[Any] = []
    pauses: list[float] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        del scope, receive
        head = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        for index, part in enumerate(parts):
            is_more = index < len(parts) - 1
            await send({"type": "http.response.body", "body": part, "more_body": is_more})

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    scope = {"type": "http", "path": "/x", "headers": []}
    asyncio.run(FaultLayer(app, knobs=knobs, sleep=sleep)(scope, receive, send))
    return sent, pauses


def _own(fault: Fault) -> dict[str, Any]:
    names = ("after_bytes", "delay_ms", "chunk_bytes")
    return {name: getattr(fault, name) for name in names}


def test_a_slow_drip_sends_small_pieces_with_pauses() -> None:
    """Nothing is lost; every piece but its size waits for its pause."""
    sent, pauses = _asgi(
        Fault(kind="slow_drip", chunk_bytes=4, delay_ms=250.0), [b"data: 12\n\n", b"data: 3\n\n"]
    )
    pieces = [message["body"] for message in sent[1:] if message["body"]]
    assert b"".join(pieces) == b"data: 12\n\ndata: 3\n\n"
    assert max(map(len, pieces)) == 4
    assert pauses == [0.25] * len(pieces)
    assert sent[-1]["more_body"] is False


@pytest.mark.parametrize(("after", "before_pause"), [(0, 0), (6, 2)])
def test_a_hang_goes_on_after_its_delay(after: int, before_pause: int) -> None:
    """Before anything, or in the middle of the body."""
    sent, pauses = _asgi(Fault(kind="hang", after_bytes=after, delay_ms=5000.0), [b"data: 1\n\n"])
    assert pauses == [5.0]
    assert b"".join(m.get("body", b"") for m in sent) == b"data: 1\n\n"
    if before_pause:
        assert [m.get("body") for m in sent[1:3]] == [b"data: ", b"1\n\n"]


def test_a_hang_without_delay_lasts_until_the_client_leaves() -> None:
    """The app is never asked, and nothing is ever sent."""
    assert _asgi(Fault(kind="hang"), [b"data: 1\n\n"]) == ([], [])


def test_faults_of_a_file_hold_from_the_first_request(tmp_path: Path) -> None:
    """`--config` is enough; no change at run time is needed."""
    config = tmp_path / "emulator.yaml"
    config.write_text("faults:\n  - kind: status\n    status: 418\n    count: 1\n", "utf-8")
    with embedded(tmp_path / "cf", config=config) as endpoint, httpx.Client() as http:
        api = Api(endpoint, http)
        assert [api.chat().status_code for _ in range(2)] == [418, 200]
