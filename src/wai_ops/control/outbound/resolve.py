"""Names to addresses, with a time limit that the system's resolver does not have."""

import queue
import socket
import threading
from collections.abc import Sequence
from typing import Protocol

from wai_ops.control.outbound.limits import OutboundFailure
from wai_ops.core.failures import FailureClass


class Resolver(Protocol):
    """Anything that finds the addresses of a name."""

    def __call__(self, host: str, port: int, timeout_s: float) -> Sequence[str]:
        """Return all addresses. Raises OutboundFailure when there are none, or not in time."""
        ...


def system_resolver(host: str, port: int, timeout_s: float) -> tuple[str, ...]:
    """Ask the system's resolver, in a thread that is left behind when it takes too long."""
    answers: queue.SimpleQueue[list[str] | OSError | UnicodeError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            answers.put(error)
        else:
            answers.put([str(address[0]) for *_, address in found])

    threading.Thread(target=ask, name="resolve", daemon=True).start()
    try:
        answer = answers.get(timeout=timeout_s)
    except queue.Empty:
        raise OutboundFailure(
            FailureClass.TIMEOUT_CONNECT, f"{host} was not resolved within {timeout_s:g} s"
        ) from None
    if isinstance(answer, Exception):
        raise OutboundFailure(
            FailureClass.NETWORK, f"{host} does not resolve: {_words(answer)}"
        ) from answer
    return tuple(dict.fromkeys(answer))


def _words(error: Exception) -> str:
    return str(error.strerror if isinstance(error, OSError) and error.strerror else error)
