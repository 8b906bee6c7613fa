"""The methods of texts, lists and mappings that a prompt may call, bounded like the filters."""

from collections.abc import Iterator
from types import BuiltinMethodType
from typing import Any

from wai_ops.prompts.allowance import (
    MAX_BITS,
    MAX_ITEMS,
    MAX_VALUE,
    Allowance,
    TooMuch,
    weight,
)
from wai_ops.prompts.filters import check_replace, scalar_text
from wai_ops.prompts.unknown import first_unknown

_PLAIN = frozenset(
    {*("lower", "upper", "strip", "lstrip", "rstrip", "title", "capitalize", "casefold")}
    | {*("swapcase", "startswith", "endswith", "removeprefix", "removesuffix", "partition")}
    | {*("rpartition", "count", "find", "rfind", "index", "rindex", "isalnum", "isalpha")}
    | {*("isdigit", "islower", "isnumeric", "isspace", "istitle", "isupper")}
)
_SPLITS = frozenset({"split", "rsplit", "splitlines"})
_WIDTHS = frozenset({"center", "ljust", "rjust", "zfill"})
_OF_LISTS = frozenset({"count", "index"})
_OF_MAPPINGS = frozenset({"get", "items", "keys", "values"})
_MAX_WIDTH = 1000


def call_method(allowance: Allowance, method: BuiltinMethodType, args: Any, kwargs: Any) -> Any:
    """Call a method of a plain value. Raises TypeError for one that is not allowed, and TooMuch."""
    owner, name = method.__self__, method.__name__
    if not _is_allowed(owner, name):
        raise TypeError(f"the method {name} cannot be called in a prompt")
    if (unknown := first_unknown(*args, *kwargs.values())) is not None:
        return unknown
    if isinstance(owner, str):
        if name == "join":
            return _join(allowance, owner, *args, **kwargs)
        _check_text(owner, name, args, kwargs)
    result = method(*args, **kwargs)
    # Views of mappings become lists: they are gone through, and counted, like any other.
    is_view = isinstance(owner, dict) and name != "get"
    return allowance.made(iter(result) if is_view else result)


def _is_allowed(owner: Any, name: str) -> bool:
    if type(owner) is str:
        return name in _PLAIN or name in _SPLITS or name in _WIDTHS or name in ("join", "replace")
    if type(owner) in (list, tuple):
        return name in _OF_LISTS
    return type(owner) is dict and name in _OF_MAPPINGS


def _check_text(owner: str, name: str, args: Any, kwargs: Any) -> None:
    if name == "replace":
        check_replace(owner, *args, **kwargs)
    elif name in _SPLITS and len(owner) > MAX_ITEMS:
        raise TooMuch(f"{name} takes at most {MAX_ITEMS} characters")
    elif name in _WIDTHS and not (args and isinstance(args[0], int) and 0 <= args[0] <= _MAX_WIDTH):
        raise TooMuch(f"{name} takes a width between 0 and {_MAX_WIDTH}")


def _join(allowance: Allowance, between: str, values: Any) -> str:
    items = []
    for item in allowance.each(values):
        if (unknown := first_unknown(item)) is not None:
            unknown.ends()
        items.append(scalar_text(item))
    allowance.text(sum(map(len, items)) + len(between) * max(len(items) - 1, 0))
    return between.join(items)


class Each:
    """Something that a loop goes through, one step a round; its length is known if it was."""

    def __init__(self, allowance: Allowance, values: Any) -> None:
        self._allowance = allowance
        self._values = values

    def __iter__(self) -> Iterator[Any]:
        """Go through it."""
        return self._allowance.each(self._values)

    def __len__(self) -> int:
        """Count it. Raises TypeError for what comes one by one."""
        return len(self._values)


def check_binary(operator: str, left: Any, right: Any) -> None:
    """Refuse arithmetic whose result would be too long. Raises TooMuch and TypeError."""
    if operator == "%" and isinstance(left, str | bytes):
        raise TypeError("% does not format text in a prompt: print values with {{ }}")
    if operator == "*":
        _check_product(left, right)
    elif operator == "**":
        _check_power(left, right)


def _check_product(left: Any, right: Any) -> None:
    if isinstance(left, int) and isinstance(right, int):
        if left.bit_length() + right.bit_length() > MAX_BITS + 1:
            raise TooMuch(f"a number gets longer than {MAX_BITS} bits")
        return
    for value, count in ((left, right), (right, left)):
        if isinstance(count, int) and isinstance(value, str | list | tuple):
            size = len(value) if isinstance(value, str) else weight(value)
            if size * max(count, 0) > MAX_VALUE:
                raise TooMuch(f"a text or list gets longer than {MAX_VALUE} characters")
            if not isinstance(value, str) and len(value) * max(count, 0) > MAX_ITEMS:
                raise TooMuch(f"a list gets longer than {MAX_ITEMS} elements")


def _check_power(left: Any, right: Any) -> None:
    if (
        isinstance(left, int)
        and isinstance(right, int)
        and left.bit_length() * max(right, 0) > MAX_BITS
    ):
        raise TooMuch(f"a number gets longer than {MAX_BITS} bits")
