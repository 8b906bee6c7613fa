"""Picoschema, dotprompt's short way to write a schema, to JSON Schema."""

from collections.abc import Mapping
from typing import Any

SCALARS = ("any", "boolean", "integer", "null", "number", "string")
_MOST_DEPTH = 32
_WILDCARD = "(*)"


def to_json_schema(schema: Any) -> dict[str, Any]:
    """Translate a schema; one that is JSON Schema already stays. Raises ValueError."""
    if isinstance(schema, Mapping):
        if schema.get("type") in (*SCALARS, "object", "array"):
            return dict(schema)
        if isinstance(schema.get("properties"), Mapping):
            return {"type": "object", **schema}
    return _pico(schema, 0)


def _pico(schema: Any, depth: int) -> dict[str, Any]:
    if depth > _MOST_DEPTH:
        raise ValueError(f"the schema is nested deeper than {_MOST_DEPTH}")
    if isinstance(schema, str):
        return _scalar(schema)
    if not isinstance(schema, Mapping):
        raise ValueError(  # noqa: TRY004 - what a file says
            f"a schema is made of mappings and text, not {schema!r}"
        )
    properties: dict[str, Any] = {}
    required: list[str] = []
    additional: Any = False
    for key, value in schema.items():
        if key == _WILDCARD:
            additional = _pico(value, depth + 1)
            continue
        name, _, info = str(key).partition("(")
        is_optional = name.endswith("?")
        name = name.removesuffix("?")
        if not is_optional:
            required.append(name)
        properties[name] = _property(value, info, depth, is_optional=is_optional)
    found: dict[str, Any] = {"type": "object", "properties": properties}
    if required:
        found["required"] = required
    return {**found, "additionalProperties": additional}


def _property(value: Any, info: str, depth: int, *, is_optional: bool) -> dict[str, Any]:
    kind, description = _described(info.removesuffix(")"))
    found: dict[str, Any]
    if kind in ("", "object"):
        found = _pico(value, depth + 1)
    elif kind == "array":
        found = {"type": "array", "items": _pico(value, depth + 1)}
    elif kind == "enum":
        if not isinstance(value, list) or not value:
            raise ValueError("an enum is a list of values")
        null = [None] if is_optional and None not in value else []
        found = {"enum": [*value, *null]}
    else:
        raise ValueError(f"there is no kind `{kind}` in picoschema: array, object or enum")
    if is_optional and isinstance(found.get("type"), str):
        found["type"] = [found["type"], "null"]
    return {**found, "description": description} if description else found


def _scalar(text: str) -> dict[str, Any]:
    found: dict[str, Any]
    kind, description = _described(text)
    if kind.endswith("[]"):  # no picoschema, and yet what many files say
        found = {"type": "array", "items": _scalar(kind[:-2])}
        return {**found, "description": description} if description else found
    if kind not in SCALARS:
        raise ValueError(f"there is no type `{kind}`: {', '.join(SCALARS)}")
    found = {} if kind == "any" else {"type": kind}
    return {**found, "description": description} if description else found


def _described(text: str) -> tuple[str, str]:
    kind, _, description = text.partition(",")
    return kind.strip(), description.strip()
