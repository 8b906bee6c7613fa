"""How an alert gets to somebody: a signed webhook, or a line in a file.

A webhook is one POST of JSON, with these headers:

    x-wai-alert-id   the id of the alert: the same for a repeated delivery
    x-wai-timestamp  seconds since 1970, when it was sent
    x-wai-signature  v1=<hex HMAC-SHA256 of "<timestamp>.<body>" with the channel's secret>

Whoever receives it computes the signature anew, compares in constant time, and refuses what is
older than a few minutes. No redirects, no proxies; https, or http to this machine.
"""

import hashlib
import hmac
import http.client
import json
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import SplitResult, urlsplit

from wai_ops._version import __version__
from wai_ops.config.alert_settings import AlertSettings
from wai_ops.config.credentials import Secret
from wai_ops.core.errors import RemoteError, UsageError

TIMEOUT_S = 10.0
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_MOST_ANSWER = 64 * 1024


class Channel(Protocol):
    """Somewhere that alerts go to."""

    @property
    def name(self) -> str:
        """As `wai.yaml` has it."""

    def deliver(self, body: Mapping[str, Any], alert_id: str, now: datetime) -> None:
        """Deliver, or raise WaiError: then it counts as not delivered."""


def open_channels(
    settings: Mapping[str, AlertSettings], environ: Mapping[str, str], folder: Path
) -> list[Channel]:
    """All channels, by name. Raises UsageError that names every variable that is missing or wrong.

    Files are relative to `folder`.
    """
    channels: list[Channel] = []
    problems: list[str] = []
    for name in sorted(settings):
        channel = settings[name]
        if channel.file is not None:
            channels.append(FileChannel(name, folder / channel.file))
            continue
        problems += [
            f"alerts.{name}: {variable} is not set"
            for variable in (channel.url_variable, channel.secret_variable)
            if variable is not None and not environ.get(variable)
        ]
        url = environ.get(channel.url_variable or "", "")
        if url and (problem := _url_problem(url)):
            problems.append(f"alerts.{name}: the address in {channel.url_variable} {problem}")
        secret = environ.get(channel.secret_variable or "", "")
        channels.append(Webhook(name, Secret(url), Secret(secret) if secret else None))
    if problems:
        raise UsageError("\n".join(problems), hint="nothing was sent")
    return channels


@dataclass(frozen=True, slots=True)
class FileChannel:
    """A file that grows by a line of JSON for each alert."""

    name: str
    path: Path

    def deliver(self, body: Mapping[str, Any], alert_id: str, now: datetime) -> None:  # noqa: ARG002
        """Append a line and wait until it is on disk."""
        line = json.dumps(body, sort_keys=True).encode() + b"\n"
        try:
            descriptor = os.open(
                self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600
            )
            try:
                os.write(descriptor, line)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise UsageError(
                f"cannot be written: {error.strerror or error}", where=str(self.path)
            ) from error


@dataclass(frozen=True, slots=True)
class Webhook:
    """An address that gets a POST for each alert."""

    name: str
    url: Secret
    """It often holds a token, so it is shown nowhere but its host."""
    secret: Secret | None

    def deliver(self, body: Mapping[str, Any], alert_id: str, now: datetime) -> None:
        """POST it. Raises RemoteError for anything but a 2xx answer."""
        parts = urlsplit(self.url.reveal())
        content = json.dumps(body, sort_keys=True).encode()
        stamp = str(int(now.timestamp()))
        headers = {
            "content-type": "application/json",
            "user-agent": f"wai-ops/{__version__}",
            "x-wai-alert-id": alert_id,
            "x-wai-timestamp": stamp,
        }
        if self.secret is not None:
            headers["x-wai-signature"] = signature(self.secret, stamp, content)
        where = f"{parts.scheme}://{parts.hostname}"
        status = _post(parts, content, headers, where)
        if not 200 <= status < 300:
            raise RemoteError(f"answered with HTTP {status}", where=where)


def signature(secret: Secret, stamp: str, content: bytes) -> str:
    """What `x-wai-signature` says of a body that is sent at that time."""
    key = secret.reveal().encode()
    return f"v1={hmac.new(key, stamp.encode() + b'.' + content, hashlib.sha256).hexdigest()}"


def _post(parts: SplitResult, content: bytes, headers: dict[str, str], where: str) -> int:
    assert parts.hostname is not None
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(
            parts.hostname, parts.port, timeout=TIMEOUT_S, context=ssl.create_default_context()
        )
    else:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT_S)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request("POST", target, content, headers)
        answer = connection.getresponse()
        answer.read(_MOST_ANSWER)
    except (OSError, http.client.HTTPException) as error:
        raise RemoteError(f"cannot be reached: {_reason(error)}", where=where) from error
    finally:
        connection.close()
    return answer.status


def _reason(error: Exception) -> str:
    """Without what the address says: an error may repeat it."""
    return (getattr(error, "strerror", None) or type(error).__name__).lower()


def _url_problem(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return "is no address"
    if not url.isascii() or not url.isprintable() or " " in url or not parts.hostname:
        return "is no address"
    if parts.username is not None or parts.password is not None or parts.fragment:
        return "must have no user, password or fragment"
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        return None
    return "must be https; http is accepted for this machine only"
