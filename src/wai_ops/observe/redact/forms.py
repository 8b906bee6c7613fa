"""The forms in which a known secret can stand in a text: what an exact search looks for."""

import base64
import json
from collections.abc import Iterator
from urllib.parse import quote

SHORTEST = 8
"""Shorter values are too common in ordinary text to be masked everywhere."""
_LONGEST = 1024
_SHORTEST_LINE = 20


def searchable(value: str) -> Iterator[bytes]:
    """The parts of a value to search for: itself, or the lines of a long one (a PEM, a JSON)."""
    raw = value.strip().encode("utf-8", "surrogateescape")
    if SHORTEST <= len(raw) <= _LONGEST and b"\n" not in raw:
        yield raw
        return
    for line in raw.split(b"\n"):
        part = line.strip()
        if len(part) >= _SHORTEST_LINE and not part.startswith(b"-----"):
            yield part[:_LONGEST]


def forms_of(secret: bytes) -> set[bytes]:
    """A secret as it stands, percent-encoded, JSON-escaped, in hex and in base64."""
    text = secret.decode("utf-8", "replace")
    percent = quote(secret, safe="").encode()
    escaped = json.dumps(text)[1:-1].encode()
    forms = {
        secret,
        percent,
        _lower_percent(percent),
        escaped,
        escaped.replace(b"/", b"\\/"),
        json.dumps(text, ensure_ascii=False)[1:-1].encode("utf-8", "surrogatepass"),
        secret.hex().encode(),
        secret.hex().upper().encode(),
    }
    return forms | base64_forms(secret)


def base64_forms(secret: bytes) -> set[bytes]:
    """The part of the secret's base64 that does not depend on what stands around it.

    A secret may begin at any of three places within a group of three bytes; at each, the first
    and last characters also carry bits of its neighbours and are left out.
    """
    forms = set()
    for lead in range(3):
        encoded = base64.b64encode(bytes(lead) + secret)
        start = (0, 2, 3)[lead]
        whole = (lead + len(secret)) * 8 // 6
        form = encoded[start:whole]
        forms |= {form, form.translate(bytes.maketrans(b"+/", b"-_"))}
    return forms


def _lower_percent(percent: bytes) -> bytes:
    head, *rest = percent.split(b"%")
    return b"%".join([head, *(part[:2].lower() + part[2:] for part in rest)])
