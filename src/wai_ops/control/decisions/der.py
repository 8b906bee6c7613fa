"""As much of DER as time stamps need: values with a tag and a length, written and taken apart."""

from dataclasses import dataclass

INTEGER, BOOLEAN, OCTETS, NULL, OID = 0x02, 0x01, 0x04, 0x05, 0x06
SEQUENCE, TIME = 0x30, 0x18
TRUE = b"\xff"


class DerError(ValueError):
    """The bytes are no DER, or not the values that were expected."""


@dataclass(frozen=True, slots=True)
class Value:
    """One value: its tag and its content."""

    tag: int
    content: bytes

    def children(self) -> list["Value"]:
        """The values inside. Raises DerError."""
        return parse_all(self.content)

    def number(self) -> int:
        """An integer. Raises DerError."""
        if self.tag != INTEGER or not self.content:
            raise DerError("this is no integer")
        return int.from_bytes(self.content, signed=True)


def encode(tag: int, *parts: bytes) -> bytes:
    """One value of its parts."""
    content = b"".join(parts)
    length = len(content)
    if length < 0x80:
        return bytes([tag, length]) + content
    size = (length.bit_length() + 7) // 8
    return bytes([tag, 0x80 | size]) + length.to_bytes(size) + content


def integer(number: int) -> bytes:
    """A non-negative integer."""
    return encode(INTEGER, number.to_bytes(number.bit_length() // 8 + 1))


def parse(content: bytes) -> Value:
    """One value and nothing else. Raises DerError."""
    values = parse_all(content)
    if len(values) != 1:
        raise DerError("there is more than one value, or none")
    return values[0]


def parse_all(content: bytes) -> list[Value]:
    """Values one after the other. Raises DerError."""
    found = []
    place = 0
    while place < len(content):
        tag = content[place]
        if tag & 0x1F == 0x1F:
            raise DerError("a tag is too long")
        start, length = _length(content, place + 1)
        end = start + length
        if end > len(content):
            raise DerError("a value is cut")
        found.append(Value(tag, content[start:end]))
        place = end
    return found


def _length(content: bytes, place: int) -> tuple[int, int]:
    if place >= len(content):
        raise DerError("a value is cut")
    first = content[place]
    if first < 0x80:
        return place + 1, first
    size = first & 0x7F
    if not 0 < size <= 4 or place + 1 + size > len(content):
        raise DerError("a length is none")
    return place + 1 + size, int.from_bytes(content[place + 1 : place + 1 + size])
