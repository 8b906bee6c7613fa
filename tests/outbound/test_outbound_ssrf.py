"""Thousands of ways to ask for an inner address: none opens a socket, counted at the socket."""

import itertools
from collections.abc import Sequence
from ipaddress import ip_address

import pytest

from support.outbound_permits import Permits
from support.outbound_server import Authority, Reply, Seen, connects, watched_sockets, web_server
from support.outbound_urls import ORDINARY
from support.ssrf import V4, V6, carriers, names, urls
from wai_ops.control.outbound.connect import VettedBackend, Wire
from wai_ops.control.outbound.limits import Deadline, Limits
from wai_ops.control.outbound.refusal import DeniedAddress, RefusedRequest
from wai_ops.control.outbound.request import OutboundRequest
from wai_ops.control.outbound.send import send
from wai_ops.core.clock import SystemClock
from wai_ops.core.failures import FailureClass

BAD = (*V4, *V6, *(text for v4 in V4 for text in carriers(ip_address(v4))))  # type: ignore[arg-type]
GOOD = ("93.184.215.14", "2606:4700::1111", "1.1.1.1")


class Answering:
    """A resolver that answers every name alike, or each time with the next answer."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def __call__(self, host: str, port: int, timeout_s: float) -> Sequence[str]:
        answer = self.answers[min(len(self.asked), len(self.answers) - 1)]
        self.asked.append(host)
        return answer


def test_no_spelling_of_an_inner_address_opens_a_socket() -> None:
    """Everything is permitted, and every name resolves to loopback; a server listens there."""
    refused: dict[str, int] = {}
    with web_server(lambda _: Reply()) as server, watched_sockets() as seen:
        for url in dict.fromkeys(urls(server.port)):
            permits = Permits()
            with pytest.raises(RefusedRequest) as caught:
                send(
                    OutboundRequest(method="GET", url=url),
                    permits,
                    clock=SystemClock(),
                    resolver=Answering(["127.0.0.1"]),
                )
            rule = caught.value.rule
            refused[rule] = refused.get(rule, 0) + 1
            assert [end["outcome"] for end in permits.ends] == ["failed"] * len(permits.tokens)
        assert seen == [], "a socket was opened, or a name was resolved"
    assert server.log == []
    assert sum(refused.values()) > 20_000
    assert len(refused) >= 12


def test_no_name_that_leads_to_an_inner_address_opens_a_socket() -> None:
    """Alone, and mixed among public addresses, first, last or between."""
    count = 0
    with watched_sockets() as seen:
        for bad in BAD:
            for name, scheme in itertools.product(names(bad), ("http", "https")):
                for answer in ([bad], [bad, *GOOD], [*GOOD, bad], [GOOD[0], bad, GOOD[1]]):
                    permits = Permits()
                    with pytest.raises(DeniedAddress):
                        send(
                            OutboundRequest(method="GET", url=f"{scheme}://{name}/"),
                            permits,
                            clock=SystemClock(),
                            resolver=Answering(answer),
                        )
                    assert permits.ends == [{"outcome": "failed", "error_type": "local_policy"}]
                    count += 1
        assert seen == []
    assert count > 5_000


def test_no_private_host_leads_anywhere_but_to_what_is_named() -> None:
    """Loopback is named; the name resolves to something else: nothing is opened."""
    allowed = ("127.0.0.0/8", "::1/128", "0.0.0.0/0", "::/0")
    with watched_sockets() as seen:
        count = 0
        for bad in (*BAD, *GOOD):
            address = ip_address(bad)
            if address.is_loopback or address in _PRIVATE:
                continue
            for answer in ([bad], ["127.0.0.1", bad], [bad, "127.0.0.1"]):
                with pytest.raises(DeniedAddress):
                    send(
                        OutboundRequest(method="GET", url="http://inner/"),
                        Permits(),
                        clock=SystemClock(),
                        resolver=Answering(answer),
                        private_hosts={"inner": allowed},
                    )
                count += 1
        assert seen == []
    assert count > 200


_PRIVATE = {ip_address(text) for text in ("10.0.0.1", "172.16.5.4", "192.168.1.1", "fc00::1")}


def test_a_private_host_needs_a_rule_that_allows_it(permits: Permits) -> None:
    """That wai.yaml names the host is not enough."""
    permits.allows_private = False
    with web_server(lambda _: Reply()) as server, watched_sockets() as seen:
        with pytest.raises(DeniedAddress, match="loopback"):
            send(
                OutboundRequest(method="GET", url=f"http://inner:{server.port}/"),
                permits,
                clock=SystemClock(),
                resolver=Answering(["127.0.0.1"]),
                private_hosts={"inner": ("127.0.0.1",)},
            )
        assert seen == []


def test_a_name_is_resolved_once_and_the_socket_gets_that_answer(permits: Permits) -> None:
    """A resolver that answers otherwise the second time is never asked a second time."""
    resolver = Answering(["127.0.0.1"], ["169.254.169.254"])
    with web_server(lambda _: Reply()) as server, watched_sockets() as seen:
        answer = send(
            OutboundRequest(method="GET", url=f"http://inner:{server.port}/"),
            permits,
            clock=SystemClock(),
            resolver=resolver,
            private_hosts={"inner": ("127.0.0.0/8",)},
        )
        assert connects(seen) == [("127.0.0.1", server.port)]
        assert [where for event, where in seen if event == "socket.getaddrinfo"] == [
            ("127.0.0.1", server.port)
        ], "the address itself at most is looked up, never the name"
    assert answer.status == 200
    assert resolver.asked == ["inner"]


def test_each_hop_is_resolved_and_judged_anew(permits: Permits) -> None:
    """Rebinding between two hops to the same host."""
    resolver = Answering(["127.0.0.1"], ["169.254.169.254"])
    with (
        web_server(lambda _: Reply(302, {"Location": "/again"})) as server,
        watched_sockets() as seen,
    ):
        with pytest.raises(DeniedAddress, match=r"169\.254\.169\.254"):
            send(
                OutboundRequest(method="GET", url=f"http://inner:{server.port}/"),
                permits,
                clock=SystemClock(),
                resolver=resolver,
                private_hosts={"inner": ("127.0.0.0/8", "169.254.0.0/16")},
            )
        assert len(connects(seen)) == 1
    assert [end["outcome"] for end in permits.ends] == ["ok", "failed"]


def test_no_redirect_to_an_inner_address_opens_a_second_socket() -> None:
    """A real server sends us to every spelling; only the first hop ever connects."""
    port = 1
    locations = [
        url for url in dict.fromkeys(urls(port)) if not set("\r\n\x00") & set(url) and url.strip()
    ][::47]
    locations += [f"http://{name}/" for bad in BAD for name in names(bad)][::7]

    def answer(seen: Seen) -> Reply:
        location = locations[int(seen.target[1:])].encode().decode("latin-1")
        return Reply(302, {"Location": location})

    with web_server(answer) as server, watched_sockets() as seen:
        for index in range(len(locations)):
            permits = Permits()
            with pytest.raises(RefusedRequest):
                send(
                    OutboundRequest(method="GET", url=f"http://inner:{server.port}/{index}"),
                    permits,
                    clock=SystemClock(),
                    resolver=Answering(["127.0.0.1"]),
                    private_hosts={"inner": ("127.0.0.1",)},
                )
            assert permits.ends[0]["outcome"] == "ok"
        assert set(connects(seen)) == {("127.0.0.1", server.port)}
        assert len(connects(seen)) == len(locations) == len(server.log)
    assert len(locations) > 500


def test_every_ordinary_url_gets_as_far_as_the_resolver(permits: Permits) -> None:
    """It passes the parser and is put before the policy; only then is its name resolved."""
    for url in ORDINARY:
        resolver = Answering([])
        before = len(permits.tokens)
        answer = send(
            OutboundRequest(method="GET", url=url), permits, clock=SystemClock(), resolver=resolver
        )
        assert answer.failure is FailureClass.NETWORK
        assert resolver.asked == [permits.tokens[before].target.host]
    assert len(permits.tokens) == len(ORDINARY) > 70


def test_an_address_of_this_machine_is_left_before_anything_is_sent(permits: Permits) -> None:
    """Whatever its range: what listens here may be hidden from everybody else."""
    clock, limits = SystemClock(), Limits()
    with web_server(lambda _: Reply()) as server:
        wire = Wire(clock, Deadline(clock, limits), limits)
        backend = VettedBackend(("127.0.0.1",), wire)
        with pytest.raises(DeniedAddress, match="an address of this machine"):
            backend.connect_tcp("api.example.com", server.port)
        wire.close()
        assert not wire.is_sent
        wire.is_private = True
        backend.connect_tcp("inner", server.port).close()
    assert server.log == []


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "inner",
        "crm.internal",
        "tools.example.com",
        "a.b.localhost",
        "xn--bcher-kva.de",
    ],
)
def test_every_legitimate_private_host_passes_over_tls(
    permits: Permits, authority: Authority, host: str
) -> None:
    with web_server(lambda _: Reply(), authority.server_context(host)) as server:
        for resolver, behind in (
            (Answering(), ("127.0.0.1",)),
            (Answering(["127.0.0.1"]), ("127.0.0.0/8", "10.0.0.0/8")),
        ):
            answer = send(
                OutboundRequest(method="GET", url=server.url(host)),
                permits,
                clock=SystemClock(),
                resolver=resolver,
                private_hosts={host: behind},
                tls=authority.client_context(),
            )
            assert (answer.status, answer.failure) == (200, None)
    assert [seen.server_name for seen in server.log] == [host, host]
