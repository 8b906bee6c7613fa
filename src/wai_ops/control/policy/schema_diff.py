"""What changes between two schemas of arguments, keyword by keyword, and which way."""

from collections.abc import Iterator, Mapping
from typing import Any

from wai_ops.control.policy.canonical import canonical
from wai_ops.core.text import one_line

SchemaChange = tuple[bool | None, str, str, str]
"""Whether more arguments fit than before (None: cannot be told), where, before, after."""
_MOST = frozenset({"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"})
_LEAST = frozenset({"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"})
_NOTES = frozenset({"title", "description", "$comment", "examples", "default", "deprecated"})


def schema_changes(
    one: Mapping[str, Any] | None, two: Mapping[str, Any] | None
) -> Iterator[SchemaChange]:
    """Hold two schemas against each other; None is a schema that everything fits."""
    if one is None or two is None:
        if one is not two:
            texts = [
                "any" if item is None else one_line(canonical(item), 200) for item in (one, two)
            ]
            yield two is None, "arguments", texts[0], texts[1]
        return
    before, after = dict(_leaves(one, "arguments")), dict(_leaves(two, "arguments"))
    for path in sorted({*before, *after}):
        if before.get(path) != after.get(path):
            looser = _is_looser(path.rpartition(".")[2], before.get(path), after.get(path))
            if not _is_plain(path):
                looser = None
            yield looser, path, _text(before.get(path)), _text(after.get(path))


def _leaves(schema: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Path of a keyword -> its value, through properties and items."""
    if not isinstance(schema, Mapping):
        yield path, schema
        return
    for key, value in schema.items():
        if key == "properties":
            for name, inner in value.items():
                yield from _leaves(inner, f"{path}.{name}")
                if inner in (True, {}):
                    yield f"{path}.{name}", "any"
        elif key == "items" and isinstance(value, Mapping):
            yield from _leaves(value, f"{path}[]")
        elif key not in _NOTES:
            yield f"{path}.{key}", value


def _is_plain(path: str) -> bool:
    """Whether a keyword holds by itself, not inside of `not`, `if` or a choice."""
    return path.rpartition(".")[2] not in {"not", "if", "then", "else", "anyOf", "oneOf", "$defs"}


def _is_looser(keyword: str, before: Any, after: Any) -> bool | None:
    if keyword == "additionalProperties":
        one, two = (True if item is None else item for item in (before, after))
        return two is True if isinstance(one, bool) and isinstance(two, bool) else None
    if before is None or after is None:
        return after is None if keyword in _MOST | _LEAST | {"pattern", "enum", "type"} else None
    if keyword in _MOST:
        return bool(after > before)
    if keyword in _LEAST:
        return bool(after < before)
    if (
        keyword in ("enum", "required", "type")
        and isinstance(before, list)
        and isinstance(after, list)
    ):
        old, new = set(map(canonical, before)), set(map(canonical, after))
        if old < new:
            return keyword != "required"
        return keyword == "required" if new < old else None
    return None


def _text(value: Any) -> str:
    return "" if value is None else one_line(canonical(value), 200)
