"""One call against a server that answers byte for byte what it was told to.

Limits that are to pass are reached by moving an injected clock from the server's side, so no test
waits; where only the real clock can end a silence, the limit is 50 ms.
"""

import json
import select
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest

from support.wire_server import Do, Hang, Reset, Send, Step, event, http, sse_head
from support.wire_server import wire_server as serve
from wai_ops.cloudflare.decode import Answer, Delta
from wai_ops.cloudflare.inference import Call, Limits, Reply, chat_url, perform, request_headers
from wai_ops.cloudflare.sse import MAX_LINE
from wai_ops.cloudflare.transport import CallTransport
from wai_ops.core.clock import Clock, SystemClock
from wai_ops.core.failures import FailureClass
from wai_ops.core.money import Usage

TOKEN = "secret-runtime-token-0123456789"
LONG = Limits(connect_s=30, first_token_s=60, between_chunks_s=40, total_s=300)
DONE = event("[DONE]")
KEEP_ALIVE = Send(b": keep-alive\n\n")


@dataclass
class HandClock:
    """A clock that moves when the test says so."""

    seconds: float = 1000.0

    def now(self) -> datetime:
        """A fixed day."""
        return datetime(2026, 10, 10, tzinfo=UTC)

    def monotonic(self) -> float:
        """The seconds that the test set."""
        return self.seconds

    def sleep(self, seconds: float) -> None:
        """Nothing here may sleep."""
        raise AssertionError(f"slept {seconds} s")

    def later(self, seconds: float) -> Do:
        """A step of the server's script: let this much time pass."""

        def move() -> None:
            self.seconds += seconds

        return Do(move)


def text(piece: str, reason: str | None = None) -> Send:
    """A chunk with content."""
    choice = {"index": 0, "delta": {"content": piece}, "finish_reason": reason}
    return event(json.dumps({"choices": [choice]}))


def used(prompt: int, completion: int) -> Send:
    """The usage chunk."""
    usage = {"prompt_tokens": prompt, "completion_tokens": completion}
    return event(json.dumps({"choices": [], "usage": usage}))


def send(
    base_url: str,
    *,
    limits: Limits = LONG,
    clock: Clock | None = None,
    streamed: bool = True,
    token: str = TOKEN,
    on_delta: Callable[[Delta], None] = lambda _: None,
) -> Reply:
    """Perform one call."""
    clock = clock or SystemClock()
    call = Call(
        url=chat_url(base_url, "0" * 32),
        headers=request_headers(
            gateway_id="default", metadata="{}", affinity="wai-1-x", streamed=streamed
        ),
        body=b'{"messages":[]}',
        streamed=streamed,
    )
    with CallTransport(base_url, clock) as transport:
        return perform(
            call,
            token=token,
            transport=transport,
            limits=limits,
            clock=clock,
            on_delta=on_delta,
        )


def answer_to(
    script: Sequence[Step],
    *,
    limits: Limits = LONG,
    clock: Clock | None = None,
    streamed: bool = True,
    on_delta: Callable[[Delta], None] = lambda _: None,
) -> Reply:
    """What one call to a server with this script comes to. Sends exactly once, whatever comes."""
    with serve(script) as server:
        reply = send(
            server.base_url, limits=limits, clock=clock, streamed=streamed, on_delta=on_delta
        )
        assert len(server.requests) == 1
    # The answer is the model's own text; everything else goes into records and messages.
    assert TOKEN not in repr(replace(reply, answer=Answer()))
    assert reply.delivered is bool(reply.answer.text or reply.answer.reasoning)
    return reply


def brief(reply: Reply) -> tuple[FailureClass | None, str, bool]:
    """Failure, text, delivered."""
    return reply.failure, reply.answer.text, reply.delivered


# Good ends


def test_a_whole_stream_is_read_to_its_end_with_its_last_usage() -> None:
    script = [sse_head("cf-aig-log-id: L1"), text("Hel"), KEEP_ALIVE, text("lo", "stop")]
    reply = answer_to([*script, used(9, 2), DONE])
    assert brief(reply) == (None, "Hello", True)
    assert reply.answer.usage == Usage(input_tokens=9, output_tokens=2)
    assert (reply.status, reply.sent, reply.interrupt) == (200, True, None)
    assert reply.headers["cf-aig-log-id"] == "L1"


def test_the_request_is_sent_once_with_its_body_token_and_no_gateway_retries() -> None:
    with serve([sse_head(), text("a"), DONE]) as server:
        send(server.base_url)
    (request,) = server.requests
    head, _, body = request.partition(b"\r\n\r\n")
    lines = head.decode().lower().split("\r\n")
    assert lines[0] == f"post /client/v4/accounts/{'0' * 32}/ai/v1/chat/completions http/1.1"
    assert f"authorization: bearer {TOKEN}" in lines
    assert "cf-aig-max-attempts: 1" in lines
    assert "accept-encoding: identity" in lines
    assert body == b'{"messages":[]}'


def test_times_are_measured_from_the_same_monotonic_clock() -> None:
    clock = HandClock()
    pauses = iter([0.25, 0.5, 1])

    def pause(_: Delta) -> None:
        clock.seconds += next(pauses)

    script: list[Step] = [clock.later(1), sse_head(), KEEP_ALIVE, clock.later(2)]
    reply = answer_to(
        [*script, text("a"), text("b"), text("c"), used(1, 3), DONE], clock=clock, on_delta=pause
    )
    assert reply.ttft_ms == 3000
    assert reply.gaps_ms == [250, 500]
    assert reply.duration_ms == 4750


def test_reasoning_counts_as_the_first_token() -> None:
    clock = HandClock()
    thought = event('{"choices":[{"delta":{"reasoning":"hm"}}]}')
    reply = answer_to(
        [clock.later(1), sse_head(), thought, text("a", "stop"), DONE],
        clock=clock,
    )
    assert reply.ttft_ms == 1000
    assert (reply.answer.reasoning, reply.answer.text) == ("hm", "a")


def test_a_finish_reason_is_end_enough_without_an_end_mark() -> None:
    assert brief(answer_to([sse_head(), text("a", "stop")])) == (None, "a", True)


@pytest.mark.parametrize("kind", ["text/event-stream; charset=utf-8", "Text/Event-Stream"])
def test_a_stream_is_known_by_its_media_type_however_it_is_spelled(kind: str) -> None:
    head = Send(f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n\r\n".encode())
    assert brief(answer_to([head, text("a"), DONE])) == (None, "a", True)


@pytest.mark.parametrize("streamed", [True, False])
def test_a_whole_answer_in_place_of_a_stream_is_an_answer(streamed: bool) -> None:
    body = b'{"result":{"response":"hi","usage":{"prompt_tokens":1,"completion_tokens":1}}}'
    reply = answer_to([http("200 OK", body)], streamed=streamed)
    assert brief(reply) == (None, "hi", True)
    assert reply.answer.usage == Usage(input_tokens=1, output_tokens=1)


def test_a_stream_in_place_of_a_whole_answer_is_an_answer() -> None:
    assert brief(answer_to([sse_head(), text("a"), DONE], streamed=False)) == (None, "a", True)


def test_a_connection_that_hangs_after_the_end_mark_is_complete(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("wai_ops.cloudflare.inference.AFTER_DONE_S", 0.02)
    reply = answer_to([sse_head(), text("a"), DONE, Hang()])
    assert brief(reply) == (None, "a", True)


def test_a_reset_after_the_end_mark_is_complete() -> None:
    assert brief(answer_to([sse_head(), text("a"), DONE, Reset()])) == (None, "a", True)


def test_bytes_after_the_end_mark_do_not_hold_the_call_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("wai_ops.cloudflare.inference.AFTER_DONE_S", 0.02)
    swallowed: list[str] = []
    flood = [KEEP_ALIVE] * 2_000_000
    script: list[Step] = [
        sse_head(),
        text("a"),
        DONE,
        *flood,
        Do(lambda: swallowed.append("all of it")),
    ]
    assert brief(answer_to(script)) == (None, "a", True)
    assert not swallowed


# Limits


class Endless(Sequence[Step]):
    """Some steps, and then one step for ever."""

    def __init__(self, *steps: Step) -> None:
        """The last of `steps` repeats."""
        self._steps = steps

    def __iter__(self) -> Iterator[Step]:
        """Never end."""
        yield from self._steps
        while True:
            yield self._steps[-1]

    def __len__(self) -> int:
        """Not asked."""
        raise NotImplementedError

    def __getitem__(self, index: object) -> Step:  # type: ignore[override]
        """Not asked."""
        raise NotImplementedError


SHORT = 0.05


def test_no_answer_at_all_within_the_first_token_limit() -> None:
    reply = answer_to([Hang()], limits=replace(LONG, first_token_s=SHORT))
    assert brief(reply) == (FailureClass.TIMEOUT_FIRST_TOKEN, "", False)
    assert reply.error_message == "no first token within 0.05 s"
    assert (reply.sent, reply.status) == (True, None)


def test_half_a_status_line_is_no_first_token() -> None:
    clock = HandClock()
    reply = answer_to([clock.later(61), Send(b"HTTP/1.1 200"), Hang()], clock=clock)
    assert reply.failure is FailureClass.TIMEOUT_FIRST_TOKEN
    assert reply.duration_ms == 61_000


def test_keep_alive_comments_do_not_defeat_the_first_token_limit() -> None:
    clock = HandClock()
    script: list[Step] = [sse_head(), KEEP_ALIVE, clock.later(61), KEEP_ALIVE, Hang()]
    reply = answer_to(script, clock=clock)
    assert brief(reply) == (FailureClass.TIMEOUT_FIRST_TOKEN, "", False)


def test_endless_keep_alive_comments_do_not_defeat_the_first_token_limit() -> None:
    limits = replace(LONG, first_token_s=SHORT, total_s=30)
    reply = answer_to(Endless(sse_head(), KEEP_ALIVE), limits=limits)
    assert brief(reply) == (FailureClass.TIMEOUT_FIRST_TOKEN, "", False)


def test_empty_chunks_are_no_first_token() -> None:
    limits = replace(LONG, first_token_s=SHORT, total_s=30)
    reply = answer_to(Endless(sse_head(), text("")), limits=limits)
    assert brief(reply) == (FailureClass.TIMEOUT_FIRST_TOKEN, "", False)


def test_silence_between_chunks_is_a_truncation_that_keeps_the_text() -> None:
    limits = replace(LONG, between_chunks_s=SHORT)
    reply = answer_to([sse_head(), text("a"), Hang()], limits=limits)
    assert brief(reply) == (FailureClass.STREAM_TRUNCATED, "a", True)
    assert reply.error_message == "no further chunk within 0.05 s"


def test_endless_comments_between_chunks_are_silence_too() -> None:
    limits = replace(LONG, between_chunks_s=SHORT, total_s=30)
    reply = answer_to(Endless(sse_head(), text("a"), KEEP_ALIVE), limits=limits)
    assert brief(reply) == (FailureClass.STREAM_TRUNCATED, "a", True)


def test_an_answer_without_end_stops_at_the_total_limit() -> None:
    reply = answer_to(Endless(sse_head(), text("a")), limits=replace(LONG, total_s=SHORT))
    assert reply.failure is FailureClass.TIMEOUT_TOTAL
    assert reply.error_message == "not complete after 0.05 s"
    assert reply.answer.text.strip("a") == ""


def test_a_call_that_is_not_streamed_has_the_total_limit_alone() -> None:
    clock = HandClock()
    late: list[Step] = [
        clock.later(61),
        http("200 OK", b'{"response":"hi"}'),
    ]  # past the limits of a stream
    assert brief(answer_to(late, clock=clock, streamed=False)) == (None, "hi", True)
    limits = replace(LONG, total_s=SHORT)
    reply = answer_to([Hang()], limits=limits, streamed=False)
    assert brief(reply) == (FailureClass.TIMEOUT_TOTAL, "", False)


def test_the_total_limit_also_ends_an_error_body_without_end() -> None:
    head = Send(b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\n\r\n<html>")
    reply = answer_to([head, Hang()], limits=replace(LONG, total_s=SHORT))
    assert brief(reply) == (FailureClass.TIMEOUT_TOTAL, "", False)
    assert reply.status == 502


@contextmanager
def full_backlog() -> Iterator[str]:
    """The address of a listener that takes no further connection."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = []
        while True:
            client = socket.socket()
            client.setblocking(False)
            waiting.append(client)
            client.connect_ex(listener.getsockname())
            # The kernel takes one more than the backlog; the next handshake stays unanswered.
            if not select.select([], [client], [], SHORT)[1]:
                break
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/client/v4"
        finally:
            for client in waiting:
                client.close()


def test_no_connection_within_its_limit_left_nothing_behind() -> None:
    with full_backlog() as base_url:
        reply = send(base_url, limits=replace(LONG, connect_s=SHORT))
    assert brief(reply) == (FailureClass.TIMEOUT_CONNECT, "", False)
    assert reply.error_message == "no connection within 0.05 s"
    assert (reply.sent, reply.status) == (False, None)


# Broken connections


def test_nobody_listening_means_nothing_was_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    reply = send(f"http://127.0.0.1:{port}/client/v4")
    assert brief(reply) == (FailureClass.NETWORK, "", False)
    assert (reply.sent, reply.status) == (False, None)
    assert "ConnectError" in (reply.error_message or "")


def test_a_reset_before_the_headers_may_have_reached_the_model() -> None:
    reply = answer_to([Reset()])
    assert brief(reply) == (FailureClass.NETWORK, "", False)
    assert (reply.sent, reply.status) == (True, None)


def test_a_connection_closed_before_the_headers_is_a_network_failure() -> None:
    assert brief(answer_to([])) == (FailureClass.NETWORK, "", False)
    assert brief(answer_to([Send(b"HTTP/1.1 200 OK\r\nConte")])) == (
        FailureClass.NETWORK,
        "",
        False,
    )


def test_a_reset_within_the_stream_keeps_what_was_read() -> None:
    read = threading.Event()
    reply = answer_to(
        [sse_head(), text("a"), Do(lambda: read.wait(10)), Reset()],
        on_delta=lambda _: read.set(),
    )
    assert brief(reply) == (FailureClass.STREAM_TRUNCATED, "a", True)


def test_a_stream_that_ends_without_mark_or_reason_is_truncated() -> None:
    reply = answer_to([sse_head(), text("a")])
    assert brief(reply) == (FailureClass.STREAM_TRUNCATED, "a", True)
    assert reply.error_message == "the stream ended without its end mark"


CHUNKED = Send(
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
)


def test_a_chunked_body_cut_within_a_chunk_is_truncated() -> None:
    frame = text("a").data
    whole = Send(f"{len(frame):x}\r\n".encode() + frame + b"\r\n")
    cut = Send(b"40\r\ndata: {")
    assert brief(answer_to([CHUNKED, whole, cut])) == (FailureClass.STREAM_TRUNCATED, "a", True)
    assert brief(answer_to([CHUNKED, whole])) == (FailureClass.STREAM_TRUNCATED, "a", True)


def test_a_chunk_length_that_is_no_number_is_a_broken_stream() -> None:
    reply = answer_to([CHUNKED, Send(b"zz\r\nhello\r\n")])
    assert brief(reply) == (FailureClass.STREAM_TRUNCATED, "", False)


def test_a_body_shorter_than_its_declared_length_is_truncated() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n"
    reply = answer_to([Send(head + b'{"response":"hi"}')], streamed=False)
    assert brief(reply) == (FailureClass.STREAM_TRUNCATED, "", False)


# Answers that are none


def test_garbage_in_place_of_http_is_a_network_failure() -> None:
    reply = answer_to([Send(b"\x00\xffSSH-2.0-what\r\n\r\n")])
    assert brief(reply) == (FailureClass.NETWORK, "", False)
    assert (reply.error_message or "").isprintable()


def test_headers_without_end_are_refused() -> None:
    reply = answer_to(Endless(Send(b"HTTP/1.1 200 OK\r\n"), Send(b"X-Header: more\r\n" * 100)))
    assert brief(reply) == (FailureClass.NETWORK, "", False)


def test_garbage_within_the_stream_is_malformed_and_the_rest_is_kept() -> None:
    reply = answer_to([sse_head(), text("a"), event("\x1b[2J<html>"), text("b"), DONE])
    assert brief(reply) == (FailureClass.STREAM_MALFORMED, "ab", True)
    assert (reply.error_message or "").isprintable()


def test_a_line_without_end_is_malformed() -> None:
    piece = Send(b"x" * 1_000_000)
    script = [sse_head(), text("a"), Send(b"data: "), *[piece] * (MAX_LINE // 1_000_000 + 1)]
    assert brief(answer_to(script)) == (FailureClass.STREAM_MALFORMED, "a", True)


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b"[]", b"null", b"[" * 100_000, b"\xff"])
def test_a_body_that_is_no_answer_is_malformed(body: bytes) -> None:
    reply = answer_to([http("200 OK", body)], streamed=False)
    assert brief(reply) == (FailureClass.STREAM_MALFORMED, "", False)
    assert reply.error_message


def test_an_empty_stream_that_ends_well_is_no_answer() -> None:
    reply = answer_to([sse_head(), text("", "stop"), DONE])
    assert brief(reply) == (FailureClass.STREAM_MALFORMED, "", False)
    assert reply.error_message == "the answer is empty"


def test_a_body_that_claims_to_be_compressed_and_is_not_is_broken() -> None:
    reply = answer_to([http("200 OK", b"{}", "Content-Encoding: gzip")])
    assert brief(reply) == (FailureClass.STREAM_TRUNCATED, "", False)


# Error answers


def test_an_html_error_page_is_a_server_error_with_one_harmless_line() -> None:
    page = b"<html>\r\n<h1>Bad gateway\x1b[31m</h1>" + b"x" * 5000
    reply = answer_to([http("502 Bad Gateway", page, content_type="text/html")])
    assert brief(reply) == (FailureClass.SERVER_ERROR, "", False)
    assert reply.status == 502
    assert reply.error_message is not None
    assert reply.error_message.startswith("<html>␍␊<h1>Bad gateway␛[31m</h1>xxx")
    assert len(reply.error_message) <= 300


def test_an_error_without_a_body_has_the_words_of_its_status() -> None:
    reply = answer_to([http("503 Service Unavailable", b"")])
    assert reply.failure is FailureClass.SERVER_ERROR
    assert reply.error_message == "Service Unavailable"


def test_a_json_error_to_a_stream_request_is_classed_by_its_code() -> None:
    body = b'{"success":false,"errors":[{"code":3040,"message":"AiError: no room"}],"result":null}'
    for status in ("200 OK", "429 Too Many Requests"):
        reply = answer_to([http(status, body)])
        assert brief(reply) == (FailureClass.CAPACITY, "", False)
        assert (reply.error_code, reply.error_message) == (3040, "AiError: no room")


def test_an_error_within_the_stream_keeps_the_text_before_it() -> None:
    error = event('{"error":{"code":5021,"message":"too long"}}')
    reply = answer_to([sse_head(), text("a"), error, DONE])
    assert brief(reply) == (FailureClass.CONTEXT_TOO_LONG, "a", True)


def test_an_error_within_the_stream_counts_even_if_the_stream_is_cut_after_it() -> None:
    error = event('{"object":"error","code":3040,"message":"busy"}')
    reply = answer_to([sse_head(), error])
    assert brief(reply) == (FailureClass.CAPACITY, "", False)


@pytest.mark.parametrize("end", [[Hang()], [Reset()], [KEEP_ALIVE, Hang()]])
def test_an_error_within_the_stream_ends_the_wait_for_more(
    end: list[Step], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wai_ops.cloudflare.inference.AFTER_DONE_S", 0.02)
    error = event('{"error":{"code":3040,"message":"busy"}}')
    seen = threading.Event()
    wait = Do(lambda: seen.wait(10))
    reply = answer_to([sse_head(), text("a"), wait, error, *end], on_delta=lambda _: seen.set())
    assert reply.answer.text == "a"
    if end != [Reset()]:  # a reset may overtake the error
        assert reply.failure is FailureClass.CAPACITY


def test_headers_of_an_error_are_kept_for_the_retry_decision() -> None:
    reply = answer_to([http("429 Too Many Requests", b"{}", "Retry-After: 7")])
    assert reply.headers["retry-after"] == "7"


@pytest.mark.parametrize("status", ["301 Moved Permanently", "302 Found", "307 Temporary Redirect"])
def test_a_redirect_is_not_followed_so_the_token_goes_nowhere_else(status: str) -> None:
    with serve([sse_head(), text("stolen"), DONE]) as elsewhere:
        reply = answer_to([http(status, b"", f"Location: {elsewhere.base_url}/")])
        assert elsewhere.requests == []
    assert brief(reply) == (FailureClass.UNKNOWN, "", False)


def test_an_error_that_echoes_the_token_does_not_bring_it_into_the_record() -> None:
    body = json.dumps({"error": f"bad header: Authorization: Bearer {TOKEN}"}).encode()
    scripts: list[list[Step]] = [
        [http("400 Bad Request", body)],
        [http("400 Bad Request", f"<html>{TOKEN}".encode(), content_type="text/html")],
        [http("200 OK", body)],
        [sse_head(), event(f"<{TOKEN}>"), DONE],
    ]
    for script in scripts:
        reply = answer_to(script)  # checks that the token is nowhere in the reply
        assert "***" in (reply.error_message or "")


@pytest.mark.parametrize("token", [f"{TOKEN}\nX-Evil: 1", f"{TOKEN}\r\n", f"{TOKEN}\0"])
def test_a_token_that_no_header_can_carry_is_neither_sent_nor_shown(token: str) -> None:
    with serve([sse_head(), text("a"), DONE]) as server:
        reply = send(server.base_url, token=token)
        assert server.requests == []
    assert reply.failure is FailureClass.NETWORK
    assert reply.sent is False
    assert TOKEN not in repr(reply)


# Interruptions


@pytest.mark.parametrize(
    ("interruption", "words"),
    [
        (KeyboardInterrupt(), "interrupted"),
        (BrokenPipeError(32, "Broken pipe"), "the reader of the output went away"),
        (SystemExit(143), "stopped by SystemExit"),
        (ValueError("a bug"), "stopped by ValueError"),
    ],
)
def test_an_interruption_is_kept_with_the_text_until_then(
    interruption: BaseException, words: str
) -> None:
    shown: list[str] = []

    def show(delta: Delta) -> None:
        shown.append(delta.text)
        if len(shown) == 2:
            raise interruption

    reply = answer_to([sse_head(), text("a"), text("b"), Hang()], on_delta=show)
    assert reply.interrupt is interruption
    assert brief(reply) == (FailureClass.CANCELLED, "ab", True)
    assert reply.error_message == words
    assert shown == ["a", "b"]


def test_an_interruption_at_the_very_first_piece_still_counts_as_delivered() -> None:
    def refuse(_: Delta) -> None:
        raise KeyboardInterrupt

    reply = answer_to([sse_head(), text("a"), Hang()], on_delta=refuse)
    assert brief(reply) == (FailureClass.CANCELLED, "a", True)


# The connection


def test_a_second_call_over_the_same_transport_starts_afresh() -> None:
    with serve([Reset()], [sse_head(), text("b"), DONE]) as server:
        clock = SystemClock()
        with CallTransport(server.base_url, clock) as transport:
            replies = [
                perform(
                    Call(url=f"{server.base_url}/x", headers={}, body=b"", streamed=True),
                    token=TOKEN,
                    transport=transport,
                    limits=LONG,
                    clock=clock,
                    on_delta=lambda _: None,
                )
                for _ in range(2)
            ]
        assert len(server.requests) == 2
    assert brief(replies[0]) == (FailureClass.NETWORK, "", False)
    assert brief(replies[1]) == (None, "b", True)
    assert replies[1].connect_ms is not None
    assert replies[1].connect_ms >= 0


def test_a_proxy_of_the_environment_is_not_asked_for_loopback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with serve([http("500 Proxy", b"")]) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert brief(answer_to([sse_head(), text("a"), DONE])) == (None, "a", True)
        assert proxy.requests == []
