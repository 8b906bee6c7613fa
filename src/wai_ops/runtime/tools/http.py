"""An HTTP tool: requests through the outbound gate, one decision a hop and a retry.

Arguments become one address and one body before anything is asked. The same idempotency key goes
with every attempt of a call. Secrets come from the environment of the runtime side when they are
sent, and to no other origin.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wai_ops.cloudflare.retry import parse_retry_after
from wai_ops.control.outbound.connect import PrivateHosts
from wai_ops.control.outbound.limits import Limits
from wai_ops.control.outbound.request import OutboundRequest, OutboundResponse
from wai_ops.control.outbound.resolve import Resolver, system_resolver
from wai_ops.control.outbound.send import send
from wai_ops.core.clock import Clock
from wai_ops.core.failures import FailureClass
from wai_ops.runtime.tools.canonical import canonical_json
from wai_ops.runtime.tools.child import not_started
from wai_ops.runtime.tools.doorman import Leave
from wai_ops.runtime.tools.load import Tool
from wai_ops.runtime.tools.model import HttpTool
from wai_ops.runtime.tools.outcome import Raw, ToolFailed, ToolProblem
from wai_ops.runtime.tools.template import TemplateError, fill_body, fill_url

_BASE_DELAY_S = 0.2
_MAX_DELAY_S = 5.0
_TIMES = frozenset(
    (FailureClass.TIMEOUT_CONNECT, FailureClass.TIMEOUT_FIRST_TOKEN, FailureClass.TIMEOUT_TOTAL)
)
_RETRIED = frozenset((408, 425, 429, 500, 502, 503, 504))
_BROKEN = frozenset((FailureClass.NETWORK, FailureClass.TIMEOUT_CONNECT))


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """What requests are sent with."""

    clock: Clock
    environ: Mapping[str, str]
    """Where secrets come from."""
    private_hosts: PrivateHosts
    resolver: Resolver = system_resolver
    tls: ssl.SSLContext | None = None
    """None: the usual authorities."""


def run_http(
    tool: Tool, arguments: Mapping[str, Any], leave: Leave, network: Network, *, key: str
) -> Raw:
    """Send it, again where that does no harm. `key`: the idempotency key of the call.

    Raises ToolFailed, and DeniedError for what is refused.
    """
    assert tool.entry.http is not None
    request = _request(tool.entry.http, arguments, network.environ, key)
    clock = network.clock
    deadline = clock.monotonic() + tool.entry.timeout_s
    attempt = 1
    while True:
        left = max(deadline - clock.monotonic(), 0.001)
        response = send(
            request,
            leave.permit,
            clock=clock,
            resolver=network.resolver,
            private_hosts=network.private_hosts,
            limits=_limits(tool, left),
            tls=network.tls,
            refuse=leave.refuse,
        )
        if response.failure is None or not _may_succeed_later(response):
            return _judged(response, tool)
        delay = _delay(response, attempt, clock)
        if attempt >= tool.max_attempts or clock.monotonic() + delay >= deadline:
            return _judged(response, tool)
        clock.sleep(delay)
        attempt += 1


def _request(
    http: HttpTool, arguments: Mapping[str, Any], environ: Mapping[str, str], key: str
) -> OutboundRequest:
    try:
        url = fill_url(http.url, http.query, arguments)
        body = None if http.body is None else fill_body(http.body, arguments)
    except TemplateError as error:
        raise ToolFailed(ToolProblem.INVALID_ARGUMENTS, str(error), sent=False) from error
    headers = [("accept", "application/json, text/plain;q=0.9, */*;q=0.5"), *http.headers.items()]
    if any(name.lower() == "accept" for name in http.headers):
        headers = headers[1:]
    for name, source in http.secrets.items():
        value = environ.get(source.env, "")
        if not value:
            raise not_started(f"the variable {source.env} is not set")
        headers.append((name, source.prefix + value))
    headers.append(("idempotency-key", key))
    content = b""
    if body is not None:
        headers.append(("content-type", "application/json"))
        content = canonical_json(body).encode()
    return OutboundRequest(method=http.method.value, url=url, headers=tuple(headers), body=content)


def _limits(tool: Tool, left_s: float) -> Limits:
    http = tool.entry.http
    assert http is not None
    return Limits(
        resolve_s=min(5.0, left_s),
        connect_s=min(5.0, left_s),
        read_s=left_s,
        total_s=left_s,
        max_bytes=tool.entry.output.max_bytes,
        max_redirects=http.max_redirects,
    )


def _may_succeed_later(response: OutboundResponse) -> bool:
    if response.status is not None:
        return response.status in _RETRIED
    return response.failure in _BROKEN


def _delay(response: OutboundResponse, attempt: int, clock: Clock) -> float:
    asked = parse_retry_after(response.header("retry-after"), now=clock.now())
    if asked is not None:
        return asked
    delay: float = min(_MAX_DELAY_S, _BASE_DELAY_S * 2 ** (attempt - 1))
    return delay


def _judged(response: OutboundResponse, tool: Tool) -> Raw:
    raw = Raw(content=response.body, http_status=response.status)
    may_be_done = any(hop.outcome == "unknown" for hop in response.hops)
    if response.is_truncated and response.failure in (None, FailureClass.OUTPUT_TRUNCATED):
        most = tool.entry.output.max_bytes
        raise ToolFailed(ToolProblem.TOO_LARGE, f"the answer has more than {most:,} bytes", raw=raw)
    if response.failure is None and response.status is not None and response.status < 300:
        return raw
    if response.failure in _TIMES:
        raise ToolFailed(ToolProblem.TIMEOUT, "no whole answer in time", raw=raw, sent=may_be_done)
    if response.status is None:
        raise ToolFailed(ToolProblem.NETWORK, "no answer came", raw=raw, sent=may_be_done)
    if response.failure is not None and response.status < 400:
        raise ToolFailed(ToolProblem.NETWORK, "the answer broke off", raw=raw, sent=may_be_done)
    raise ToolFailed(ToolProblem.FAILED, f"HTTP {response.status}{_words(response)}", raw=raw)


def _words(response: OutboundResponse) -> str:
    """What the host says of its failure, if it says it in a few words."""
    text = response.body[:300].decode("utf-8", "replace").strip()
    return f": {text}" if text and not text.startswith("<") else ""
