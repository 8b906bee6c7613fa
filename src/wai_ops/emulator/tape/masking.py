"""Taking secrets out of recorded traffic, before it touches a disk: pure.

What is secret is known in two ways: by value (the credentials that a request carried, the account
in its path; these go wherever they appear, in the answer as well), and by place (headers, JSON
fields and addresses that hold credentials by their name).
"""

import re
from collections.abc import Iterable, Sequence
from urllib.parse import quote

ACCOUNT = "0" * 32
"""Stands for every account id."""
MASK = "masked"
_KEPT_REQUEST_HEADERS = frozenset(
    {"accept", "content-type", "content-encoding", "user-agent", "x-session-affinity"}
)
_SECRET_WORDS = ("auth", "cookie", "token", "secret", "key", "credential", "email", "signature")
_CREDENTIAL_HEADERS = frozenset(
    {"authorization", "cf-aig-authorization", "proxy-authorization", "x-auth-key", "x-api-key"}
)
_ACCOUNT_IN_PATH = re.compile(r"/accounts/([^/?#]+)|^/v1/([0-9a-fA-F]{32})(?=/|$)")
_SHORTEST = 8
"""Shorter values are too common in ordinary text to be replaced everywhere."""
_FIELD = re.compile(
    rb'("(?:[^"\\]{0,40}_)?(?:token|secret|password|passwd|api_?key|authorization|private_key|'
    rb'access_key_id|secret_access_key)"\s*:\s*")((?:[^"\\]|\\.){1,8192})(")',
    re.IGNORECASE,
)
_ACCOUNT_FIELD = re.compile(
    rb'("(?:account_?id|account_?tag)"\s*:\s*")([0-9a-f]{32})(")', re.IGNORECASE
)
_BEARER = re.compile(rb"(Bearer\s+)([A-Za-z0-9._~+/=-]{8,})(\b|)", re.IGNORECASE)
_QUERY = re.compile(
    rb"([?&;](?:[a-z_-]*(?:token|secret|key|signature|credential)[a-z_-]*)=)([^&\s\"'#]+)()",
    re.IGNORECASE,
)

_BY_PLACE = (
    (_FIELD, MASK.encode()),
    (_BEARER, MASK.encode()),
    (_QUERY, MASK.encode()),
    (_ACCOUNT_FIELD, ACCOUNT.encode()),
)
_LISTS_ACCOUNTS = re.compile(r"/(?:accounts|memberships|user)/?(?:\?|$)")
_ID = re.compile(rb'"([0-9a-f]{32})"')


class Masker:
    """Knows every secret value it has met; shared by all exchanges of a recording."""

    def __init__(self) -> None:
        """Knows none."""
        self._values: dict[bytes, bytes] = {}
        self._pattern: re.Pattern[bytes] | None = None

    def learn(self, headers: Iterable[tuple[str, str]], path: str) -> None:
        """Remember the secrets of one request."""
        for name, value in headers:
            if name.lower() in _CREDENTIAL_HEADERS:
                self._add(value.rpartition(" ")[2], MASK)
        for found in _ACCOUNT_IN_PATH.finditer(path):
            self._add(found[1] or found[2], ACCOUNT)

    def learn_accounts(self, path: str, body: bytes) -> None:
        """Remember the accounts that an answer tells of, where that is what was asked for."""
        if _LISTS_ACCOUNTS.search(path):
            for found in _ID.finditer(body):
                self._add(found[1].decode(), ACCOUNT)

    def _add(self, value: str, mask: str) -> None:
        if len(value) < _SHORTEST or value in (MASK, ACCOUNT):
            return
        for form in {value, quote(value, safe="")}:
            self._values[form.encode("utf-8", "surrogateescape")] = mask.encode()
        longest_first = sorted(self._values, key=len, reverse=True)
        self._pattern = re.compile(b"|".join(re.escape(value) for value in longest_first))

    def text(self, text: str) -> str:
        """A path, a query or a header's value."""
        raw = text.encode("utf-8", "surrogateescape")
        return self.chunks([raw])[0].decode("utf-8", "replace")

    def chunks(self, parts: Sequence[bytes]) -> list[bytes]:
        """Mask a body that came in parts; a secret that is split over two of them is found too.

        What stands for a secret comes with the part in which the secret began.
        """
        whole = b"".join(parts)
        spans = self._spans(whole)
        masked, position = [], 0
        end = 0
        for part in parts:
            end += len(part)
            out = bytearray()
            while position < end:
                following = spans[0] if spans else None
                if following is None or following[0] >= end:
                    out += whole[position:end]
                    position = end
                else:
                    start, stop, mask = spans.pop(0)
                    out += whole[position:start] + mask
                    position = stop
            masked.append(bytes(out))
        return masked

    def _spans(self, whole: bytes) -> list[tuple[int, int, bytes]]:
        """Where the secrets are, in order and apart from each other."""
        found: list[tuple[int, int, bytes]] = []
        if self._pattern is not None:
            known = self._pattern.finditer(whole)
            found.extend((match.start(), match.end(), self._values[match[0]]) for match in known)
        for pattern, mask in _BY_PLACE:
            found.extend((*match.span(2), mask) for match in pattern.finditer(whole))
        return _apart(found)

    def path(self, path: str) -> str:
        """A request's path and query; whatever account it names becomes the one placeholder."""
        return _ACCOUNT_IN_PATH.sub(
            lambda found: found[0].replace(found[1] or found[2], ACCOUNT), self.text(path)
        )


def _apart(spans: list[tuple[int, int, bytes]]) -> list[tuple[int, int, bytes]]:
    """Merge what overlaps: all of it goes."""
    merged: list[tuple[int, int, bytes]] = []
    for start, stop, mask in sorted(spans, key=lambda span: (span[0], -span[1])):
        if merged and start < merged[-1][1]:
            first, last, kept = merged[-1]
            merged[-1] = (first, max(last, stop), kept)
        else:
            merged.append((start, stop, mask))
    return merged


def kept_request_headers(headers: Iterable[tuple[str, str]], masker: Masker) -> dict[str, str]:
    """Only what says how the request was meant: credentials are not masked, they are absent."""
    kept = {}
    for name, value in headers:
        lower = name.lower()
        is_gateway = lower.startswith("cf-aig-") and not _is_secret(lower)
        if is_gateway or lower in _KEPT_REQUEST_HEADERS:
            kept[lower] = masker.text(value)
    return kept


def kept_answer_headers(headers: Iterable[tuple[str, str]], masker: Masker) -> dict[str, str]:
    """Everything but cookies and the like."""
    return {
        name.lower(): masker.text(value)
        for name, value in headers
        if not _is_secret(name.lower()) or name.lower() == "cf-aig-cache-key"
    }


def _is_secret(name: str) -> bool:
    return any(word in name for word in _SECRET_WORDS)
