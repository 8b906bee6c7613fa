"""One request on one fresh connection to a vetted address, and its answer."""

import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpcore

from wai_ops.control.outbound.body import read_body
from wai_ops.control.outbound.connect import VettedBackend, Wire
from wai_ops.control.outbound.headers import Headers, wire_headers
from wai_ops.control.outbound.limits import OutboundFailure
from wai_ops.control.outbound.request import Prepared
from wai_ops.core.failures import FailureClass
from wai_ops.core.text import one_line


@dataclass
class Answer:
    """What has come of an answer so far; it grows while it is read."""

    status: int | None = None
    headers: Headers = ()
    body: bytearray = field(default_factory=bytearray)
    is_truncated: bool = False


def exchange(
    prepared: Prepared,
    decision_id: str,
    addresses: tuple[str, ...],
    *,
    wire: Wire,
    answer: Answer,
    tls: ssl.SSLContext | None,
) -> None:
    """Send a request and read the answer into `answer`; the connection is closed at the end.

    Raises OutboundFailure when no whole answer comes; `answer` holds what came until then.
    """
    target = prepared.url.target
    scheme, host = target.scheme.encode("ascii"), target.host.encode("ascii")
    request = httpcore.Request(
        method=target.method,
        url=httpcore.URL(
            scheme=scheme,
            host=host,
            port=target.port,
            target=prepared.url.path_and_query.encode("ascii"),
        ),
        headers=wire_headers(prepared.headers, prepared.url, prepared.body, decision_id),
        content=prepared.body,
    )
    connection = httpcore.HTTPConnection(
        httpcore.Origin(scheme, host, target.port),
        ssl_context=tls if target.scheme == "https" else None,
        network_backend=VettedBackend(addresses, wire),
    )
    try:
        with _failures(wire, answer):
            response = connection.handle_request(request)
            answer.status = response.status
            answer.headers = tuple(
                (name.decode("ascii").lower(), value.decode("latin-1"))
                for name, value in response.headers
            )
            try:
                _read(response, answer, wire.limits.max_bytes)
            finally:
                response.close()
    finally:
        connection.close()
        wire.close()


def _read(response: httpcore.Response, answer: Answer, max_bytes: int) -> None:
    encoding = ", ".join(value for name, value in answer.headers if name == "content-encoding")
    assert isinstance(response.stream, Iterable)
    answer.is_truncated = True  # until the end is seen
    answer.is_truncated = read_body(
        response.stream, answer.body, max_bytes=max_bytes, encoding=encoding
    )


@contextmanager
def _failures(wire: Wire, answer: Answer) -> Iterator[None]:
    """Turn what httpcore raises into failures of ours."""
    try:
        yield
    except httpcore.ConnectTimeout as error:
        raise OutboundFailure(
            FailureClass.TIMEOUT_CONNECT, f"no connection within {wire.limits.connect_s:g} s"
        ) from error
    except httpcore.TimeoutException as error:
        if wire.deadline.is_over():
            raise wire.deadline.passed() from error
        raise OutboundFailure(
            FailureClass.TIMEOUT_TOTAL, f"nothing moved for {wire.limits.read_s:g} s"
        ) from error
    except httpcore.ConnectError as error:
        raise OutboundFailure(FailureClass.NETWORK, f"no connection: {_words(error)}") from error
    except httpcore.NetworkError as error:
        raise OutboundFailure(
            FailureClass.NETWORK if answer.status is None else FailureClass.STREAM_TRUNCATED,
            f"the connection broke: {_words(error)}",
        ) from error
    except httpcore.RemoteProtocolError as error:
        if answer.status is not None:
            failure = FailureClass.STREAM_TRUNCATED
        elif wire.first_byte_ms is None or not wire.read_bytes:
            failure = FailureClass.NETWORK
        else:
            failure = FailureClass.STREAM_MALFORMED
        raise OutboundFailure(failure, f"the answer is not whole: {_words(error)}") from error


def _words(error: Exception) -> str:
    return one_line(str(error), 200) or type(error).__name__
