"""Time and size: what is too slow ends, what is too big is cut, whatever the server says."""

import gzip
import itertools
import socket
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.outbound_permits import Permits
from support.outbound_server import Authority, Reply, web_server
from support.wire_server import Do, Hang, Send, wire_server
from wai_ops.control.outbound.body import read_body
from wai_ops.control.outbound.limits import MIB, Deadline, Limits, OutboundFailure
from wai_ops.control.outbound.request import OutboundRequest, OutboundResponse
from wai_ops.control.outbound.resolve import system_resolver
from wai_ops.control.outbound.send import send
from wai_ops.core.clock import SystemClock
from wai_ops.core.failures import FailureClass

HOST = "tools.example.com"


def get(port: int, permits: Permits, limits: Limits, **more: object) -> OutboundResponse:
    """Ask the server on a port of loopback."""
    return send(
        OutboundRequest(method="GET", url=f"http://{HOST}:{port}/"),
        permits,
        clock=SystemClock(),
        private_hosts={HOST: ("127.0.0.1",)},
        limits=limits,
        **more,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("max_bytes", [0, 1, 1000, 65_536, MIB])
def test_a_body_of_ten_megabytes_is_cut_at_the_limit(permits: Permits, max_bytes: int) -> None:
    with web_server(lambda _: Reply(body=b"x" * 10_000_000)) as server:
        answer = get(server.port, permits, Limits(max_bytes=max_bytes))
    assert (len(answer.body), answer.is_truncated) == (max_bytes, True)
    assert (answer.status, answer.failure) == (200, None)
    [end] = permits.ends
    assert (end["outcome"], end["result_sha256"]) == ("ok", answer.body_sha256)


@pytest.mark.parametrize("size", [0, 999, 1000])
def test_a_body_within_the_limit_is_whole(permits: Permits, size: int) -> None:
    with web_server(lambda _: Reply(body=b"x" * size)) as server:
        answer = get(server.port, permits, Limits(max_bytes=1000))
    assert (len(answer.body), answer.is_truncated) == (size, False)


def endless(head: bytes, piece: bytes) -> tuple[list[Send | Do], list[int]]:
    """A script that goes on until the client goes away, and how often it went on."""
    sent: list[int] = []
    steps: list[Send | Do] = [Send(piece), Do(lambda: sent.append(1))]
    return [Send(head), *steps * 20_000], sent


def test_what_content_length_says_does_not_count(permits: Permits) -> None:
    """A server that promises little and sends a lot is cut at what it promised."""
    lie = Send(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n" + b"x" * 100_000)
    with wire_server([lie]) as server:
        answer = get(server.port, permits, Limits(max_bytes=1000))
    assert (answer.body, answer.is_truncated) == (b"xxx", False)


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 10_000),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", b"x" * 10_000),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"2710\r\n" + b"x" * 10_000 + b"\r\n",
        ),
    ],
    ids=["no-length", "a-huge-length", "chunked"],
)
def test_a_body_without_an_end_is_cut(permits: Permits, head: bytes, piece: bytes) -> None:
    script, sent = endless(head, piece)
    with wire_server(script) as server:
        answer = get(server.port, permits, Limits(max_bytes=100_000))
    assert (len(answer.body), answer.is_truncated, answer.failure) == (100_000, True, None)
    assert len(sent) < 20_000, "the server could send everything"


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"X-Header: " + b"x" * 10_000 + b"\r\n"),
        (b"HTTP/1.1 200 OK\r\nX-Header: ", b"x" * 10_000),
        (b"", b"HTTP/1.1 103 Early Hints\r\nLink: " + b"x" * 10_000 + b"\r\n\r\n"),
    ],
    ids=["headers", "one-header", "informational"],
)
def test_a_head_without_an_end_is_given_up(permits: Permits, head: bytes, piece: bytes) -> None:
    script, sent = endless(head, piece)
    with wire_server(script) as server:
        answer = get(server.port, permits, Limits(max_bytes=1000))
    assert (answer.status, answer.failure) == (None, FailureClass.STREAM_MALFORMED)
    assert len(sent) < 20_000
    assert permits.ends[0]["outcome"] == "unknown"


def compressed(data: bytes, form: str) -> bytes:
    """Gzip, deflate as it is meant, or deflate as many send it."""
    if form == "gzip":
        return gzip.compress(data)
    maker = zlib.compressobj(wbits=15 if form == "deflate" else -15)
    return maker.compress(data) + maker.flush()


@pytest.mark.parametrize("form", ["gzip", "deflate", "raw deflate"])
def test_a_bomb_never_unfolds(permits: Permits, form: str) -> None:
    bomb = compressed(bytes(200 * MIB), form)
    assert len(bomb) < MIB
    headers = {"Content-Encoding": form.removeprefix("raw ")}
    with web_server(lambda _: Reply(200, headers, bomb)) as server:
        answer = get(server.port, permits, Limits(max_bytes=5000))
    assert (answer.body, answer.is_truncated, answer.failure) == (bytes(5000), True, None)


def test_a_bomb_is_inflated_no_further_than_the_limit() -> None:
    """Measured: the memory of one piece, not of the bomb."""
    import tracemalloc

    bomb = gzip.compress(bytes(200 * MIB))
    tracemalloc.start()
    kept = bytearray()
    assert read_body([bomb], kept, max_bytes=10_000, encoding="gzip")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * MIB


@pytest.mark.parametrize("form", ["gzip", "deflate", "raw deflate"])
def test_an_answer_that_is_compressed_all_the_same_is_read(permits: Permits, form: str) -> None:
    text = b"some text " * 500
    headers = {"Content-Encoding": form.removeprefix("raw ")}
    with web_server(lambda _: Reply(200, headers, compressed(text, form))) as server:
        answer = get(server.port, permits, Limits())
    assert (answer.body, answer.is_truncated, answer.failure) == (text, False, None)


@pytest.mark.parametrize(
    ("encoding", "body", "failure"),
    [
        ("br", b"x", FailureClass.STREAM_MALFORMED),
        ("gzip, gzip", b"x", FailureClass.STREAM_MALFORMED),
        ("gzip", b"no gzip", FailureClass.STREAM_MALFORMED),
        ("deflate", b"\xff\xff\xff", FailureClass.STREAM_MALFORMED),
        ("gzip", gzip.compress(b"some text", mtime=0)[:-9], FailureClass.STREAM_TRUNCATED),
    ],
)
def test_what_cannot_be_decoded_is_a_failure(
    permits: Permits, encoding: str, body: bytes, failure: FailureClass
) -> None:
    with web_server(lambda _: Reply(200, {"Content-Encoding": encoding}, body)) as server:
        answer = get(server.port, permits, Limits())
    assert (answer.failure, answer.status, answer.is_truncated) == (failure, 200, True)
    assert permits.ends[0]["outcome"] == "failed"


@given(
    st.binary(max_size=3000),
    st.integers(0, 3500),
    st.lists(st.integers(0, 3000), max_size=6),
    st.sampled_from(["", "gzip", "deflate", "raw deflate"]),
)
def test_however_a_body_is_cut_into_pieces_the_same_is_kept(
    data: bytes, max_bytes: int, cuts: list[int], form: str
) -> None:
    sent = compressed(data, form) if form else data
    edges = [0, *sorted(min(cut, len(sent)) for cut in cuts), len(sent)]
    pieces = [sent[a:b] for a, b in itertools.pairwise(edges)]
    kept = bytearray()
    is_cut = read_body(pieces, kept, max_bytes=max_bytes, encoding=form.removeprefix("raw "))
    assert (bytes(kept), is_cut) == (data[:max_bytes], len(data) > max_bytes)


def test_a_server_that_says_nothing_is_left(permits: Permits) -> None:
    with wire_server([Hang()]) as server:
        answer = get(server.port, permits, Limits(read_s=0.05))
    assert (answer.failure, answer.status) == (FailureClass.TIMEOUT_TOTAL, None)
    assert "0.05 s" in answer.message
    assert permits.ends[0]["outcome"] == "unknown"


def test_a_server_that_drips_is_left_when_the_whole_time_is_over(permits: Permits) -> None:
    """Each byte comes in time, the answer never does. The clock is ours, so nobody waits."""

    class Hasty(SystemClock):
        """A second passes with every look."""

        def __init__(self) -> None:
            self.seconds = 0.0

        def monotonic(self) -> float:
            self.seconds += 1
            return self.seconds

    head = Send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    with wire_server([head, *[Send(b"x")] * 5, Hang()]) as server:
        answer = send(
            OutboundRequest(method="GET", url=f"http://{HOST}:{server.port}/"),
            permits,
            clock=Hasty(),
            private_hosts={HOST: ("127.0.0.1",)},
            limits=Limits(connect_s=30, read_s=0.05, total_s=16),
        )
    assert answer.failure is FailureClass.TIMEOUT_TOTAL
    assert answer.is_truncated or answer.status is None


def test_no_step_gets_more_time_than_is_left_of_the_whole() -> None:
    class Still(SystemClock):
        seconds = 100.0

        def monotonic(self) -> float:
            return self.seconds

    clock = Still()
    deadline = Deadline(clock, Limits(total_s=30))
    assert deadline.left(5) == 5
    clock.seconds += 28
    assert deadline.left(5) == 2
    assert not deadline.is_over()
    clock.seconds += 2
    assert deadline.is_over()
    with pytest.raises(OutboundFailure, match="not complete after 30 s"):
        deadline.left(5)


def test_the_time_of_all_hops_together_is_limited(permits: Permits) -> None:
    with web_server(lambda _: Reply(302, {"Location": "/"})) as server:
        answer = get(server.port, permits, Limits(total_s=0.3, max_redirects=1_000_000))
    assert answer.failure is FailureClass.TIMEOUT_TOTAL
    assert len(permits.ends) == len(answer.hops) > 1
    assert {hop.outcome for hop in answer.hops[:-1]} == {"ok"}


@contextmanager
def full_listener() -> Iterator[int]:
    """A port whose queue is full: connecting to it never ends."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        waiting = []
        for _ in range(4):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
            waiting.append(client)
        try:
            yield port
        finally:
            for client in waiting:
                client.close()


def test_a_host_that_never_accepts_is_left(permits: Permits) -> None:
    with full_listener() as port:
        answer = get(port, permits, Limits(connect_s=0.05))
    assert (answer.failure, answer.status) == (FailureClass.TIMEOUT_CONNECT, None)
    assert permits.ends[0]["outcome"] == "failed"


def test_a_server_that_never_shakes_hands_is_left(permits: Permits, authority: Authority) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        answer = send(
            OutboundRequest(method="GET", url=f"https://{HOST}:{listener.getsockname()[1]}/"),
            permits,
            clock=SystemClock(),
            private_hosts={HOST: ("127.0.0.1",)},
            limits=Limits(connect_s=0.1),
            tls=authority.client_context(),
        )
    assert (answer.failure, answer.status) == (FailureClass.TIMEOUT_CONNECT, None)
    assert permits.ends[0]["outcome"] == "failed", "nothing of the request was sent"


def test_the_second_address_is_tried_when_nobody_answers_at_the_first(permits: Permits) -> None:
    with web_server(lambda _: Reply()) as server:
        answer = send(
            OutboundRequest(method="GET", url=f"http://{HOST}:{server.port}/"),
            permits,
            clock=SystemClock(),
            private_hosts={HOST: ("127.0.0.2", "127.0.0.1")},
        )
    assert answer.status == 200
    assert answer.hops[0].address == "127.0.0.1"


def test_a_resolver_that_never_answers_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def getaddrinfo(*args: object, **kwargs: object) -> Sequence[object]:
        release.wait(60)
        return ()

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with pytest.raises(OutboundFailure, match=r"not resolved within 0\.05 s") as caught:
        system_resolver("slow.example.com", 443, 0.05)
    release.set()
    assert caught.value.failure is FailureClass.TIMEOUT_CONNECT


def test_the_system_resolver_knows_localhost_and_not_what_is_invalid() -> None:
    assert set(system_resolver("localhost", 80, 5)) & {"127.0.0.1", "::1"}
    with pytest.raises(OutboundFailure, match="does not resolve") as caught:
        system_resolver("a" * 64 + ".invalid", 80, 5)
    assert caught.value.failure is FailureClass.NETWORK


def test_a_body_that_nobody_reads_is_given_up(permits: Permits) -> None:
    """The server never takes what is sent to it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        answer = send(
            OutboundRequest(
                method="POST",
                url=f"http://{HOST}:{listener.getsockname()[1]}/",
                body=bytes(30 * MIB),
            ),
            permits,
            clock=SystemClock(),
            private_hosts={HOST: ("127.0.0.1",)},
            limits=Limits(read_s=0.1),
        )
    assert (answer.failure, answer.status) == (FailureClass.TIMEOUT_TOTAL, None)
    assert permits.ends[0]["outcome"] == "unknown"
