"""The gateway's cache of whole responses: not the model's prefix cache. In memory, bounded."""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass

MAX_BYTES = 64 * 1024 * 1024
MAX_RESPONSE_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedAnswer:
    """A complete, successful answer."""

    content_type: str
    body: bytes
    model: str
    provider: str
    step: int


def cache_key(
    gateway_id: str,
    *,
    own_key: str | None,
    provider: str,
    endpoint: str,
    model: str,
    authorization: bytes,
    body: bytes,
) -> bytes:
    """SHA-256 over everything that makes a request itself, or over the caller's own key.

    Metadata is not in it.
    """
    parts = (
        [b"own", own_key.encode("utf-8", "surrogatepass")]
        if own_key is not None
        else [b"", provider.encode(), endpoint.encode(), model.encode(), authorization, body]
    )
    digest = hashlib.sha256()
    for part in (gateway_id.encode(), *parts):
        digest.update(len(part).to_bytes(8))
        digest.update(part)
    return digest.digest()


class ResponseCache:
    """The least recently used answers go first when there is no more room."""

    def __init__(self, *, max_bytes: int = MAX_BYTES) -> None:
        """Start empty; a restart empties it."""
        self._max_bytes = max_bytes
        self._entries: OrderedDict[bytes, tuple[float, CachedAnswer]] = OrderedDict()
        self._size = 0

    def get(self, key: bytes, at: float) -> CachedAnswer | None:
        """The answer kept under `key`, if its time has not passed at `at` (monotonic seconds)."""
        found = self._entries.get(key)
        if found is None:
            return None
        if found[0] <= at:
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return found[1]

    def put(self, key: bytes, answer: CachedAnswer, *, ttl_s: int, at: float) -> None:
        """Keep an answer for `ttl_s` seconds; one that is too large is not kept."""
        if len(answer.body) > min(MAX_RESPONSE_BYTES, self._max_bytes):
            return
        if key in self._entries:
            self._drop(key)
        self._entries[key] = (at + ttl_s, answer)
        self._size += len(answer.body)
        while self._size > self._max_bytes:
            self._drop(next(iter(self._entries)))

    def _drop(self, key: bytes) -> None:
        self._size -= len(self._entries.pop(key)[1].body)
