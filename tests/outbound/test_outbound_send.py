"""Real servers on loopback: what is sent, what comes back, what is recorded."""

import hashlib
import ssl
from collections.abc import Sequence
from pathlib import Path

import pytest

from support.outbound_permits import Permits
from support.outbound_server import Authority, Reply, Seen, connects, watched_sockets, web_server
from support.wire_server import Hang, Reset, Send, http, wire_server
from wai_ops.control.outbound.limits import Limits
from wai_ops.control.outbound.refusal import DeniedAddress, DeniedHeaders, DeniedUrl, RefusedRequest
from wai_ops.control.outbound.request import OutboundRequest, OutboundResponse
from wai_ops.control.outbound.send import send
from wai_ops.control.outbound.trust import tls_context
from wai_ops.core.clock import SystemClock
from wai_ops.core.errors import DeniedError, UsageError
from wai_ops.core.failures import FailureClass

HOST = "tools.example.com"
PRIVATE = dict.fromkeys((HOST, "other.example.com", "localhost"), ("127.0.0.1",))
SHORT = Limits(connect_s=5, read_s=0.2, total_s=5, max_bytes=1000)


def no_resolver(host: str, port: int, timeout_s: float) -> Sequence[str]:
    """Names of private hosts with one address each are never resolved."""
    raise AssertionError(f"{host} was resolved")


def get(
    url: str,
    permits: Permits,
    *,
    method: str = "GET",
    headers: tuple[tuple[str, str], ...] = (),
    body: bytes = b"",
    limits: Limits | None = None,
    tls: ssl.SSLContext | None = None,
) -> OutboundResponse:
    """Send with private hosts."""
    return send(
        OutboundRequest(method=method, url=url, headers=headers, body=body),
        permits,
        clock=SystemClock(),
        resolver=no_resolver,
        private_hosts=PRIVATE,
        limits=limits or Limits(),
        tls=tls,
    )


def test_a_request_reaches_the_server_as_it_was_given(permits: Permits) -> None:
    with web_server(lambda seen: Reply(201, {"X-Made": "yes"}, b"made " + seen.body)) as server:
        answer = get(
            server.url(HOST, "/v1/things?a=b%20c"),
            permits,
            method="POST",
            headers=(("Content-Type", "text/plain"), ("Idempotency-Key", "k1")),
            body=b"a thing",
        )
    assert (answer.status, answer.body, answer.failure) == (201, b"made a thing", None)
    assert (answer.header("x-made"), answer.is_truncated) == ("yes", False)
    [seen] = server.log
    assert (seen.method, seen.target, seen.body) == ("POST", "/v1/things?a=b%20c", b"a thing")
    assert seen.headers["host"] == f"{HOST}:{server.port}"
    assert seen.headers["content-type"] == "text/plain"
    assert seen.headers["idempotency-key"] == "k1"
    assert seen.headers["x-wai-decision"] == "decision-0"
    assert seen.headers["accept-encoding"] == "identity"
    assert "cookie" not in seen.headers
    [end] = permits.ends
    digest = hashlib.sha256(b"made a thing").hexdigest()
    assert (end["outcome"], end["http_status"], end["error_type"]) == ("ok", 201, None)
    assert end["result_sha256"] == digest == answer.body_sha256
    [hop] = answer.hops
    assert (hop.address, hop.status, hop.decision_id) == ("127.0.0.1", 201, "decision-0")
    assert hop.connect_ms is not None
    assert hop.first_byte_ms is not None


def test_tls_asks_for_the_name_and_believes_a_certificate_for_it(
    permits: Permits, authority: Authority
) -> None:
    with web_server(lambda _: Reply(), authority.server_context(HOST)) as server:
        answer = get(server.url(HOST), permits, tls=authority.client_context())
    assert (answer.status, answer.failure) == (200, None)
    assert server.log[0].server_name == HOST


@pytest.mark.parametrize("name", ["other.example.com", "127.0.0.1", "example.com", "*.com"])
def test_a_certificate_for_another_name_is_not_believed(
    permits: Permits, authority: Authority, name: str
) -> None:
    """Not even one for the very address that is connected to."""
    with web_server(lambda _: Reply(), authority.server_context(name)) as server:
        answer = get(server.url(HOST), permits, tls=authority.client_context())
    assert (answer.status, answer.failure) == (None, FailureClass.NETWORK)
    assert "certificate" in answer.message
    assert server.log == []
    assert permits.ends[0]["outcome"] == "failed"


def test_the_usual_authorities_do_not_vouch_for_ours(
    permits: Permits, authority: Authority
) -> None:
    with web_server(lambda _: Reply(), authority.server_context(HOST)) as server:
        answer = get(server.url(HOST), permits)
    assert answer.failure is FailureClass.NETWORK
    assert server.log == []


def test_other_authorities_are_named_by_the_environment(
    permits: Permits, authority: Authority, tmp_path: Path
) -> None:
    """As for model calls; a file that cannot be read is a mistake of the user."""
    context = tls_context({"SSL_CERT_FILE": str(authority.ca_file), "SSLKEYLOGFILE": "/nowhere"})
    assert not context.keylog_filename
    with web_server(lambda _: Reply(), authority.server_context(HOST)) as server:
        answer = get(server.url(HOST), permits, tls=context)
    assert (answer.status, answer.failure) == (200, None)
    (tmp_path / "empty.pem").write_text("nothing\n")
    for file in ("gone.pem", "empty.pem"):
        with pytest.raises(UsageError, match="cannot be read"):
            tls_context({"SSL_CERT_FILE": str(tmp_path / file)})


def test_a_context_that_believes_anybody_is_a_mistake(permits: Permits) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    with pytest.raises(ValueError, match="must check names"):
        get(f"https://{HOST}/", permits, tls=context)
    assert permits.tokens == []


def test_proxies_and_netrc_of_the_environment_have_no_effect(
    permits: Permits, monkeypatch: pytest.MonkeyPatch, authority: Authority, tmp_path: object
) -> None:
    with web_server(lambda _: Reply(418)) as proxy, web_server(lambda _: Reply()) as server:
        address = f"http://127.0.0.1:{proxy.port}"
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, address)
        monkeypatch.setenv("NO_PROXY", "nothing.example")
        netrc = f"{tmp_path}/netrc"
        with open(netrc, "w", encoding="utf-8") as file:  # noqa: PTH123
            file.write(f"machine {HOST} login a password b\n")
        monkeypatch.setenv("NETRC", netrc)
        answer = get(server.url(HOST), permits)
        with web_server(lambda _: Reply(), authority.server_context(HOST)) as secure:
            second = get(secure.url(HOST), permits, tls=authority.client_context())
    assert (answer.status, second.status) == (200, 200)
    assert proxy.log == []
    assert "authorization" not in server.log[0].headers


def test_what_the_permit_denies_opens_no_socket(permits: Permits) -> None:
    permits.says_no = lambda target: True
    with web_server(lambda _: Reply()) as server, watched_sockets() as seen:
        with pytest.raises(DeniedError, match="denied by the test's policy"):
            get(server.url(HOST), permits)
        assert seen == []
    assert server.log == []


def test_cookies_are_not_kept_from_one_hop_to_the_next(permits: Permits) -> None:
    def answer(seen: Seen) -> Reply:
        if seen.target == "/":
            return Reply(302, {"Location": "/next", "Set-Cookie": "session=1; Path=/"})
        return Reply()

    with web_server(answer) as server:
        get(server.url(HOST), permits)
    assert [seen.target for seen in server.log] == ["/", "/next"]
    assert "cookie" not in server.log[1].headers


SECRETS = (
    ("Authorization", "Bearer secret-1"),
    ("Cookie", "session=secret-2"),
    ("X-API-Key", "secret-3"),
    ("Idempotency-Key", "secret-4"),
    ("X-Company-Anything", "secret-5"),
    ("Accept", "application/json"),
)


def test_another_origin_gets_no_credentials(permits: Permits) -> None:
    """Another port is another origin, another name is, and going back brings nothing back."""
    with web_server(lambda _: Reply()) as second:

        def answer(seen: Seen) -> Reply:
            if seen.target == "/a":
                return Reply(302, {"Location": second.url(HOST, "/b")})
            return Reply()

        with web_server(answer) as first:
            get(first.url(HOST, "/a"), permits, headers=SECRETS)
            assert "secret-5" in str(first.log[0].headers)
    [seen] = second.log
    assert "secret" not in str(seen.headers)
    assert seen.headers["accept"] == "application/json"
    assert seen.headers["x-wai-decision"] == "decision-1"


def test_another_name_of_the_same_server_is_another_origin_for_good(permits: Permits) -> None:
    """A -> B -> A: the credentials do not come back."""

    def answer(seen: Seen) -> Reply:
        port = seen.headers["host"].partition(":")[2]
        if seen.target == "/a":
            return Reply(307, {"Location": f"http://other.example.com:{port}/b"})
        if seen.target == "/b":
            return Reply(308, {"Location": f"http://{HOST}:{port}/c"})
        return Reply()

    with web_server(answer) as server:
        response = get(server.url(HOST, "/a"), permits, headers=SECRETS)
    assert [seen.target for seen in server.log] == ["/a", "/b", "/c"]
    assert "secret-1" in str(server.log[0].headers)
    assert "secret" not in str([seen.headers for seen in server.log[1:]])
    assert [hop.decision_id for hop in response.hops] == ["decision-0", "decision-1", "decision-2"]
    assert [token.hop for token in permits.tokens] == [0, 1, 2]
    assert len({token.request_sha256 for token in permits.tokens}) == 3


def test_the_same_origin_keeps_its_credentials(permits: Permits) -> None:
    def answer(seen: Seen) -> Reply:
        return Reply(302, {"Location": "b"}) if seen.target == "/a" else Reply()

    with web_server(answer) as server:
        get(server.url(HOST, "/a"), permits, headers=SECRETS)
    assert server.log[1].target == "/b"
    assert server.log[1].headers["authorization"] == "Bearer secret-1"


@pytest.mark.parametrize(
    ("status", "method", "becomes", "body"),
    [
        (301, "POST", "GET", b""),
        (302, "POST", "GET", b""),
        (303, "POST", "GET", b""),
        (303, "PUT", "GET", b""),
        (303, "HEAD", "HEAD", b""),
        (301, "PUT", "PUT", b"body"),
        (302, "DELETE", "DELETE", b"body"),
        (307, "POST", "POST", b"body"),
        (308, "PATCH", "PATCH", b"body"),
    ],
)
def test_redirects_change_the_method_as_fetch_does(
    permits: Permits, status: int, method: str, becomes: str, body: bytes
) -> None:
    def answer(seen: Seen) -> Reply:
        return Reply(status, {"Location": "/b"}) if seen.target == "/a" else Reply()

    with web_server(answer) as server:
        get(
            server.url(HOST, "/a"),
            permits,
            method=method,
            body=b"body" if method != "HEAD" else b"",
            headers=(("Content-Type", "text/plain"),),
        )
    assert (server.log[1].method, server.log[1].body) == (becomes, body)
    assert ("content-type" in server.log[1].headers) is (becomes == method)
    assert permits.tokens[1].target.method == becomes


@pytest.mark.parametrize(
    ("location", "rule"),
    [
        ("http://169.254.169.254/latest/meta-data/", "outbound.url.ip_literal"),
        ("http://2130706433/", "outbound.url.ip_literal"),
        ("//0x7f.1/", "outbound.url.ip_literal"),
        ("http://[::1]/", "outbound.url.ip_literal"),
        ("http:\\\\127.0.0.1\\", "outbound.url.backslash"),
        ("http://user@other.example.com/", "outbound.url.userinfo"),
        ("file:///etc/passwd", "outbound.url.scheme"),
        ("gopher://other.example.com/", "outbound.url.scheme"),
        ("///other.example.com/", "outbound.url.scheme"),
        ("http:other.example.com", "outbound.url.scheme"),
        ("javascript:alert(1)", "outbound.url.scheme"),
        ("http://other.example.com./", "outbound.url.trailing_dot"),
        ("http://intranet/", "outbound.url.single_label"),
        ("/..%2fadmin", "outbound.url.path"),
        ("http://[", "outbound.url.unparsable"),
    ],
)
def test_a_redirect_to_a_refused_url_opens_no_second_socket(
    permits: Permits, location: str, rule: str
) -> None:
    told: list[tuple[str, int]] = []

    def refuse(error: RefusedRequest, hop: int) -> None:
        told.append((error.rule, hop))

    with (
        web_server(lambda _: Reply(302, {"Location": location})) as server,
        watched_sockets() as seen,
    ):
        with pytest.raises(DeniedUrl) as caught:
            send(
                OutboundRequest(method="GET", url=server.url(HOST)),
                permits,
                clock=SystemClock(),
                resolver=no_resolver,
                private_hosts=PRIVATE,
                refuse=refuse,
            )
        assert len(connects(seen)) == 1
    assert caught.value.rule == rule
    assert told == [(rule, 1)]
    assert [end["http_status"] for end in permits.ends] == [302]


def test_https_never_leads_to_http(permits: Permits, authority: Authority) -> None:
    with web_server(lambda _: Reply()) as plain:
        away = {"Location": plain.url(HOST)}
        with (
            web_server(lambda _: Reply(302, away), authority.server_context(HOST)) as server,
            pytest.raises(DeniedUrl, match="from https to http") as caught,
        ):
            get(server.url(HOST), permits, tls=authority.client_context())
    assert caught.value.target is not None
    assert plain.log == []


def test_redirects_end_at_the_limit(permits: Permits) -> None:
    with web_server(lambda _: Reply(302, {"Location": "/"})) as server:
        with pytest.raises(DeniedUrl, match="more than 3 redirects"):
            get(server.url(HOST), permits, limits=Limits(max_redirects=3))
        assert len(server.log) == 4
        answer = get(server.url(HOST), permits, limits=Limits(max_redirects=0))
    assert answer.status == 302
    assert len(permits.ends) == 5


def test_a_redirect_that_names_two_places_is_refused(permits: Permits) -> None:
    reply = http("302 Found", b"", "Location: /a", "Location: /b")
    with wire_server([reply]) as server, pytest.raises(DeniedUrl, match="more than one place"):
        get(f"http://{HOST}:{server.port}/", permits)


def test_each_hop_asks_for_leave_and_a_denied_one_is_not_sent(permits: Permits) -> None:
    permits.says_no = lambda target: target.path == "/admin"
    with (
        web_server(lambda _: Reply(302, {"Location": "/admin"})) as server,
        pytest.raises(DeniedError, match="denied by the test's policy"),
    ):
        get(server.url(HOST), permits)
    assert [seen.target for seen in server.log] == ["/"]
    assert [end["outcome"] for end in permits.ends] == ["ok"]


@pytest.mark.parametrize(
    "header",
    [
        ("Host", "evil.example.com"),
        ("Content-Length", "0"),
        ("Transfer-Encoding", "chunked"),
        ("Connection", "upgrade"),
        ("Proxy-Authorization", "x"),
        ("X-Wai-Decision", "forged"),
        ("X-A", "1\r\nHost: evil"),
        ("X-A", "1\nB: 2"),
        ("X-A", "\x00"),
        ("X-A", " 1"),
        ("X-A", "\u2028"),
        ("X A", "1"),
        ("X:A", "1"),
        ("", "1"),
        ("X-A", "1" * 40_000),
    ],
)
def test_headers_that_would_change_the_request_are_refused(
    permits: Permits, header: tuple[str, str]
) -> None:
    with watched_sockets() as seen:
        with pytest.raises(DeniedHeaders):
            get(f"https://{HOST}/", permits, headers=(header,))
        assert seen == []
    assert permits.tokens == []


@pytest.mark.parametrize(
    ("status", "failure"),
    [
        (400, FailureClass.BAD_REQUEST),
        (401, FailureClass.AUTH),
        (403, FailureClass.PERMISSION),
        (404, FailureClass.NOT_FOUND),
        (500, FailureClass.SERVER_ERROR),
        (503, FailureClass.SERVER_ERROR),
    ],
)
def test_an_error_answer_is_a_failure_with_its_body(
    permits: Permits, status: int, failure: FailureClass
) -> None:
    with web_server(lambda _: Reply(status, {}, b"why")) as server:
        answer = get(server.url(HOST), permits)
    assert (answer.status, answer.failure, answer.body) == (status, failure, b"why")
    [end] = permits.ends
    assert (end["outcome"], end["error_type"], end["http_status"]) == (
        "failed",
        failure.value,
        status,
    )


def test_nobody_listens(permits: Permits) -> None:
    with web_server(lambda _: Reply()) as server:
        port = server.port
    answer = get(f"http://{HOST}:{port}/", permits)
    assert (answer.status, answer.failure) == (None, FailureClass.NETWORK)
    assert permits.ends[0]["outcome"] == "failed"
    assert permits.ends[0]["result_sha256"] is None


@pytest.mark.parametrize(
    ("steps", "failure", "outcome"),
    [
        ([Reset()], FailureClass.NETWORK, "unknown"),
        ([], FailureClass.NETWORK, "unknown"),
        ([Hang()], FailureClass.TIMEOUT_TOTAL, "unknown"),
        ([Send(b"SSH-2.0-OpenSSH_9\r\n\r\n")], FailureClass.STREAM_MALFORMED, "unknown"),
        ([Send(b"HTTP/1.1 200 OK\r\n")], FailureClass.STREAM_MALFORMED, "unknown"),
        ([Send(b"HTTP/1.1 101 Go\r\n\r\n"), Hang()], FailureClass.STREAM_MALFORMED, "unknown"),
        (
            [Send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")],
            FailureClass.STREAM_TRUNCATED,
            "failed",
        ),
        (
            [Send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"), Reset()],
            FailureClass.STREAM_TRUNCATED,
            "failed",
        ),
        (
            [Send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"), Hang()],
            FailureClass.TIMEOUT_TOTAL,
            "failed",
        ),
    ],
)
def test_what_servers_do_wrong_is_a_failure_with_an_honest_outcome(
    permits: Permits, steps: list[Send], failure: FailureClass, outcome: str
) -> None:
    """Unknown: it was sent and nothing says whether it was done."""
    with wire_server(steps) as server:
        answer = get(f"http://{HOST}:{server.port}/", permits, limits=SHORT)
    assert answer.failure is failure
    assert answer.message
    [end] = permits.ends
    assert (end["outcome"], end["error_type"]) == (outcome, failure.value)
    if answer.status == 200:
        assert answer.is_truncated
        assert answer.body in (b"abc", b"")


def test_a_host_that_leads_to_a_refused_address_is_an_end_without_a_socket(
    permits: Permits,
) -> None:
    def resolver(host: str, port: int, timeout_s: float) -> Sequence[str]:
        return ("93.184.215.14", "169.254.169.254")

    with watched_sockets() as seen:
        with pytest.raises(DeniedAddress, match=r"169\.254\.169\.254.*decision-0") as caught:
            send(
                OutboundRequest(method="GET", url="https://api.example.com/"),
                permits,
                clock=SystemClock(),
                resolver=resolver,
            )
        assert seen == []
    assert caught.value.decision_id == "decision-0"
    assert permits.ends == [{"outcome": "failed", "error_type": "local_policy"}]


def test_a_name_that_does_not_resolve_is_a_failure(permits: Permits) -> None:
    answer = send(
        OutboundRequest(method="GET", url="https://api.example.com/"),
        permits,
        clock=SystemClock(),
        resolver=lambda host, port, timeout_s: (),
    )
    assert (answer.failure, answer.status) == (FailureClass.NETWORK, None)
    assert permits.ends[0]["outcome"] == "failed"


class Interrupting(SystemClock):
    """Ctrl-C at the n-th look at the clock."""

    def __init__(self, at: int) -> None:
        self.looks = 0
        self.at = at

    def monotonic(self) -> float:
        self.looks += 1
        if self.looks == self.at:
            raise KeyboardInterrupt
        return super().monotonic()


def test_an_interrupt_anywhere_leaves_exactly_one_end() -> None:
    """Whatever is interrupted, and what was sent is not called cancelled."""
    with web_server(lambda _: Reply()) as server:
        outcomes = []
        for at in range(1, 40):
            permits, clock = Permits(), Interrupting(at)
            sent = len(server.log)
            try:
                send(
                    OutboundRequest(method="GET", url=server.url(HOST)),
                    permits,
                    clock=clock,
                    resolver=no_resolver,
                    private_hosts=PRIVATE,
                )
            except KeyboardInterrupt:
                for end in permits.ends:
                    outcomes.append(end["outcome"])
                    if end["outcome"] == "cancelled" and not end["http_status"]:
                        assert len(server.log) == sent
            else:
                break
        else:
            pytest.fail("the clock is asked more often than this test thinks")
    assert {"cancelled", "unknown"} <= set(outcomes)


def test_an_end_that_cannot_be_recorded_is_not_recorded_twice(permits: Permits) -> None:
    class Full(Exception):  # noqa: N818
        pass

    calls: list[str] = []

    class Token:
        decision_id = "d"
        allows_private = True

        def end(self, outcome: str, **facts: object) -> None:
            calls.append(outcome)
            raise Full

    with web_server(lambda _: Reply()) as server, pytest.raises(Full):
        send(
            OutboundRequest(method="GET", url=server.url(HOST)),
            lambda target, digest, hop: Token(),
            clock=SystemClock(),
            private_hosts=PRIVATE,
        )
    assert calls == ["ok"]
