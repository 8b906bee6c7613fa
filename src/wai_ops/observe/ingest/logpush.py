"""Logpush files of the dataset `ai_gateway_events`: a feed of bodies and labels, not of cost.

The feed has no id, cost, tokens or duration, and usually no time. What is derived: the id is a hash
of the file's content and the line; the time is the field `Datetime` where a job sends it, else the
start of the interval in the object's name.

Encrypted values are objects `{key, iv, data}`, all base64: an AES key wrapped with RSA-OAEP
(SHA-256), and AES-256-GCM with the tag at the end of the data.
"""

import base64
import binascii
import hashlib
import re
import stat
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeGuard

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from wai_ops.core.clock import parse_utc, to_utc_text
from wai_ops.core.errors import UsageError
from wai_ops.observe.ingest.import_spool import Spool
from wai_ops.observe.ingest.jsonl import translate_each

DERIVED = (
    "Logpush sends no id, cost, tokens or duration: ids are hashes of file and line, and costs "
    "stay unknown"
)
NAMED_TIME = "times of Logpush rows without Datetime are the starts of the intervals in file names"
LOCKED = "encrypted metadata was left out: give --private-key to read it"
MAX_BODY_CHARACTERS = 1_000_000
_INTERVAL = re.compile(r"(?P<start>\d{8}T\d{6})Z_\d{8}T\d{6}Z")
_PADDING = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
_BODIES = (("RequestBody", "request"), ("ResponseBody", "response"))


class WrongKeyError(ValueError):
    """The private key does not open a value's own key."""


class PrivateKey:
    """Opens encrypted values. Values of one row may share their key, which is unwrapped once."""

    def __init__(self, key: rsa.RSAPrivateKey, path: Path) -> None:
        """Keep the key, and where it came from for messages."""
        self._key = key
        self.path = path
        self._last: tuple[str, bytes] = ("", b"")

    def open(self, value: Mapping[str, Any]) -> str:
        """Decrypt one value. Raises ValueError: WrongKeyError when this is not its key."""
        wrapped, iv, data = value["key"], _bytes(value, "iv"), _bytes(value, "data")
        if wrapped != self._last[0]:
            sealed = _bytes(value, "key")
            try:
                self._last = (wrapped, self._key.decrypt(sealed, _PADDING))
            except ValueError as error:
                raise WrongKeyError("the private key does not fit") from error
        try:
            return AESGCM(self._last[1]).decrypt(iv, data, None).decode()
        except InvalidTag:
            raise ValueError("an encrypted value was changed or cut") from None
        except UnicodeDecodeError:
            raise ValueError("a decrypted value is not UTF-8 text") from None


def load_private_key(path: Path) -> tuple[PrivateKey, tuple[str, ...]]:
    """Read a PEM file; return the key and warnings. Raises UsageError."""
    try:
        mode, text = path.stat().st_mode, path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read the private key {path}: {error.strerror}") from error
    try:
        key = load_pem_private_key(text, password=None)
    except (ValueError, TypeError) as error:
        is_locked = isinstance(error, TypeError)
        what = "is locked with a passphrase" if is_locked else "is no PEM private key"
        raise UsageError(
            f"the private key {path} {what}",
            hint="give the PKCS#8 file that was made for the gateway's logpush_public_key",
        ) from error
    if not isinstance(key, rsa.RSAPrivateKey):
        raise UsageError(f"the private key {path} is no RSA key", hint="Logpush uses RSA")
    warnings = []
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        warnings.append(f"others can read {path}; mend it with: chmod 600 {path}")
    return PrivateKey(key, path), tuple(warnings)


def translate_logpush(
    path: Path,
    spool: Spool,
    *,
    name: str,
    sha256: str,
    private_key: PrivateKey | None,
    keep_bodies: bool,
) -> None:
    """Rows, and bodies if they are wanted. Raises UsageError when the key opens not one line."""
    opened = wrong = 0
    named_at = time_of_name(name)

    def add(number: int, value: Any, _line: bytes) -> None:
        nonlocal opened, wrong
        if not isinstance(value, dict):
            raise ValueError("not a JSON object")  # noqa: TRY004 - one error for all
        try:
            row_id = hashlib.sha256(f"{sha256}:{number}".encode()).hexdigest()
            row = _row(value, spool, row_id=row_id, named_at=named_at, private_key=private_key)
            bodies = _bodies(value, row, spool, private_key) if keep_bodies else []
        except WrongKeyError:
            wrong += 1
            raise
        opened += 1
        spool.row(number, row, own_id=row_id)
        for body in bodies:
            spool.body(body)

    translate_each(path, spool, add)
    if wrong and not opened and private_key is not None:
        raise UsageError(
            f"the private key {private_key.path} does not open {name}",
            hint="use the key whose public half is the gateway's logpush_public_key",
        )
    if spool.row_count:
        spool.notes.add(DERIVED)


def time_of_name(name: str) -> datetime | None:
    """When the interval of an object began, from its name; None when the name does not say."""
    match = _INTERVAL.search(name)
    if match is None:
        return None
    try:
        return datetime.strptime(match["start"], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def _row(
    value: Mapping[str, Any],
    spool: Spool,
    *,
    row_id: str,
    named_at: datetime | None,
    private_key: PrivateKey | None,
) -> dict[str, Any]:
    at = _time(value.get("Datetime"))
    if at is None:
        if named_at is None:
            raise ValueError("no time: neither Datetime nor an interval in the file's name")
        at = named_at
        spool.notes.add(NAMED_TIME)
    status = value.get("StatusCode")
    if isinstance(status, bool) or not isinstance(status, int | None):
        raise ValueError("StatusCode is not a number")  # noqa: TRY004 - one error for all
    row = {
        "id": row_id,
        "created_at": to_utc_text(at),
        "gateway": _text(value, "Gateway"),
        "provider": _text(value, "Provider"),
        "model": _text(value, "Model"),
        "path": _text(value, "Endpoint"),
        "status_code": status,
        "success": None if status is None else 200 <= status < 400,
        "cached": value.get("Cached") is True,
        "metadata": _metadata(value.get("Metadata"), spool, private_key),
    }
    return {key: item for key, item in row.items() if item is not None}


def _metadata(value: Any, spool: Spool, private_key: PrivateKey | None) -> Any:
    if _is_encrypted(value):
        if private_key is None:
            spool.notes.add(LOCKED)
            return None
        value = private_key.open(value)
    if not isinstance(value, str):
        return value
    try:
        return msgspec.json.decode(value) if value.strip() else None
    except (msgspec.DecodeError, RecursionError):
        raise ValueError("Metadata is no JSON") from None


def _bodies(
    value: Mapping[str, Any],
    row: Mapping[str, Any],
    spool: Spool,
    private_key: PrivateKey | None,
) -> list[dict[str, Any]]:
    found = []
    for field, kind in _BODIES:
        content = value.get(field)
        if _is_encrypted(content):
            if private_key is None:
                continue
            content = private_key.open(content)
        if content in (None, ""):
            continue
        if not isinstance(content, str):
            content = msgspec.json.encode(content).decode()
        before = spool.redactor.counts.total()
        redacted = spool.redactor.text(content)
        found.append(
            {
                "log_id": row["id"],
                "created_at": row["created_at"],
                "kind": kind,
                "content": redacted[:MAX_BODY_CHARACTERS],
                "is_truncated": len(redacted) > MAX_BODY_CHARACTERS,
                "redacted_count": spool.redactor.counts.total() - before,
            }
        )
    return found


def _is_encrypted(value: Any) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict) and "key" in value and "data" in value


def _bytes(value: Mapping[str, Any], name: str) -> bytes:
    try:
        return base64.b64decode(value[name], validate=True)
    except (KeyError, TypeError, ValueError, binascii.Error):
        raise ValueError(f"an encrypted value has no base64 in {name!r}") from None


def _text(value: Mapping[str, Any], name: str) -> str | None:
    text = value.get(name)
    if not isinstance(text, str | None):
        raise ValueError(f"{name} is no text")  # noqa: TRY004 - one error for all
    return text


def _time(value: Any) -> datetime | None:
    """Logpush writes times as RFC 3339, as seconds or as nanoseconds since 1970."""
    if value is None:
        return None
    try:
        if isinstance(value, str):
            return parse_utc(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            seconds = value / 1e9 if value > 1e14 else value / 1e3 if value > 1e11 else value
            return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    raise ValueError("Datetime is not a time")
