"""What KV takes and refuses: keys, sizes, expirations, codes. Pure."""

import base64
import binascii
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wai_ops.emulator.decoding import decode_json
from wai_ops.emulator.errors import ApiError

MAX_KEY = 512
MAX_METADATA = 1024
MAX_VALUE = 25 * 1024 * 1024
MAX_NAMESPACES = 1000
MAX_TITLE = 512
MAX_BULK = 10_000
MAX_BULK_BYTES = 100 * 1000 * 1000
MAX_BULK_GET = 100
MAX_KEYS_PAGE = 1000
MIN_KEYS_PAGE = 10
MIN_TTL_S = 60
_FAR = 2**53


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One pair about to be written. `metadata` is JSON text, `expires_at` in Unix seconds."""

    key: str
    value: bytes
    metadata: str | None
    expires_at: int | None


def invalid(message: str) -> ApiError:
    """A request that does not fit; the provider's code for most of these is not published."""
    return ApiError(400, 10001, message)


def namespace_not_found() -> ApiError:
    """No such namespace."""
    return ApiError(404, 10013, "namespace not found")


def key_not_found(verb: str = "get") -> ApiError:
    """No such key, or one that has expired."""
    return ApiError(404, 10009, f"{verb}: 'key not found'")


def title_taken() -> ApiError:
    """Titles are unique."""
    return ApiError(400, 10014, "a namespace with this account ID and title already exists")


def too_many_writes() -> ApiError:
    """More than one write a second to one key."""
    return ApiError(429, 10048, "Too many writes to the same key: at most one a second")


def check_key(key: Any) -> str:
    """A key. Raises 400."""
    if not isinstance(key, str) or not key or key in (".", ".."):
        raise invalid('a key must be text, and neither empty nor "." or ".."')
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        raise invalid("a key must be valid Unicode") from None
    if size > MAX_KEY:
        raise invalid(f"a key has at most {MAX_KEY} bytes, not {size}")
    if any(ord(character) < ord(" ") or character == "\x7f" for character in key):
        raise invalid("a key must not contain control characters")
    return key


def check_value(value: bytes) -> bytes:
    """A value. Raises 413."""
    if len(value) > MAX_VALUE:
        raise ApiError(413, 10001, f"a value has at most {MAX_VALUE} bytes")
    return value


def metadata_text(metadata: Any) -> str | None:
    """Metadata as it is stored; None stays None. Raises 400."""
    if metadata is None:
        return None
    text = json.dumps(metadata, separators=(",", ":"))
    if len(text) > MAX_METADATA:
        raise invalid(f"metadata has at most {MAX_METADATA} bytes, not {len(text)}")
    return text


def expiry(expiration: Any, expiration_ttl: Any, now: float) -> int | None:
    """When a pair expires, in Unix seconds; a length of time goes before a moment. Raises 400."""
    if expiration_ttl is not None:
        ttl = _seconds(expiration_ttl, "expiration_ttl")
        if ttl < MIN_TTL_S:
            raise invalid(f"expiration_ttl must be at least {MIN_TTL_S} seconds, not {ttl}")
        return math.ceil(now + ttl)
    if expiration is None:
        return None
    at = _seconds(expiration, "expiration")
    if at < now + MIN_TTL_S:
        raise invalid(f"expiration must be at least {MIN_TTL_S} seconds from now")
    return at


def _seconds(value: Any, name: str) -> int:
    try:
        seconds = float(value) if not isinstance(value, bool) else math.nan
    except (TypeError, ValueError):
        seconds = math.nan
    if not 0 <= seconds <= _FAR or seconds != int(seconds):
        raise invalid(f"{name} must be whole seconds")
    return int(seconds)


def parse_pair(item: Any, now: float) -> Pair:
    """One pair of a bulk write. Raises 400 or 413."""
    if not isinstance(item, Mapping) or not isinstance(item.get("value"), str):
        raise invalid("each pair is an object with key and value, both text")
    return Pair(
        key=check_key(item.get("key")),
        value=check_value(_value_bytes(item["value"], item.get("base64"))),
        metadata=metadata_text(item.get("metadata")),
        expires_at=expiry(item.get("expiration"), item.get("expiration_ttl"), now),
    )


def _value_bytes(text: str, is_base64: Any) -> bytes:
    if is_base64 is True:
        try:
            return base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise invalid("a value marked as base64 is not") from None
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise invalid("a value must be valid Unicode") from None


def parse_metadata(text: str) -> Any:
    """The metadata part of a write. Raises 400."""
    try:
        return decode_json(text)
    except ValueError:
        raise invalid("metadata must be valid JSON") from None


def to_cursor(key: str) -> str:
    """A cursor after that key."""
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def from_cursor(cursor: str) -> str:
    """The key that a cursor comes after. Raises 400."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except ValueError:
        raise invalid("the cursor is not one that this API gave") from None
