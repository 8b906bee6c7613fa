"""Anchoring by a time stamp: a checkpoint's digest goes to an RFC 3161 authority, its answer stays.

The answer lies beside the checkpoint as `checkpoints/<size>.tsr`.
"""

import http.client
import ssl
from pathlib import Path
from urllib.parse import urlsplit

from wai_ops.config.files import write_atomically
from wai_ops.control.decisions.anchor import Anchored
from wai_ops.control.decisions.checkpoint import FOLDER, Checkpoint
from wai_ops.control.decisions.stamps import SUFFIX, read_kept
from wai_ops.control.decisions.timestamp import (
    REQUEST_TYPE,
    RESPONSE_TYPE,
    make_request,
    new_nonce,
    read_response,
)
from wai_ops.core.errors import DataError, RemoteError, UsageError

_TIMEOUT_S = 30.0
_MAX_BYTES = 256 * 1024


def anchor_stamp(url: str, folder: Path, newer: tuple[Checkpoint, bytes]) -> Anchored:
    """Have a checkpoint stamped and keep the answer; one that is stamped already is left alone.

    Raises UsageError, RemoteError, DataError.
    """
    at, note = newer
    path = folder / FOLDER / f"{at.size:012}{SUFFIX}"
    if path.exists():
        stamp = read_kept(path, note)
        if isinstance(stamp, str):
            raise DataError(
                f"the time stamp does not fit its checkpoint: {stamp}",
                where=str(path),
                hint="move it away, and anchor again",
            )
        return Anchored(place=str(path), size=at.size, was=at.size, stamp=stamp)
    nonce = new_nonce()
    response = _post(url, make_request(note, nonce))
    try:
        stamp = read_response(response, note, nonce)
    except ValueError as error:
        raise RemoteError(f"no time stamp came: {error}", where=url) from error
    try:
        write_atomically(path, response)
    except OSError as error:
        raise DataError(f"cannot be kept: {error.strerror}", where=str(path)) from error
    return Anchored(place=str(path), size=at.size, was=None, stamp=stamp)


def _post(url: str, body: bytes) -> bytes:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise UsageError(f"{url} is no http or https address", hint="rfc3161:https://HOST/PATH")
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl.create_default_context()
        connection = http.client.HTTPSConnection(
            parts.hostname, parts.port, timeout=_TIMEOUT_S, context=context
        )
    else:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=_TIMEOUT_S)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {"Content-Type": REQUEST_TYPE, "Accept": RESPONSE_TYPE}
    try:
        connection.request("POST", target, body, headers)
        answer = connection.getresponse()
        content = answer.read(_MAX_BYTES + 1)
    except (OSError, http.client.HTTPException) as error:
        raise RemoteError(f"the authority cannot be reached: {error}", where=url) from error
    finally:
        connection.close()
    if answer.status != 200 or len(content) > _MAX_BYTES:
        raise RemoteError(f"the authority answered with HTTP {answer.status}", where=url)
    return content
