"""Anchoring by a time stamp: a checkpoint's digest goes to an RFC 3161 authority, its answer stays.

The answer lies beside the checkpoint as `checkpoints/<size>.tsr`.
"""

import http.client
import os
import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from wai_ops.config.files import write_atomically
from wai_ops.control.decisions.anchor import Anchored
from wai_ops.control.decisions.checkpoint import FOLDER, Checkpoint, checkpoint_files
from wai_ops.control.decisions.timestamp import (
    REQUEST_TYPE,
    RESPONSE_TYPE,
    Stamp,
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
    path = folder / FOLDER / f"{at.size:012}.tsr"
    if path.exists():
        stamp = read_kept_stamp(path, note)
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


def kept_stamps(folder: Path) -> Iterator[tuple[Path, Stamp]]:
    """The checkpoints that have a time stamp, and it. Raises DataError if one does not fit."""
    for path in checkpoint_files(folder):
        answer = path.with_suffix(".tsr")
        if answer.exists():
            yield path, read_kept_stamp(answer, path.read_bytes())


def read_kept_stamp(path: Path, note: bytes) -> Stamp:
    """A kept answer, which must be about the checkpoint. Raises DataError."""
    try:
        return read_response(path.read_bytes(), note, None)
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=str(path)) from error
    except ValueError as error:
        raise DataError(
            f"the time stamp does not fit its checkpoint: {error}", where=os.fspath(path)
        ) from error


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
