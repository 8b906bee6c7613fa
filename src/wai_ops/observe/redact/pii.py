"""Personal data, for those who ask: shapes with their checks (Luhn, IBAN, addresses).

What has no shape (names, postal addresses) is not found.
"""

import ipaddress
import re

from wai_ops.observe.redact.rules import Rule

_EDGE = r"(?:^|[^A-Za-z0-9_.+\x01-])"
_NUMBER_EDGE = r"(?:^|[^A-Za-z0-9_.+\x01-])"
_NOT_DIGIT = re.compile(rb"[^0-9]")
_IBAN_BLANK = re.compile(rb"[ ]")


def is_card(value: bytes) -> bool:
    """13 to 19 digits with a right last one (Luhn), and not all the same."""
    digits = _NOT_DIGIT.sub(b"", value)
    if not 13 <= len(digits) <= 19 or len(set(digits)) < 2 or digits[:1] == b"0":
        return False
    total = 0
    for place, byte in enumerate(reversed(digits)):
        number = byte - 48
        if place % 2:
            number = number * 2 - 9 if number > 4 else number * 2
        total += number
    return total % 10 == 0


def is_iban(value: bytes) -> bool:
    """Two letters, two check digits, 11 to 30 more, and the checksum of ISO 13616."""
    text = _IBAN_BLANK.sub(b"", value).upper()
    if not 15 <= len(text) <= 34:
        return False
    moved = text[4:] + text[:4]
    number = "".join(str(int(chr(byte), 36)) for byte in moved)
    return int(number) % 97 == 1


def is_phone(value: bytes) -> bool:
    """An international number: a plus and 8 to 15 digits, or one with its area code apart."""
    digits = _NOT_DIGIT.sub(b"", value)
    return 8 <= len(digits) <= 15


def is_ip(value: bytes) -> bool:
    """An address as the standard library reads it; loopback and the like name nobody."""
    if b":" in value and b"::" not in value and value.count(b":") != 7:
        return False  # what the library would say, without the cost of its exception
    try:
        address = ipaddress.ip_address(value.decode("ascii"))
    except ValueError:
        return False
    return not (address.is_loopback or address.is_unspecified or address.is_link_local)


PII_RULES: tuple[Rule, ...] = (
    Rule(
        kind="email",
        pattern=r"[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,6}[A-Za-z]{2,24}",
        folded=(b"@",),
        suspect=r"[A-Za-z0-9]@[A-Za-z0-9-]+\.",
        rank=5,
    ),
    Rule(
        kind="iban",
        pattern=rf"{_EDGE}([A-Z]{{2}}[0-9]{{2}}(?: ?[A-Z0-9]{{4}}){{2,7}}(?: ?[A-Z0-9]{{1,3}})?)",
        folded=tuple(str(digit).encode() for digit in range(10)),
        suspect=r"[A-Z]{2}[0-9]{2} ?[A-Z0-9]{4}",
        accept=is_iban,
        rank=5,
    ),
    Rule(
        kind="card",
        pattern=rf"{_NUMBER_EDGE}([0-9](?:[ -]?[0-9]){{12,18}})",
        folded=tuple(str(digit).encode() for digit in range(10)),
        suspect=r"[0-9](?:[ -]?[0-9]){12}",
        accept=is_card,
        rank=5,
    ),
    Rule(
        kind="phone",
        pattern=(
            r"(?:^|[^A-Za-z0-9_.\x01-])"
            r"(\+[1-9](?:[ ().-]{0,2}[0-9]){7,14}|\(?[0-9]{3}\)[ .-]?[0-9]{3}[ .-][0-9]{4}"
            r"|[0-9]{3}[-.][0-9]{3}[-.][0-9]{4})"
        ),
        folded=tuple(str(digit).encode() for digit in range(10)),
        suspect=r"\+[1-9]|[0-9]{3}[ ).-]{1,2}[0-9]{3}",
        accept=is_phone,
        rank=6,
    ),
    Rule(
        kind="ip",
        pattern=(
            r"(?:^|[^A-Za-z0-9_.\x01:-])((?:[0-9]{1,3}\.){3}[0-9]{1,3}"
            r"|(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4})"
        ),
        folded=(b".", b":"),
        suspect=r"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]|[0-9A-Fa-f:]:[0-9A-Fa-f]{0,4}:",
        accept=is_ip,
        rank=6,
    ),
)
