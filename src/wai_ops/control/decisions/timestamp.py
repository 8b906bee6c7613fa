"""Time stamps of checkpoints (RFC 3161): the request, and whether the answer is about it. Pure.

That the authority's signature is good is for `openssl ts -verify` with the authority's certificate
to say; here is checked that the answer was granted for this digest and this request.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime

from wai_ops.control.decisions import der

REQUEST_TYPE = "application/timestamp-query"
RESPONSE_TYPE = "application/timestamp-reply"
_SHA256 = der.encode(der.OID, bytes.fromhex("608648016503040201"))
_SIGNED_DATA = bytes.fromhex("2a864886f70d010702")
_TST_INFO = bytes.fromhex("2a864886f70d0109100104")
_GRANTED = {0, 1}
"""Granted, and granted with changes."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """When an authority says that it has seen a digest."""

    at: datetime
    serial: int
    digest: bytes
    nonce: int | None


def new_nonce() -> int:
    """A number that ties an answer to its request."""
    return secrets.randbits(63)


def make_request(content: bytes, nonce: int) -> bytes:
    """Ask for a time stamp of the SHA-256 digest, with the authority's certificate."""
    algorithm = der.encode(der.SEQUENCE, _SHA256, der.encode(der.NULL))
    digest = der.encode(der.OCTETS, hashlib.sha256(content).digest())
    return der.encode(
        der.SEQUENCE,
        der.integer(1),
        der.encode(der.SEQUENCE, algorithm, digest),
        der.integer(nonce),
        der.encode(der.BOOLEAN, der.TRUE),
    )


def read_response(response: bytes, content: bytes, nonce: int | None) -> Stamp:
    """Read an answer about `content`. `nonce` None: of a kept answer, whose request is gone.

    Raises ValueError that says what is wrong.
    """
    try:
        stamp = _stamp(response)
    except IndexError as error:
        raise der.DerError("the answer is cut") from error
    if stamp.digest != hashlib.sha256(content).digest():
        raise der.DerError("the time stamp is about something else")
    if nonce is not None and stamp.nonce != nonce:
        raise der.DerError("the time stamp answers another request")
    return stamp


def _stamp(response: bytes) -> Stamp:
    parts = der.parse(response).children()
    status = parts[0].children()[0].number()
    if status not in _GRANTED:
        raise der.DerError(f"the authority refused the request (status {status})")
    content_type, wrapped = parts[1].children()[:2]
    if content_type != der.Value(der.OID, _SIGNED_DATA):
        raise der.DerError("the answer holds no signed data")
    inner = wrapped.children()[0].children()[2].children()
    if inner[0] != der.Value(der.OID, _TST_INFO):
        raise der.DerError("the answer holds no time stamp")
    info = der.parse(inner[1].children()[0].content).children()
    imprint = info[2].children()
    if der.encode(der.OID, imprint[0].children()[0].content) != _SHA256:
        raise der.DerError("the time stamp is about another kind of digest")
    if info[4].tag != der.TIME:
        raise der.DerError("the time stamp has no time")
    nonces = [part.number() for part in info[5:] if part.tag == der.INTEGER]
    return Stamp(
        at=_time(info[4].content),
        serial=info[3].number(),
        digest=imprint[1].content,
        nonce=nonces[0] if nonces else None,
    )


def _time(content: bytes) -> datetime:
    text = content.decode("ascii")
    form = "%Y%m%d%H%M%S.%fZ" if "." in text else "%Y%m%d%H%M%SZ"
    return datetime.strptime(text, form).replace(tzinfo=UTC)
