"""A small valid instance of a JSON Schema: what the scripted model answers in JSON mode.

Schemas come from anybody. What makes no sense in one is read as if it were not there, and the size
of an instance is bounded, whatever the schema asks for.
"""

from collections.abc import Mapping
from typing import Any

_DEEPEST = 8
_MOST_VALUES = 2000
_MOST_ITEMS = 100
_LONGEST = 10_000
_LARGEST = 1e15
_FORMATS = {
    "date-time": "2026-01-01T00:00:00Z",
    "date": "2026-01-01",
    "time": "00:00:00Z",
    "email": "scripted@example.com",
    "uri": "https://example.com/",
    "url": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "ipv4": "192.0.2.1",
    "hostname": "example.com",
}
_Schema = Mapping[str, Any]


def instance_of(schema: _Schema) -> Any:
    """Build the instance. Patterns and conditions are not understood: then it may not be valid."""
    return _Builder(schema).build(schema, 0)


class _Builder:
    def __init__(self, root: _Schema) -> None:
        self._root = root
        self._left = _MOST_VALUES

    def build(self, schema: Any, depth: int) -> Any:
        self._left -= 1
        if not isinstance(schema, Mapping) or depth > _DEEPEST or self._left < 0:
            return {}  # `true` allows anything, and nothing may go on for ever
        schema = self._flat(schema)
        if "const" in schema:
            return schema["const"]
        if choices := _list(schema, "enum"):
            return choices[0]
        if "default" in schema:
            return schema["default"]
        match _type_of(schema):
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(schema, depth)
            case str(kind):
                return _scalar(kind, schema)
        return {}

    def _flat(self, schema: _Schema) -> _Schema:
        """One flat schema: references followed, `allOf` joined, the first alternative taken."""
        flat = dict(schema)
        for _ in range(_DEEPEST):
            if isinstance(reference := flat.pop("$ref", None), str):
                flat = {**self._resolve(reference), **flat}
                continue
            parts = _list(flat, "allOf")
            for name in ("anyOf", "oneOf"):
                if not parts:
                    parts = _list(flat, name)[:1]
                    flat.pop(name, None)
            flat.pop("allOf", None)
            if not parts:
                break
            for part in parts:
                flat = _join(flat, part)
        return flat

    def _resolve(self, reference: str) -> _Schema:
        node: Any = self._root
        for part in reference.removeprefix("#").strip("/").split("/"):
            name = part.replace("~1", "/").replace("~0", "~")
            node = node.get(name) if isinstance(node, Mapping) else None
        return node if isinstance(node, Mapping) else {}

    def _object(self, schema: _Schema, depth: int) -> dict[str, Any]:
        """Only what is required; all properties where the schema does not say what is."""
        properties = _mapping(schema, "properties")
        names = [name for name in _list(schema, "required") if isinstance(name, str)]
        if "required" not in schema and depth < 2:
            names = list(properties)
        return {name: self.build(properties.get(name, True), depth + 1) for name in names}

    def _array(self, schema: _Schema, depth: int) -> list[Any]:
        leading = _list(schema, "prefixItems")[:_MOST_ITEMS]
        count = max(int(_number(schema, "minItems") or 0), len(leading))
        highest = _number(schema, "maxItems")
        if count == 0 and depth < 2 and (highest is None or highest > 0):
            count = 1  # one item says more than none
        rest = min(count, _MOST_ITEMS) - len(leading)
        items = [*leading, *[schema.get("items", True)] * rest]
        built = [self.build(item, depth + 1) for item in items]
        if schema.get("uniqueItems") is True:
            built = [_distinct(value, index) for index, value in enumerate(built)]
        return built


def _join(first: dict[str, Any], second: Any) -> dict[str, Any]:
    if not isinstance(second, Mapping):
        return first
    joined = {**first, **second}
    for schema in (first, second):
        if "properties" in schema:
            own = _mapping(schema, "properties")
            joined["properties"] = {**_mapping(first, "properties"), **own}
    if "required" in first and "required" in second:
        joined["required"] = [*_list(first, "required"), *_list(second, "required")]
    return joined


def _type_of(schema: _Schema) -> str | None:
    named = schema.get("type")
    if isinstance(named, list):
        named = next((name for name in named if name != "null"), "null")
    if isinstance(named, str):
        return named
    if "properties" in schema or "required" in schema:
        return "object"
    return "array" if "items" in schema else None


def _scalar(kind: str, schema: _Schema) -> Any:
    match kind:
        case "string":
            return _string(schema)
        case "integer":
            return int(_within(schema, 1))
        case "number":
            return _within(schema, 0.5)
        case "boolean":
            return True
        case "null":
            return None
    return {}


def _string(schema: _Schema) -> str:
    form = schema.get("format")
    text = _FORMATS.get(form, "scripted") if isinstance(form, str) else "scripted"
    text = text.ljust(min(int(_number(schema, "minLength") or 0), _LONGEST), ".")
    longest = _number(schema, "maxLength")
    return text if longest is None else text[: max(0, int(longest))]


def _within(schema: _Schema, gap: float) -> float:
    """A number within the bounds; `gap` is how far to keep from an exclusive one."""
    low = _number(schema, "minimum")
    if (exclusive := _number(schema, "exclusiveMinimum")) is not None:
        low = exclusive + gap
    high = _number(schema, "maximum")
    if (exclusive := _number(schema, "exclusiveMaximum")) is not None:
        high = exclusive - gap
    value: float = 1
    if low is not None:
        value = max(value, low)
    if high is not None:
        value = min(value, high)
    multiple = _number(schema, "multipleOf")
    return -(-value // multiple) * multiple if multiple else value


def _distinct(value: Any, index: int) -> Any:
    if index == 0 or isinstance(value, bool) or not isinstance(value, str | int | float):
        return value
    return f"{value} {index + 1}" if isinstance(value, str) else value + index


def _mapping(schema: _Schema, name: str) -> _Schema:
    value = schema.get(name)
    return value if isinstance(value, Mapping) else {}


def _list(schema: _Schema, name: str) -> list[Any]:
    value = schema.get(name)
    return value if isinstance(value, list) else []


def _number(schema: _Schema, name: str) -> float | None:
    value = schema.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > _LARGEST:
        return None
    return value
