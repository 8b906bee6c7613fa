"""Requests, answers, and the leave that is asked for each hop. Values and protocols only."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from wai_ops.control.outbound.headers import Headers
from wai_ops.control.outbound.refusal import RefusedRequest
from wai_ops.control.outbound.url import ParsedUrl
from wai_ops.control.policy.action import OutboundTarget
from wai_ops.core.failures import FailureClass

Outcome = Literal["ok", "failed", "cancelled", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundRequest:
    """What somebody wants to send, not yet parsed."""

    method: str
    """In capitals."""
    url: str
    headers: Headers = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """One hop, parsed and checked."""

    url: ParsedUrl
    headers: Headers
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One request that was permitted, and how it went. Times in milliseconds."""

    decision_id: str
    method: str
    url: str
    status: int | None
    """None: no answer came."""
    address: str | None
    """Connected to."""
    outcome: Outcome
    resolve_ms: float | None
    connect_ms: float | None
    """TLS included."""
    first_byte_ms: float | None
    """From sending to the first byte of the answer."""
    duration_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundResponse:
    """What came back from the last hop."""

    status: int | None
    """None: no answer came; `failure` says why."""
    headers: Headers
    """Names in lower case."""
    body: bytes
    """Decoded, and no longer than the limit."""
    is_truncated: bool
    """Whether the body went on, or broke off."""
    failure: FailureClass | None
    """None for an answer below 400 that came whole or was cut at the limit."""
    message: str
    """What went wrong, for people; empty when nothing did."""
    hops: tuple[Hop, ...]
    duration_ms: float

    @property
    def body_sha256(self) -> str:
        """Of `body`, in hex."""
        return hashlib.sha256(self.body).hexdigest()

    @property
    def url(self) -> str:
        """Of the last hop."""
        return self.hops[-1].url

    def header(self, name: str) -> str | None:
        """The first value of a header."""
        return next((value for key, value in self.headers if key == name.lower()), None)


class PermitToken(Protocol):
    """Leave to send one request, recorded as started."""

    @property
    def decision_id(self) -> str:
        """The id of the decision that permits it."""
        ...

    @property
    def allows_private(self) -> bool:
        """Whether the private addresses may be reached that wai.yaml names for the host."""
        ...

    def end(
        self,
        outcome: Outcome,
        *,
        error_type: str | None = None,
        result_sha256: str | None = None,
        duration_ms: float | None = None,
        http_status: int | None = None,
    ) -> None:
        """Record what came of it; called exactly once."""
        ...


class Permit(Protocol):
    """Decides on one hop, and has its decision on disk before it returns."""

    def __call__(self, target: OutboundTarget, request_sha256: str, hop: int) -> PermitToken:
        """Return leave to send. Raises DeniedError. `hop` counts from 0."""
        ...


Refuse = Callable[[RefusedRequest, int], None]
"""Records that the gate itself refused a hop before anybody was asked for leave.

It may raise a DeniedError of its own, which then takes the place of the one that it was given.
"""
