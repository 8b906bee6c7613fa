"""Filters and searches of the telemetry query over flat events. Pure.

An event is a mapping of dotted keys to strings, numbers and booleans.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import re2

from wai_ops.emulator.errors import invalid_query

Scalar = str | int | float | bool
Flat = Mapping[str, Scalar]
Test = Callable[[Flat], bool]

_MAX_DEPTH = 4
_NAMES = {
    "=": "eq",
    "!=": "neq",
    ">": "gt",
    ">=": "gte",
    "<": "lt",
    "<=": "lte",
    "does_not_include": "not_includes",
    "match_regex": "regex",
    "does_not_exist": "is_null",
}
"""Other spellings of the operations; upper case is one more."""
_TYPES = ("string", "number", "boolean")
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": lambda found, wanted: bool(found == wanted),
    "neq": lambda found, wanted: bool(found != wanted),
    "gt": lambda found, wanted: bool(found > wanted),
    "gte": lambda found, wanted: bool(found >= wanted),
    "lt": lambda found, wanted: bool(found < wanted),
    "lte": lambda found, wanted: bool(found <= wanted),
    "includes": lambda found, wanted: str(wanted) in str(found),
    "not_includes": lambda found, wanted: str(wanted) not in str(found),
    "starts_with": lambda found, wanted: str(found).startswith(str(wanted)),
    "ends_with": lambda found, wanted: str(found).endswith(str(wanted)),
    "in": lambda found, wanted: found in wanted,
    "not_in": lambda found, wanted: found not in wanted,
}
_HOLDS_WITHOUT_VALUE = ("neq", "not_includes", "not_in")
"""What is absent is not equal, includes nothing and is in no list."""


def parse_filters(filters: Any, combination: Any = "and") -> Test:
    """All of a query's filters as one test. Raises 400/7001."""
    return _group(filters, combination, depth=0)


def parse_needle(needle: Any, name: str = "needle") -> Callable[[str], bool]:
    """A search in text. Raises 400/7001."""
    if needle is None:
        return lambda _text: True
    if not isinstance(needle, Mapping) or not isinstance(needle.get("value"), Scalar):
        raise invalid_query(f"{name} must be an object with a value")
    text, has_case = to_text(needle["value"]), needle.get("matchCase") is True
    if needle.get("isRegex") is True:
        pattern = _pattern(text if has_case else f"(?i){text}")
        return lambda found: pattern.search(found) is not None
    if has_case:
        return lambda found: text in found
    return lambda found: text.lower() in found.lower()


def type_of(value: Scalar) -> str:
    """`string`, `number` or `boolean`."""
    if isinstance(value, bool):
        return "boolean"
    return "string" if isinstance(value, str) else "number"


def to_text(value: Scalar) -> str:
    """A value as JSON has it, without quotes."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _group(filters: Any, combination: Any, depth: int) -> Test:
    if not isinstance(filters, list | tuple):
        raise invalid_query("filters must be a list")
    if depth > _MAX_DEPTH:
        raise invalid_query(f"filters nest {_MAX_DEPTH} groups deep at most")
    how = str(combination).lower()
    if how not in ("and", "or"):
        raise invalid_query("filterCombination must be and, or")
    tests = [_node(item, depth) for item in filters]
    if how == "or" and tests:
        return lambda event: any(test(event) for test in tests)
    return lambda event: all(test(event) for test in tests)


def _node(item: Any, depth: int) -> Test:
    match item:
        case {"kind": "group", "filters": filters, "filterCombination": combination}:
            return _group(filters, combination, depth + 1)
        case {"key": str(key), "operation": str(operation), "type": str(kind)}:
            return _leaf(key, operation.lower(), kind, item.get("value"))
    raise invalid_query("a filter has key, operation and type, a group filters and their kind")


def _leaf(key: str, operation: str, kind: str, value: Any) -> Test:
    name = _NAMES.get(operation, operation)
    if kind not in _TYPES:
        raise invalid_query(f"filter type must be one of {', '.join(_TYPES)}")
    if name == "exists":
        return lambda event: key in event
    if name == "is_null":
        return lambda event: key not in event
    if not isinstance(value, Scalar):
        raise invalid_query(f"filter {key!r} needs a value")
    if name == "regex":
        pattern = _pattern(to_text(value))
        return lambda event: key in event and pattern.search(to_text(event[key])) is not None
    if name not in _COMPARE:
        raise invalid_query(f"filter operation {operation!r} is not known")
    return _comparison(key, name, kind, _wanted(name, kind, value))


def _comparison(key: str, name: str, kind: str, wanted: Any) -> Test:
    compare = _COMPARE[name]

    def test(event: Flat) -> bool:
        found = event.get(key)
        if found is None:
            return name in _HOLDS_WITHOUT_VALUE
        return type_of(found) == kind and compare(found, wanted)

    return test


def _wanted(name: str, kind: str, value: Scalar) -> Any:
    if name in ("in", "not_in"):
        items: Sequence[str] = to_text(value).split(",")
        return [_typed(kind, item.strip()) for item in items]
    return _typed(kind, value)


def _typed(kind: str, value: Scalar) -> Scalar:
    text = to_text(value)
    if kind == "number":
        try:
            return float(text)
        except ValueError:
            raise invalid_query(f"{text!r} is not a number") from None
    if kind == "boolean":
        if text.lower() not in ("true", "false"):
            raise invalid_query(f"{text!r} is not a boolean")
        return text.lower() == "true"
    return text


def _pattern(text: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(text, options=options)
    except re2.error:
        raise invalid_query(f"{text!r} is not a regular expression (RE2)") from None
