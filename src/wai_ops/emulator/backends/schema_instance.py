"""A small valid instance of a JSON Schema: what the scripted model answers in JSON mode."""

from collections.abc import Mapping
from typing import Any

_DEEPEST = 8
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


def instance_of(schema: Mapping[str, Any]) -> Any:
    """Build the instance. Patterns and conditions are not understood: then it may not be valid."""
    return _build(schema, schema, 0)


def _build(schema: Any, root: Mapping[str, Any], depth: int) -> Any:
    if not isinstance(schema, Mapping):  # `true` allows anything
        return {}
    schema = _merged(schema, root)
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    if "default" in schema:
        return schema["default"]
    return _of_type(_type_of(schema), schema, root, depth)


def _of_type(
    kind: str | None, schema: Mapping[str, Any], root: Mapping[str, Any], depth: int
) -> Any:
    match kind:
        case "object":
            return _object(schema, root, depth)
        case "array":
            return _array(schema, root, depth)
        case "string":
            return _string(schema)
        case "integer":
            return int(_number(schema, 1))
        case "number":
            return _number(schema, 0)
        case "boolean":
            return True
        case "null":
            return None
    return {}


def _merged(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """One flat schema: references followed, `allOf` joined, the first alternative taken."""
    merged = dict(schema)
    for _ in range(_DEEPEST):
        if isinstance(reference := merged.pop("$ref", None), str):
            merged = {**_resolve(reference, root), **merged}
        elif parts := merged.pop("allOf", None):
            for part in parts:
                merged = _join(merged, part)
        elif options := merged.pop("anyOf", None) or merged.pop("oneOf", None):
            merged = _join(merged, options[0])
        else:
            break
    return merged


def _join(first: dict[str, Any], second: Any) -> dict[str, Any]:
    if not isinstance(second, Mapping):
        return first
    joined = {**first, **second}
    if "properties" in first and "properties" in second:
        joined["properties"] = {**first["properties"], **second["properties"]}
    if "required" in first and "required" in second:
        joined["required"] = [*first["required"], *second["required"]]
    return joined


def _resolve(reference: str, root: Mapping[str, Any]) -> Mapping[str, Any]:
    node: Any = root
    for part in reference.removeprefix("#").strip("/").split("/"):
        name = part.replace("~1", "/").replace("~0", "~")
        node = node.get(name) if isinstance(node, Mapping) and name else node
    return node if isinstance(node, Mapping) and node is not root else {}


def _type_of(schema: Mapping[str, Any]) -> str | None:
    named = schema.get("type")
    if isinstance(named, list):
        return next((name for name in named if name != "null"), "null")
    if isinstance(named, str):
        return named
    if "properties" in schema or "required" in schema:
        return "object"
    return "array" if "items" in schema else None


def _object(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> dict[str, Any]:
    """Only what is required; all properties where the schema does not say what is."""
    properties = schema.get("properties", {})
    names = schema.get("required")
    if names is None:
        names = list(properties) if depth < 2 else []
    if depth >= _DEEPEST:
        return {}
    return {name: _build(properties.get(name, True), root, depth + 1) for name in names}


def _array(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> list[Any]:
    if depth >= _DEEPEST:
        return []
    leading = schema.get("prefixItems", [])
    count = max(schema.get("minItems", 0), len(leading))
    if count == 0 and schema.get("maxItems", 1) > 0 and depth < 2:
        count = 1  # one item says more than none
    items = [*leading, *[schema.get("items", True)] * (count - len(leading))]
    built = [_build(item, root, depth + 1) for item in items]
    if schema.get("uniqueItems"):
        built = [_distinct(value, index) for index, value in enumerate(built)]
    return built


def _distinct(value: Any, index: int) -> Any:
    if index == 0 or isinstance(value, bool) or not isinstance(value, str | int | float):
        return value
    return f"{value} {index + 1}" if isinstance(value, str) else value + index


def _string(schema: Mapping[str, Any]) -> str:
    text = _FORMATS.get(schema.get("format", ""), "scripted")
    text = text.ljust(schema.get("minLength", 0), ".")
    return text[: schema["maxLength"]] if "maxLength" in schema else text


def _number(schema: Mapping[str, Any], step: int) -> float:
    """A value within the bounds; `step` is how far an integer must keep from an exclusive one."""
    gap = step or 0.5
    low = schema.get("minimum")
    if (exclusive := schema.get("exclusiveMinimum")) is not None:
        low = exclusive + gap
    high = schema.get("maximum")
    if (exclusive := schema.get("exclusiveMaximum")) is not None:
        high = exclusive - gap
    value: float = 1
    if low is not None:
        value = max(value, low)
    if high is not None:
        value = min(value, high)
    multiple = schema.get("multipleOf")
    if multiple:
        value = -(-value // multiple) * multiple
    return value
