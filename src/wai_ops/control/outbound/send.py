"""Sending: one function between a tool and the network.

    for each hop:  parse -> permit (on disk) -> resolve -> judge -> connect -> send -> end (on disk)

Nothing here follows a redirect by itself: each hop is parsed and permitted anew, and another origin
gets no credentials. What is refused raises a DeniedError; what fails comes back as a value.
"""

import hashlib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from wai_ops.control.outbound.connect import PrivateHosts, Wire, vet
from wai_ops.control.outbound.exchange import Answer, exchange
from wai_ops.control.outbound.headers import check_headers, request_sha256
from wai_ops.control.outbound.limits import Deadline, Limits, OutboundFailure
from wai_ops.control.outbound.redirects import following, location_of
from wai_ops.control.outbound.refusal import DeniedAddress, DeniedUrl, RefusedRequest
from wai_ops.control.outbound.request import (
    Hop,
    OutboundRequest,
    OutboundResponse,
    Outcome,
    Permit,
    PermitToken,
    Prepared,
    Refuse,
)
from wai_ops.control.outbound.resolve import Resolver, system_resolver
from wai_ops.control.outbound.trust import check_trust, tls_context
from wai_ops.control.outbound.url import parse_target
from wai_ops.core.clock import Clock
from wai_ops.core.failures import FailureClass

NO_PRIVATE_HOSTS: PrivateHosts = MappingProxyType({})
_BY_STATUS: Mapping[int, FailureClass] = {
    401: FailureClass.AUTH,
    403: FailureClass.PERMISSION,
    404: FailureClass.NOT_FOUND,
    410: FailureClass.NOT_FOUND,
    429: FailureClass.TOOL_ERROR,
}


def send(
    request: OutboundRequest,
    permit: Permit,
    *,
    clock: Clock,
    resolver: Resolver = system_resolver,
    private_hosts: PrivateHosts = NO_PRIVATE_HOSTS,
    limits: Limits | None = None,
    tls: ssl.SSLContext | None = None,
    refuse: Refuse | None = None,
) -> OutboundResponse:
    """Send a request under leave, and follow its redirects under leave.

    `tls` None: the usual authorities. Raises DeniedError for what the permit or the gate refuses:
    then no socket was opened for that hop. Whatever the permit and its tokens raise goes through.
    """
    if tls is not None:
        check_trust(tls)
    known = frozenset(private_hosts)
    sender = _Sender(permit, clock, resolver, private_hosts, limits or Limits(), tls)
    try:
        check_headers(request.headers)
        prepared = Prepared(
            url=parse_target(request.url, request.method, known_hosts=known),
            headers=request.headers,
            body=request.body,
        )
    except RefusedRequest as error:
        raise _told(error, 0, refuse) from None
    while True:
        answer = sender.hop(prepared)
        if sender.failure is not None or answer.status is None or not sender.limits.max_redirects:
            return sender.response(answer)
        try:
            location = location_of(answer.status, answer.headers)
            if location is None:
                return sender.response(answer)
            if len(sender.hops) > sender.limits.max_redirects:
                raise DeniedUrl(
                    "outbound.redirect.too_many",
                    f"there are more than {sender.limits.max_redirects} redirects",
                )
            prepared = following(prepared, answer.status, location, known_hosts=known)
        except RefusedRequest as error:
            raise _told(error, len(sender.hops), refuse) from None


def _told(error: RefusedRequest, hop: int, refuse: Refuse | None) -> RefusedRequest:
    if refuse is not None:
        refuse(error, hop)
    return error


@dataclass
class _Sender:
    """The hops of one `send`."""

    permit: Permit
    clock: Clock
    resolver: Resolver
    private_hosts: PrivateHosts
    limits: Limits
    tls: ssl.SSLContext | None
    hops: list[Hop] = field(default_factory=list)
    failure: FailureClass | None = None
    message: str = ""

    def __post_init__(self) -> None:
        self._started = self.clock.monotonic()
        self._deadline = Deadline(self.clock, self.limits)

    def hop(self, prepared: Prepared) -> Answer:
        """Send one request under leave. Its end is recorded once, whatever happens."""
        url = prepared.url
        digest = request_sha256(url, prepared.headers, prepared.body)
        wire, answer = Wire(self.clock, self._deadline, self.limits), Answer()
        began = self.clock.monotonic()
        token = self.permit(url.target, digest, len(self.hops))
        try:
            began = self.clock.monotonic()
            try:
                self._attempt(prepared, token, wire, answer)
            except OutboundFailure as error:
                self.failure, self.message = error.failure, error.message
            else:
                self._judge(answer)
            hop = self._hop(prepared, token, wire, answer, began)
        except DeniedAddress as error:
            token.end("failed", error_type=FailureClass.LOCAL_POLICY.value)
            raise error.recorded_as(token.decision_id) from None
        except BaseException as error:
            is_interrupt = not isinstance(error, Exception)
            outcome: Outcome = "cancelled" if is_interrupt else "failed"
            failure = FailureClass.CANCELLED if is_interrupt else FailureClass.UNKNOWN
            token.end(
                "unknown" if _is_open(wire, answer) else outcome,
                error_type=failure.value,
                result_sha256=_digest(answer),
                http_status=answer.status,
            )
            raise
        token.end(
            hop.outcome,
            error_type=None if self.failure is None else self.failure.value,
            result_sha256=_digest(answer),
            duration_ms=hop.duration_ms,
            http_status=hop.status,
        )
        self.hops.append(hop)
        return answer

    def response(self, answer: Answer) -> OutboundResponse:
        """The result, from the last hop's answer."""
        return OutboundResponse(
            status=answer.status,
            headers=answer.headers,
            body=bytes(answer.body),
            is_truncated=answer.is_truncated,
            failure=self.failure,
            message=self.message,
            hops=tuple(self.hops),
            duration_ms=(self.clock.monotonic() - self._started) * 1000,
        )

    def _attempt(self, prepared: Prepared, token: PermitToken, wire: Wire, answer: Answer) -> None:
        target = prepared.url.target
        private = self.private_hosts.get(target.host, ()) if token.allows_private else ()
        wire.is_private = bool(private)
        started = self.clock.monotonic()
        addresses = vet(
            target.host,
            target.port,
            self.resolver,
            private=private,
            timeout_s=self._deadline.left(self.limits.resolve_s),
        )
        wire.resolve_ms = (self.clock.monotonic() - started) * 1000
        if target.scheme == "https" and self.tls is None:
            self.tls = tls_context({})
        exchange(prepared, token.decision_id, addresses, wire=wire, answer=answer, tls=self.tls)

    def _judge(self, answer: Answer) -> None:
        """Whether a whole answer is a good one."""
        status = answer.status
        if status is None or status < 400:
            return
        default = FailureClass.SERVER_ERROR if status >= 500 else FailureClass.BAD_REQUEST
        self.failure = _BY_STATUS.get(status, default)
        self.message = f"the server answered {status}"

    def _hop(
        self, prepared: Prepared, token: PermitToken, wire: Wire, answer: Answer, began: float
    ) -> Hop:
        outcome: Outcome = "ok"
        if self.failure is not None:
            outcome = "unknown" if _is_open(wire, answer) else "failed"
        return Hop(
            decision_id=token.decision_id,
            method=prepared.url.target.method,
            url=prepared.url.href,
            status=answer.status,
            address=wire.address,
            outcome=outcome,
            resolve_ms=wire.resolve_ms,
            connect_ms=wire.connect_ms,
            first_byte_ms=wire.first_byte_ms,
            duration_ms=(self.clock.monotonic() - began) * 1000,
        )


def _is_open(wire: Wire, answer: Answer) -> bool:
    """Whether the other side may have done it, and nothing says so."""
    return wire.is_sent and answer.status is None


def _digest(answer: Answer) -> str | None:
    return None if answer.status is None else hashlib.sha256(answer.body).hexdigest()
