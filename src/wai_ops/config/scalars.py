"""What a plain (unquoted) YAML scalar means: the core schema of YAML 1.2, without its traps.

`no`, `on`, `12:30:45` and `1_000` are text. `0600` is the decimal number 600, where YAML 1.1 read
an octal one; octal numbers are spelled `0o600`.
"""

import math
import re
from decimal import Decimal

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLS = dict.fromkeys(("true", "True", "TRUE"), True) | dict.fromkeys(
    ("false", "False", "FALSE"), False
)
_INT = re.compile(r"[-+]?[0-9]+\Z")
_BASED = re.compile(r"0o[0-7]+\Z|0x[0-9A-Fa-f]+\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)\Z|\.(?:nan|NaN|NAN)\Z")
_LONGEST = 60

Scalar = str | int | bool | Decimal | None


def resolve_plain(text: str) -> Scalar:
    """Give a plain scalar its value; a fraction becomes a Decimal of exactly that text.

    Raises ValueError for infinities, NaN and numbers beyond 64 bits or the range of a double.
    """
    if text in _NULL:
        return None
    if text in _BOOLS:
        return _BOOLS[text]
    if _NOT_FINITE.match(text):
        raise ValueError(f"{text} is not a finite number; put it in quotes if it is text")
    if _INT.match(text):
        return _bounded_int(text, base=10)
    if _BASED.match(text):
        return _bounded_int(text, base=0)
    if _FLOAT.match(text):
        return _bounded_decimal(text)
    return text


def _bounded_int(text: str, *, base: int) -> int:
    if len(text) <= _LONGEST and -(2**63) <= (value := int(text, base)) < 2**63:
        return value
    raise ValueError("the number does not fit in 64 bits; put it in quotes if it is text")


def _bounded_decimal(text: str) -> Decimal:
    if len(text) <= _LONGEST and not math.isinf(float(text)):
        value = Decimal(text)
        if value == 0 or float(text) != 0:
            return value
    raise ValueError("the number is out of range; put it in quotes if it is text")
