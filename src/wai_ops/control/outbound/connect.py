"""From a name to a connection: resolved once, every address judged, connected to one of them.

A name with one bad address is refused as a whole, or else whoever answers for the name could mix
an inner address in and wait until it is tried. Nothing is resolved a second time: the socket gets
the address, while TLS gets the name, for SNI and for the certificate.
"""

import ssl
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_network

import httpcore

from wai_ops.control.outbound.addresses import private_refuse_reason, refuse_reason
from wai_ops.control.outbound.limits import Deadline, Limits, OutboundFailure
from wai_ops.control.outbound.refusal import DeniedAddress
from wai_ops.control.outbound.resolve import Resolver
from wai_ops.core.clock import Clock
from wai_ops.core.failures import FailureClass

PrivateHosts = Mapping[str, Sequence[str]]
"""Host of a URL -> the addresses or networks that may stand behind it: `policy.private_hosts`."""
_MOST_ADDRESSES = 64
_PIECE = 16 * 1024


def vet(
    host: str,
    port: int,
    resolver: Resolver,
    *,
    private: Sequence[str] = (),
    timeout_s: float,
) -> tuple[str, ...]:
    """Return the addresses that may be connected to: public ones, or with `private` only those.

    `private`: addresses or networks; of them, only loopback and private addresses count. When all
    are single addresses, no name is resolved. Raises DeniedAddress, and OutboundFailure when
    nothing is found.
    """
    networks = [ip_network(text) for text in private]
    if networks and all(network.num_addresses == 1 for network in networks):
        addresses = tuple(str(network.network_address) for network in networks)
    else:
        addresses = tuple(resolver(host, port, timeout_s))
    if not addresses:
        raise OutboundFailure(FailureClass.NETWORK, f"{host} resolves to nothing")
    if len(addresses) > _MOST_ADDRESSES:
        raise DeniedAddress(
            "outbound.address.too_many", f"{host} has more than {_MOST_ADDRESSES} addresses"
        )
    for address in addresses:
        reason = private_refuse_reason(address, networks) if networks else refuse_reason(address)
        if reason:
            raise DeniedAddress("outbound.address.refused", f"{host} leads to {address}: {reason}")
    return addresses


class Wire:
    """What happened on the socket of one request."""

    def __init__(self, clock: Clock, deadline: Deadline, limits: Limits) -> None:
        """Nothing has happened yet."""
        self.clock = clock
        self.deadline = deadline
        self.limits = limits
        self.is_private = False
        """Whether the host is one of `policy.private_hosts`, and may be this very machine."""
        self.resolve_ms: float | None = None
        self.address: str | None = None
        """Connected to."""
        self.connect_ms: float | None = None
        """TLS included."""
        self.is_sent = False
        """Whether any byte of the request can have reached the other side."""
        self.sent_at: float | None = None
        self.first_byte_ms: float | None = None
        """From the first byte sent to the first byte of the answer."""
        self.read_bytes = 0
        self._stream: httpcore.NetworkStream | None = None

    def opened(self, stream: httpcore.NetworkStream) -> None:
        """Remember what has to be closed, even if whoever asked for it never gets it."""
        self._stream = stream

    def close(self) -> None:
        """Close the socket, if there is one; twice does no harm."""
        if self._stream is not None:
            self._stream.close()


class VettedBackend(httpcore.NetworkBackend):
    """Opens sockets to given addresses, whatever name it is asked for."""

    def __init__(self, addresses: tuple[str, ...], wire: Wire) -> None:
        """Try `addresses` in their order."""
        self._addresses = addresses
        self._wire = wire
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,  # noqa: ARG002 - the name has been resolved before
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - our own limits hold
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address that answers, sharing the time among them."""
        wire = self._wire
        started = wire.clock.monotonic()
        ends_at = started + wire.deadline.left(wire.limits.connect_s)
        problem: Exception | None = None
        for index, address in enumerate(self._addresses):
            left = ends_at - wire.clock.monotonic()
            if left <= 0:
                break
            share = left / (len(self._addresses) - index)
            try:
                stream = self._inner.connect_tcp(
                    address, port, share, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                problem = error
                continue
            wire.opened(stream)
            if not wire.is_private and _is_ourselves(stream):
                raise DeniedAddress(
                    "outbound.address.own", f"{address} is an address of this machine"
                )
            wire.address = address
            wire.connect_ms = (wire.clock.monotonic() - started) * 1000
            return _LimitedStream(stream, wire)
        raise problem or httpcore.ConnectTimeout("timed out")


def _is_ourselves(stream: httpcore.NetworkStream) -> bool:
    """Whether both ends have one address: what listens here is behind no firewall of ours.

    That can be seen only once connected; nothing has been sent by then.
    """
    ours, theirs = (stream.get_extra_info(name) for name in ("client_addr", "server_addr"))
    return bool(ours[0] == theirs[0])


class _LimitedStream(httpcore.NetworkStream):
    """A socket that obeys the limits and counts what it reads."""

    def __init__(self, inner: httpcore.NetworkStream, wire: Wire) -> None:
        self._inner = inner
        self._wire = wire

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        wire = self._wire
        data = self._inner.read(max_bytes, wire.deadline.left(wire.limits.read_s))
        if wire.first_byte_ms is None and wire.sent_at is not None:
            wire.first_byte_ms = (wire.clock.monotonic() - wire.sent_at) * 1000
        wire.read_bytes += len(data)
        if wire.read_bytes > wire.limits.max_wire_bytes:
            raise OutboundFailure(
                FailureClass.STREAM_MALFORMED,
                f"more than {wire.limits.max_wire_bytes:,} bytes came, most of them no body",
            )
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        wire = self._wire
        # In pieces, because a reader that takes a little at a time never runs into a timeout.
        for at in range(0, len(buffer), _PIECE):
            left = wire.deadline.left(wire.limits.read_s)
            if not wire.is_sent:
                wire.is_sent = True
                wire.sent_at = wire.clock.monotonic()
            self._inner.write(buffer[at : at + _PIECE], left)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        wire = self._wire
        started = wire.clock.monotonic()
        spent = (wire.connect_ms or 0.0) / 1000
        left = wire.deadline.left(max(wire.limits.connect_s - spent, 0.001))
        inner = self._inner.start_tls(ssl_context, server_hostname, left)
        wire.opened(inner)
        wire.connect_ms = (wire.connect_ms or 0.0) + (wire.clock.monotonic() - started) * 1000
        return _LimitedStream(inner, wire)

    def get_extra_info(self, info: str) -> object:
        return self._inner.get_extra_info(info)
