"""Headers of outbound requests: which may be given, which go along to another origin."""

import hashlib
import json
import re

from wai_ops._version import __version__
from wai_ops.control.outbound.refusal import DeniedHeaders
from wai_ops.control.outbound.url import ParsedUrl

Headers = tuple[tuple[str, str], ...]
DECISION_HEADER = "x-wai-decision"
"""Carries the id of the decision, so that the other side's log can be joined with ours."""
_OURS = frozenset(
    {
        *("host", "content-length", "transfer-encoding", "connection", "keep-alive", "te"),
        *("trailer", "upgrade", "expect", "http2-settings", "accept-encoding", DECISION_HEADER),
    }
)
"""Frame the request, or are decided here."""
_CARRIED = frozenset(
    {"accept", "accept-language", "content-type", "content-language", "user-agent"}
)
"""All that another origin gets to see. A list of what is secret would never be complete."""
_OF_BODIES = frozenset({"content-type", "content-language", "content-encoding", "content-location"})
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}\Z")
_VALUE = re.compile(r"[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?\Z|\Z")
_SECRET = re.compile(r"auth|cookie|key|token|secret|passw|session|credential|signature")
_MOST = 100
_LONGEST = 32 * 1024
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


def check_headers(headers: Headers) -> None:
    """Raise DeniedHeaders for headers that the gate sets itself, or that would split a request."""
    if len(headers) > _MOST:
        raise DeniedHeaders("outbound.headers.too_many", f"there are more than {_MOST} headers")
    if sum(len(name) + len(value) for name, value in headers) > _LONGEST:
        raise DeniedHeaders("outbound.headers.too_long", f"they have more than {_LONGEST:,} bytes")
    for name, value in headers:
        if not _NAME.match(name):
            raise DeniedHeaders("outbound.headers.name", "a header's name is none")
        lower = name.lower()
        if lower in _OURS or lower.startswith("proxy-"):
            raise DeniedHeaders("outbound.headers.ours", f"{lower} is set by the gate alone")
        if not _VALUE.match(value):
            raise DeniedHeaders(
                "outbound.headers.value",
                f"the value of {lower} holds control characters, or blanks at an end",
            )


def across_origins(headers: Headers) -> Headers:
    """What goes along when a redirect leads to another origin: nothing that could be a secret."""
    return tuple(item for item in headers if item[0].lower() in _CARRIED)


def without_body(headers: Headers) -> Headers:
    """What is left when a redirect drops the body."""
    return tuple(item for item in headers if item[0].lower() not in _OF_BODIES)


def wire_headers(
    headers: Headers, url: ParsedUrl, body: bytes, decision_id: str
) -> list[tuple[bytes, bytes]]:
    """All headers as they are sent."""
    given = {name.lower() for name, _ in headers}
    wire = [("Host", url.host_header)]
    if "user-agent" not in given:
        wire.append(("User-Agent", f"wai-ops/{__version__}"))
    if "accept" not in given:
        wire.append(("Accept", "*/*"))
    wire += headers
    wire += [(DECISION_HEADER, decision_id), ("Accept-Encoding", "identity")]
    if body or url.target.method in _WITH_BODY:
        wire.append(("Content-Length", str(len(body))))
    wire.append(("Connection", "close"))
    return [(name.encode("ascii"), value.encode("latin-1")) for name, value in wire]


def request_sha256(url: ParsedUrl, headers: Headers, body: bytes) -> str:
    """The digest of a request in hex: method, URL, headers and body.

    Of headers that look like credentials only the name counts: a digest of a weak password would
    let somebody try passwords against it.
    """
    shown = [
        [name.lower(), "" if _is_secret(name.lower()) else value]
        for name, value in sorted(headers, key=lambda item: item[0].lower())
    ]
    document = {
        "body_sha256": hashlib.sha256(body).hexdigest(),
        "headers": shown,
        "method": url.target.method,
        "url": url.href,
    }
    text = json.dumps(document, separators=(",", ":"), sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _is_secret(name: str) -> bool:
    return name != "idempotency-key" and _SECRET.search(name) is not None
