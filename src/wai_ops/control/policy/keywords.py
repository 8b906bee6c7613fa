"""What may stand behind each keyword of JSON Schema: the meta-schema of 2020-12, in a table.

`jsonschema` could judge by the meta-schema itself, and importing it costs more start-up time than
all of loading; a test holds both against each other.
"""

from collections.abc import Callable, Mapping
from typing import Any

_TYPES = frozenset({"string", "integer", "number", "boolean", "null", "array", "object"})


def value_problem(keyword: str, value: Any) -> str | None:
    """What is wrong with the value of a keyword; None when it may stand there."""
    found = _VALUES.get(keyword)
    return None if found is None or found[0](value) else f"must be {found[1]}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return _is_number(value) and value >= 0 and value == int(value)


def _is_names(value: Any) -> bool:
    is_list = isinstance(value, list) and all(isinstance(item, str) for item in value)
    return is_list and len(set(value)) == len(value)


def _is_type(value: Any) -> bool:
    names = [value] if isinstance(value, str) else value
    return _is_names(names) and len(names) > 0 and _TYPES.issuperset(names)


def _is_names_by_name(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_names, value.values()))


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _is_mapping(value: Any) -> bool:
    return isinstance(value, dict)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


_NUMBER = (_is_number, "a number")
_COUNT = (_is_count, "a whole number, at least 0")
_TEXT = (_is_text, "text")
_FLAG = (_is_flag, "true or false")
_SCHEMAS = (lambda value: _is_list(value) and len(value) > 0, "a list of schemas")
_NAMED = (_is_mapping, "a mapping of schemas")
_VALUES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "type": (
        _is_type,
        "string, integer, number, boolean, null, array or object, or a list of them",
    ),
    "enum": (_is_list, "a list of values"),
    "required": (_is_names, "a list of names, each once"),
    "dependentRequired": (_is_names_by_name, "a mapping of lists of names"),
    "multipleOf": (lambda value: _is_number(value) and value > 0, "a number above 0"),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _NUMBER),
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems"), _COUNT),
    **dict.fromkeys(("minProperties", "maxProperties", "minContains", "maxContains"), _COUNT),
    **dict.fromkeys(("uniqueItems", "deprecated"), _FLAG),
    **dict.fromkeys(("title", "description", "$comment"), _TEXT),
    "examples": (_is_list, "a list of values"),
    **dict.fromkeys(("allOf", "anyOf", "oneOf", "prefixItems"), _SCHEMAS),
    **dict.fromkeys(("properties", "dependentSchemas", "$defs"), _NAMED),
}
