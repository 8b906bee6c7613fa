"""The condition language of routes: MongoDB-like objects over metadata, headers and body.

Documented is `$eq`, and that the operators are MongoDB's. The others here follow MongoDB: a missing
field equals null, types are never mixed, and a list matches when one of its items does.
"""

import operator
from collections.abc import Callable, Mapping
from typing import Any

import re2

ROOTS = ("metadata", "headers", "body")
_MISSING = object()
_ORDERINGS: Mapping[str, Callable[[Any, Any], bool]] = {
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}
_LISTS = ("$and", "$or", "$nor")
_MAX_DEPTH = 32


class ConditionError(ValueError):
    """The condition is not of a form that is understood; the message says where."""


def check_condition(condition: Any, *, depth: int = 0) -> None:
    """Raise ConditionError unless `matches` can evaluate this."""
    if depth > _MAX_DEPTH:
        raise ConditionError("the condition is nested too deeply")
    if not isinstance(condition, Mapping):
        raise ConditionError("a condition must be an object")
    for name, value in condition.items():
        if name in _LISTS:
            if not isinstance(value, list) or not value:
                raise ConditionError(f"{name} needs a list of conditions")
            for item in value:
                check_condition(item, depth=depth + 1)
        elif name.startswith("$"):
            raise ConditionError(f"unknown operator {name}")
        else:
            if name.partition(".")[0] not in ROOTS:
                raise ConditionError(f"{name} does not begin with {', '.join(ROOTS)}")
            if _is_operators(value):
                _check_operators(value, depth=depth + 1)


def matches(condition: Mapping[str, Any], scope: Mapping[str, Any]) -> bool:
    """Whether a request fulfils a checked condition. `scope` has one mapping for each root."""
    return all(_clause(name, value, scope) for name, value in condition.items())


def find(path: str, scope: Mapping[str, Any]) -> Any:
    """The value at a dotted path such as `metadata.plan`; None when there is none."""
    value = _find(path, scope)
    return None if value is _MISSING else value


def _clause(name: str, value: Any, scope: Mapping[str, Any]) -> bool:
    if name == "$and":
        return all(matches(item, scope) for item in value)
    if name == "$or":
        return any(matches(item, scope) for item in value)
    if name == "$nor":
        return not any(matches(item, scope) for item in value)
    found = _find(name, scope)
    return _fulfils(found, value) if _is_operators(value) else _equals(found, value)


def _is_operators(value: Any) -> bool:
    return isinstance(value, Mapping) and any(name.startswith("$") for name in value)


def _check_operators(operators: Mapping[str, Any], *, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise ConditionError("the condition is nested too deeply")
    for name, value in operators.items():
        _check_operator(name, value, depth=depth)


def _check_operator(name: str, value: Any, *, depth: int) -> None:
    match name:
        case "$in" | "$nin":
            if not isinstance(value, list):
                raise ConditionError(f"{name} needs a list")
        case "$exists":
            if not isinstance(value, bool):
                raise ConditionError("$exists needs true or false")
        case "$regex":
            _check_regex(value)
        case "$not":
            if not _is_operators(value):
                raise ConditionError("$not needs an object of operators")
            _check_operators(value, depth=depth + 1)
        case "$eq" | "$ne" | "$gt" | "$gte" | "$lt" | "$lte":
            pass
        case _:
            raise ConditionError(f"unknown operator {name}")


def _check_regex(pattern: Any) -> None:
    if not isinstance(pattern, str):
        raise ConditionError("$regex needs text")
    try:
        re2.compile(pattern)
    except (re2.error, UnicodeEncodeError) as error:
        raise ConditionError(f"$regex: {error}") from error


def _fulfils(found: Any, operators: Mapping[str, Any]) -> bool:
    return all(_holds(found, name, value) for name, value in operators.items())


def _holds(found: Any, name: str, value: Any) -> bool:
    match name:
        case "$eq":
            return _equals(found, value)
        case "$ne":
            return not _equals(found, value)
        case "$in":
            return any(_equals(found, item) for item in value)
        case "$nin":
            return not any(_equals(found, item) for item in value)
        case "$exists":
            return (found is not _MISSING) is value
        case "$regex":
            return any(isinstance(item, str) and _search(value, item) for item in _items(found))
        case "$not":
            return not _fulfils(found, value)
        case _:
            compare = _ORDERINGS[name]
            return any(
                _kind(item) in {"number", "text"}
                and _kind(item) == _kind(value)
                and compare(item, value)
                for item in _items(found)
            )


def _equals(found: Any, value: Any) -> bool:
    if found is _MISSING:
        return value is None
    return _same(found, value) or (
        isinstance(found, list) and any(_same(item, value) for item in found)
    )


def _same(left: Any, right: Any) -> bool:
    """Equal as JSON is: true is not 1, at any depth."""
    if _kind(left) != _kind(right):
        return False
    if isinstance(left, list):
        return len(left) == len(right) and all(map(_same, left, right))
    if isinstance(left, Mapping):
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in left)
    return bool(left == right)


def _items(found: Any) -> list[Any]:
    return found if isinstance(found, list) else [found]


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return "text" if isinstance(value, str) else type(value).__name__


def _search(pattern: str, text: str) -> bool:
    return re2.search(pattern, text.encode("utf-8", "replace").decode()) is not None


def _find(path: str, scope: Mapping[str, Any]) -> Any:
    """Follow a path. A key that itself has dots wins over a path through nested objects."""
    root, _, rest = path.partition(".")
    value: Any = scope.get(root, _MISSING)
    if root == "headers":
        rest = rest.lower()
    if not rest or value is _MISSING:
        return value
    if isinstance(value, Mapping) and rest in value:
        return value[rest]
    for name in rest.split("."):
        if isinstance(value, Mapping) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            return _MISSING
    return value
