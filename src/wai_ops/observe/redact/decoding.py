"""Looking into encoded text, once: what it says decoded, and which bytes of it said so."""

import binascii
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

JOINT = b"\x00\n\x00"
"""Between decoded pieces: no rule reaches over it."""
_PERCENT = re.compile(rb"%[0-9A-Fa-f]{2}")
_JSON = re.compile(
    rb"\\(?:u[dD][89abAB][0-9A-Fa-f]{2}\\u[dD][c-fC-F][0-9A-Fa-f]{2}"
    rb"|u[0-9A-Fa-f]{4}|[\"\\/bfnrt])"
)
_SIMPLE = {
    b'\\"': b'"',
    b"\\\\": b"\\",
    b"\\/": b"/",
    b"\\b": b"\b",
    b"\\f": b"\f",
    b"\\n": b"\n",
    b"\\r": b"\r",
    b"\\t": b"\t",
}
_WRAPPED = re.compile(rb"(?<![A-Za-z0-9+/])(?:[A-Za-z0-9+/]{60,76}+\r?\n)++[A-Za-z0-9+/]{1,76}+")
_RUN = re.compile(rb"[A-Za-z0-9+/_-]{37,}+")
_HEX = re.compile(rb"[0-9A-Fa-f]{40,}+")
_PADDING = re.compile(rb"=?=?")
_STANDARD = bytes.maketrans(b"-_", b"+/")


@dataclass(slots=True)
class Escapes:
    """A text with its escape sequences decoded, and the way back."""

    raw: bytes
    text: bytes
    pattern: re.Pattern[bytes]
    decode: Callable[[bytes], bytes]
    _starts: list[int] = field(default_factory=list)
    _known: list[tuple[int, int, int, int]] = field(default_factory=list)

    def place(self, start: int, end: int) -> tuple[int, int]:
        """Where in the raw text a part of the decoded one stands."""
        return self._raw(start)[0], self._raw(end - 1)[1]

    def _raw(self, position: int) -> tuple[int, int]:
        """First byte and end of what the decoded byte at `position` came from."""
        if not self._known:
            self._read()
        index = bisect_right(self._starts, position) - 1
        if index < 0:
            return position, position + 1
        decoded, length, start, end = self._known[index]
        if position < decoded + length:
            return start, end
        raw = end + position - decoded - length
        return raw, raw + 1

    def _read(self) -> None:
        saved = 0
        for found in self.pattern.finditer(self.raw):
            length = len(self.decode(found[0]))
            decoded = found.start() - saved
            self._starts.append(decoded)
            self._known.append((decoded, length, found.start(), found.end()))
            saved += len(found[0]) - length


def percent_view(raw: bytes) -> Escapes | None:
    """`raw` with %XX decoded; None when it has none."""
    if b"%" not in raw or _PERCENT.search(raw) is None:
        return None
    return _escapes(raw, _PERCENT, _percent)


def json_view(raw: bytes) -> Escapes | None:
    """`raw` with the escapes of JSON strings decoded; None when it has none."""
    if b"\\" not in raw or _JSON.search(raw) is None:
        return None
    return _escapes(raw, _JSON, _json)


def _escapes(raw: bytes, pattern: re.Pattern[bytes], decode: Callable[[bytes], bytes]) -> Escapes:
    text = pattern.sub(lambda found: decode(found[0]), raw)
    return Escapes(raw, text, pattern, decode)


def _percent(escape: bytes) -> bytes:
    return binascii.unhexlify(escape[1:])


def _json(escape: bytes) -> bytes:
    simple = _SIMPLE.get(escape)
    if simple is not None:
        return simple
    if len(escape) == 12:
        high, low = int(escape[2:6], 16), int(escape[8:], 16)
        return chr(0x10000 + ((high - 0xD800) << 10) + low - 0xDC00).encode()
    return chr(int(escape[-4:], 16)).encode("utf-8", "surrogatepass")


@dataclass(slots=True)
class Runs:
    """Runs of a text that may be base64 or hex, decoded one after the other."""

    text: bytes
    _starts: list[int]
    _spans: list[tuple[int, int]]

    def place(self, start: int, _end: int) -> tuple[int, int]:
        """The encoded run in which a part of the decoded text stands: all of it is tainted."""
        return self._spans[bisect_right(self._starts, start) - 1]


def encoded_runs(raw: bytes) -> Iterator[Runs]:
    """Decode every long run of base64 or hex characters, at one alignment after the other."""
    found = [(run[0].translate(_STANDARD), _span(raw, run)) for run in _RUN.finditer(raw)]
    if not found:
        return
    if b"\n" in raw:
        found += [
            (run[0].replace(b"\r", b"").replace(b"\n", b""), _span(raw, run))
            for run in _WRAPPED.finditer(raw)
        ]
    for lead in range(4):
        yield _joined([(_base64(run[lead:]), span) for run, span in found])
    digits = [(run[0], run.span()) for run in _HEX.finditer(raw)]
    for lead in range(2 if digits else 0):
        yield _joined([(_hex(run[lead:]), span) for run, span in digits])


def _joined(pieces: list[tuple[bytes, tuple[int, int]]]) -> Runs:
    starts = []
    length = 0
    for piece, _ in pieces:
        starts.append(length)
        length += len(piece) + len(JOINT)
    return Runs(JOINT.join(piece for piece, _ in pieces), starts, [span for _, span in pieces])


def _hex(run: bytes) -> bytes:
    return binascii.unhexlify(run[: len(run) // 2 * 2])


def _span(raw: bytes, run: re.Match[bytes]) -> tuple[int, int]:
    return run.start(), _padded(raw, run.end())


def _padded(raw: bytes, end: int) -> int:
    """The end of a run with its padding."""
    found = _PADDING.match(raw, end)
    return found.end() if found else end


def _base64(run: bytes) -> bytes:
    """Decode what is there of a run; the last, incomplete group gives what it can."""
    whole = len(run) // 4 * 4
    rest = run[whole:]
    tail = rest + b"=" * (4 - len(rest)) if len(rest) > 1 else b""
    return binascii.a2b_base64(run[:whole] + tail)
