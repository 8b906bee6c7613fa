"""One model call on the wire: send it, read the answer, time it, and say how it ended.

`perform` sends exactly once. Whatever happens, what arrived until then is in the `Reply`: an
interruption does not escape as an exception but is kept in `Reply.interrupt`, so that the caller
can record first and then raise it again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpcore
import httpx

from wai_ops._version import __version__
from wai_ops.cloudflare.decode import Answer, AnswerDecoder, Delta, find_error
from wai_ops.cloudflare.sse import SseOverflow, SseParser
from wai_ops.cloudflare.transport import CallTransport, Deadline, DeadlineExceeded
from wai_ops.core.clock import Clock
from wai_ops.core.failures import FailureClass, classify_response
from wai_ops.core.text import one_line

MAX_BODY = 64 * 1024 * 1024
MAX_ERROR_BODY = 1024 * 1024
AFTER_DONE_S = 1.0
"""How long to wait for the end of the stream once its end mark has been read."""


_CONNECTION_ERRORS = (
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request, complete but for the token."""

    url: str
    headers: Mapping[str, str]
    body: bytes
    streamed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The four time limits, in seconds."""

    connect_s: float
    first_token_s: float
    between_chunks_s: float
    total_s: float


@dataclass(slots=True)
class Reply:
    """What came of one attempt. Times are milliseconds since the request was sent."""

    answer: Answer = field(default_factory=Answer)
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    failure: FailureClass | None = None
    error_code: int | None = None
    error_message: str | None = None
    sent: bool = False
    """Some byte of the request may have reached the other side."""
    delivered: bool = False
    """Some of the answer was handed on."""
    connect_ms: float | None = None
    ttft_ms: float | None = None
    duration_ms: float = 0.0
    gaps_ms: list[float] = field(default_factory=list)
    """Between consecutive chunks with content."""
    interrupt: BaseException | None = None


def chat_url(base_url: str, account_id: str) -> str:
    """The OpenAI-shaped endpoint; the model is named in the body."""
    return f"{base_url}/accounts/{account_id}/ai/v1/chat/completions"


def run_url(base_url: str, account_id: str, model: str) -> str:
    """The native endpoint; the model id stands in the path with its slashes as they are."""
    return f"{base_url}/accounts/{account_id}/ai/run/{model}"


def request_headers(
    *, gateway_id: str, metadata: str, affinity: str, streamed: bool
) -> dict[str, str]:
    """All headers of a model call but the credentials.

    `cf-aig-max-attempts: 1` because the gateway's own retries would send a paid call again
    without anybody here knowing: retries are decided, and recorded, on this side.
    """
    return {
        "content-type": "application/json",
        "accept": "text/event-stream" if streamed else "application/json",
        "accept-encoding": "identity",
        "user-agent": f"wai/{__version__}",
        "cf-aig-gateway-id": gateway_id,
        "cf-aig-metadata": metadata,
        "cf-aig-max-attempts": "1",
        "x-session-affinity": affinity,
    }


def perform(
    call: Call,
    *,
    token: str,
    transport: CallTransport,
    limits: Limits,
    clock: Clock,
    on_delta: Callable[[Delta], None],
) -> Reply:
    """Send the request once and read the answer to its end."""
    reply = Reply()
    decoder = AnswerDecoder()
    reply.answer = decoder.answer
    deadline = transport.deadline = Deadline(clock, total_s=limits.total_s)
    reader = _Reader(reply, decoder, transport, on_delta, limits, deadline)
    if call.streamed:
        deadline.begin(limits.first_token_s, FailureClass.TIMEOUT_FIRST_TOKEN, "first token")
    try:
        _exchange(call, token, transport, reader)
    except DeadlineExceeded as error:
        _fail(reply, error.failure, str(error))
    except httpcore.ConnectTimeout:
        _fail(reply, FailureClass.TIMEOUT_CONNECT, f"no connection within {limits.connect_s:g} s")
    except httpcore.LocalProtocolError:  # its own words quote the header, which may be the token
        _fail(reply, FailureClass.NETWORK, "the request cannot be written as HTTP")
    except (*_CONNECTION_ERRORS, httpcore.ProxyError, httpx.HTTPError, httpx.InvalidURL) as error:
        _broken(reply, error)
    except SseOverflow as error:
        _fail(reply, FailureClass.STREAM_MALFORMED, str(error))
    except BaseException as error:  # noqa: BLE001 - recorded first, raised again by the caller
        reply.interrupt = error
    reader.finish()
    reply.sent = transport.request_sent
    reply.connect_ms = transport.connect_ms
    if reply.interrupt is not None:
        _fail(reply, FailureClass.CANCELLED, _interruption(reply.interrupt))
    if reply.error_message is not None:
        reply.error_message = one_line(_without(token, reply.error_message))
    return reply


class _Reader:
    """Hands pieces of the answer on as they come, and keeps the times."""

    def __init__(  # noqa: PLR0917 - private, one caller
        self,
        reply: Reply,
        decoder: AnswerDecoder,
        transport: CallTransport,
        on_delta: Callable[[Delta], None],
        limits: Limits,
        deadline: Deadline,
    ) -> None:
        self.reply = reply
        self.limits = limits
        self.deadline = deadline
        self.decoder = decoder
        self._transport = transport
        self._on_delta = on_delta
        self._started = transport.clock.monotonic()
        self._last_chunk: float | None = None

    def event(self, data: str) -> bool:
        """Take one event; say whether it carried any content."""
        return self._hand_on(self.decoder.feed_event(data))

    def document(self, value: Any) -> None:
        """Take one whole JSON document."""
        self._hand_on(self.decoder.feed_object(value))

    def end(self) -> None:
        """Take what the decoder held back."""
        self._hand_on(self.decoder.finish())

    def finish(self) -> None:
        """Note the total time."""
        self.reply.duration_ms = self._since_sent(self._transport.clock.monotonic())

    def _since_sent(self, moment: float) -> float:
        """Milliseconds since the request was sent; since the attempt began if it never was."""
        sent_at = self._transport.sent_at
        return (moment - (self._started if sent_at is None else sent_at)) * 1000

    def _hand_on(self, deltas: list[Delta]) -> bool:
        if not deltas:
            return False
        now = self._transport.clock.monotonic()
        if self._last_chunk is None:
            self.reply.ttft_ms = self._since_sent(now)
        else:
            self.reply.gaps_ms.append((now - self._last_chunk) * 1000)
        self._last_chunk = now
        for delta in deltas:
            self.reply.delivered = True
            self._on_delta(delta)
        return True


def _exchange(call: Call, token: str, transport: CallTransport, reader: _Reader) -> None:
    reply = reader.reply
    timeout = httpx.Timeout(reader.limits.connect_s)
    with (
        httpx.Client(transport=transport, timeout=timeout, follow_redirects=False) as client,
        client.stream(
            "POST",
            call.url,
            headers={**call.headers, "authorization": f"Bearer {token}"},
            content=call.body,
        ) as response,
    ):
        reply.status = response.status_code
        reply.headers = response.headers
        content_type = response.headers.get("content-type", "").lower()
        if response.status_code >= 300:
            _read_error(response, reply)
        elif content_type.startswith("text/event-stream"):
            _read_stream(response, reader)
        else:
            # A stream was asked for and something else came: an error, or a whole answer.
            _read_document(response, reader)


def _read_stream(response: httpx.Response, reader: _Reader) -> None:
    reply, parser, deadline = reader.reply, SseParser(), reader.deadline
    answer = reply.answer
    ending = False
    try:
        for chunk in response.iter_bytes():
            for data in parser.feed(chunk):
                if reader.event(data) and not ending:
                    deadline.begin(
                        reader.limits.between_chunks_s,
                        FailureClass.STREAM_TRUNCATED,
                        "further chunk",
                    )
            if not ending and (answer.done or answer.error):
                ending = True
                deadline.begin(AFTER_DONE_S, FailureClass.STREAM_TRUNCATED, "end of the stream")
            # A server may keep a stream alive with bytes that say nothing.
            deadline.remaining()
        for data in parser.finish():
            reader.event(data)
    except (*_CONNECTION_ERRORS, DeadlineExceeded):
        # With its finish reason the answer is whole, whatever became of the connection.
        if not ending and answer.finish_reason is None:
            raise
    reader.end()
    _judge(reply, ended=answer.done or answer.finish_reason is not None)


def _read_document(response: httpx.Response, reader: _Reader) -> None:
    import json

    body = _read_body(response, MAX_BODY)
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        kind = response.headers.get("content-type", "no content type")
        message = f"the answer is not JSON ({kind}): {body[:80]!r}"
        _fail(reader.reply, FailureClass.STREAM_MALFORMED, message)
        return
    reader.document(value)
    reader.end()
    _judge(reader.reply, ended=True)


def _judge(reply: Reply, *, ended: bool) -> None:
    """Decide how an answer ended that was read without trouble."""
    answer = reply.answer
    if answer.error is not None:
        failure = classify_response(reply.status or 200, answer.error.code, answer.error.message)
        _fail(reply, failure, answer.error.message, answer.error.code)
    elif answer.malformed is not None:
        _fail(reply, FailureClass.STREAM_MALFORMED, answer.malformed)
    elif not ended:
        _fail(reply, FailureClass.STREAM_TRUNCATED, "the stream ended without its end mark")
    elif not (answer.text or answer.reasoning or answer.tool_calls or answer.usage):
        _fail(reply, FailureClass.STREAM_MALFORMED, "the answer is empty")


def _read_error(response: httpx.Response, reply: Reply) -> None:
    import json

    body = _read_body(response, MAX_ERROR_BODY)
    try:
        value = json.loads(body)
        error = find_error(value) if isinstance(value, dict) else None
    except (ValueError, RecursionError):
        error = None
    message = error.message if error else body.decode("utf-8", "replace")
    code = error.code if error else None
    failure = classify_response(response.status_code, code, message)
    _fail(reply, failure, message or response.reason_phrase, code)


def _read_body(response: httpx.Response, limit: int) -> bytes:
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > limit:
            break
    return bytes(body[:limit])


def _broken(reply: Reply, error: Exception) -> None:
    """The connection failed: before an answer that is `network`, within one a truncation."""
    words = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    begun = reply.status is not None
    _fail(reply, FailureClass.STREAM_TRUNCATED if begun else FailureClass.NETWORK, words)


def _fail(reply: Reply, failure: FailureClass, message: str, code: int | None = None) -> None:
    reply.failure = failure
    reply.error_message = message
    reply.error_code = code


def _without(token: str, message: str) -> str:
    """Mask the token: a server, or a proxy before it, may quote the request in its error."""
    return message.replace(token, "***") if token else message


def _interruption(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, BrokenPipeError):
        return "the reader of the output went away"
    return f"stopped by {type(error).__name__}"
