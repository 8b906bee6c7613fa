"""Whether arguments of a tool call fit the schema of a rule.

Keywords that most rules use are compiled to functions, because a decision has microseconds; a
schema with any other keyword goes to `jsonschema`, which both must agree with (a test compares
them). Nothing here repeats the value: arguments may hold what must not stand in a log.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sized
from functools import lru_cache
from typing import Any

from wai_ops.control.policy.schema import DIALECT, matcher
from wai_ops.core.text import one_line

MAX_DEPTH = 32
MAX_NODES = 10_000
"""Values in the arguments of one call."""
Misfit = tuple[str, str]
"""Where in the arguments (`.customer.id`), and the keyword that is not met with its value."""
Check = Callable[[Any], Misfit | None]
_SCALARS = (str, int, float, bool, type(None))
_NOTED = frozenset({"$schema", "$comment", "title", "description", "default", "examples"})
_NOTES = _NOTED | {"deprecated", "$defs"}


class ArgumentCheck:
    """A schema, ready to be asked. Made once, when policies are loaded."""

    __slots__ = ("_check", "schema")

    def __init__(self, schema: Mapping[str, Any]) -> None:
        """Take a schema without problems (`schema_problems`)."""
        self.schema = schema
        self._check = _compile(schema, schema.get("$defs"))

    def problem(self, arguments: Mapping[str, Any] | None) -> str | None:
        """What keeps arguments from fitting, in words; None when they fit."""
        if arguments is None:
            return "the arguments are not known"
        if not isinstance(arguments, dict):
            arguments = dict(arguments)
        if not _is_json(arguments):
            return "the arguments are not JSON, or too large"
        misfit = self._check(arguments)
        if misfit is None:
            return None
        return f"arguments{one_line(misfit[0], 80)}: does not meet `{one_line(misfit[1], 100)}`"


def _is_json(value: Any) -> bool:
    """Whether a value is plain JSON of finite numbers, neither too deep nor too large."""
    layer, count = [value], 0
    for _ in range(MAX_DEPTH):
        count += len(layer)
        if count > MAX_NODES:
            return False
        below: list[Any] = []
        for item in layer:
            kind = type(item)
            if kind is dict:
                below += item
                below += item.values()
            elif kind is list:
                below += item
            elif kind is float:
                if not math.isfinite(item):
                    return False
            elif kind not in _SCALARS:
                return False
        if not below:
            return True
        layer = below
    return False


def _compile(schema: Any, definitions: Any) -> Check:
    """The function of a schema: None, or where and what is not met."""
    if schema is True:
        return lambda _: None
    if schema is False:
        return lambda _: ("", "false")
    parts: list[Check] = []
    for key, value in schema.items():
        if key in _NOTES:
            continue
        make = _MAKERS.get(key)
        part = None if make is None else make(schema, value, definitions)
        if part is None:
            return _by_jsonschema(schema, definitions)
        parts.append(part)
    return parts[0] if len(parts) == 1 else _all(parts)


def _all(parts: list[Check]) -> Check:
    def check(value: Any) -> Misfit | None:
        for part in parts:
            if (misfit := part(value)) is not None:
                return misfit
        return None

    return check


def _by_jsonschema(schema: Mapping[str, Any], definitions: Any) -> Check:
    whole = {**schema, "$schema": DIALECT}
    if definitions is not None:
        whole["$defs"] = definitions
    validator = _validator_class()(whole)

    def check(value: Any) -> Misfit | None:
        error = next(validator.iter_errors(value), None)
        if error is None:
            return None
        return error.json_path.removeprefix("$"), f"{error.validator}: {error.validator_value!r}"

    return check


@lru_cache(maxsize=1)
def _validator_class() -> Any:
    import jsonschema
    from jsonschema import validators

    return validators.extend(  # type: ignore[no-untyped-call]  # it has no types
        jsonschema.Draft202012Validator, {"pattern": _jsonschema_pattern}
    )


def _jsonschema_pattern(validator: Any, pattern: str, value: Any, schema: Any) -> Iterator[Any]:  # noqa: ARG001 - the library's signature
    import jsonschema

    if isinstance(value, str) and matcher(pattern)(value) is None:
        yield jsonschema.ValidationError("does not fit the pattern")


def _is_integer(value: Any) -> bool:
    kind = type(value)
    return kind is int or (kind is float and value.is_integer())


_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "string": lambda value: type(value) is str,
    "integer": _is_integer,
    "number": lambda value: type(value) in (int, float),
    "boolean": lambda value: type(value) is bool,
    "null": lambda value: value is None,
    "array": lambda value: type(value) is list,
    "object": lambda value: type(value) is dict,
}


def _type(_: Any, wanted: Any, __: Any) -> Check:
    names = [wanted] if isinstance(wanted, str) else wanted
    misfit = "", f"type: {wanted}"
    tests = [_TYPES[name] for name in names]
    if len(tests) == 1:
        test = tests[0]
        return lambda value: None if test(value) else misfit
    return lambda value: None if any(test(value) for test in tests) else misfit


def _among(keyword: str) -> Callable[[Any, Any, Any], Check | None]:
    def make(_: Any, wanted: Any, __: Any) -> Check | None:
        values = wanted if keyword == "enum" else [wanted]
        if not all(isinstance(item, _SCALARS) for item in values):
            return None
        # True is 1 to Python, and something else to JSON; 1.0 is 1 to both.
        known = {(type(item) is bool, item) for item in values}
        misfit = "", f"{keyword}: {wanted!r}"

        def check(value: Any) -> Misfit | None:
            if isinstance(value, _SCALARS) and (type(value) is bool, value) in known:
                return None
            return misfit

        return check

    return make


def _number(keyword: str, holds: Callable[[Any, Any], bool]) -> Callable[[Any, Any, Any], Check]:
    def make(_: Any, limit: Any, __: Any) -> Check:
        misfit = "", f"{keyword}: {limit}"

        def check(value: Any) -> Misfit | None:
            return misfit if type(value) in (int, float) and not holds(value, limit) else None

        return check

    return make


def _length(
    keyword: str, kind: type[Sized], holds: Callable[[int, Any], bool]
) -> Callable[[Any, Any, Any], Check]:
    def make(_: Any, limit: Any, __: Any) -> Check:
        misfit = "", f"{keyword}: {limit}"

        def check(value: Any) -> Misfit | None:
            return misfit if type(value) is kind and not holds(len(value), limit) else None

        return check

    return make


def _pattern(_: Any, pattern: str, __: Any) -> Check:
    misfit = "", f"pattern: {pattern}"
    occurs = matcher(pattern)
    return lambda value: misfit if type(value) is str and occurs(value) is None else None


def _required(_: Any, names: list[str], __: Any) -> Check:
    def check(value: Any) -> Misfit | None:
        if type(value) is dict:
            for name in names:
                if name not in value:
                    return "", f"required: {name}"
        return None

    return check


def _properties(_: Any, properties: Mapping[str, Any], definitions: Any) -> Check:
    checks = [(name, _compile(schema, definitions)) for name, schema in properties.items()]

    def check(value: Any) -> Misfit | None:
        if type(value) is dict:
            for name, inner in checks:
                if name in value and (misfit := inner(value[name])) is not None:
                    return f".{name}{misfit[0]}", misfit[1]
        return None

    return check


def _additional(schema: Mapping[str, Any], wanted: Any, definitions: Any) -> Check:
    named = frozenset(schema.get("properties", ()))
    inner = _compile(wanted, definitions)

    def check(value: Any) -> Misfit | None:
        if type(value) is dict:
            for name in value:
                if name not in named and (misfit := inner(value[name])) is not None:
                    if wanted is False:
                        return f".{name}", "additionalProperties: false"
                    return f".{name}{misfit[0]}", misfit[1]
        return None

    return check


def _property_names(_: Any, wanted: Any, definitions: Any) -> Check:
    inner = _compile(wanted, definitions)

    def check(value: Any) -> Misfit | None:
        if type(value) is dict:
            for name in value:
                if (misfit := inner(name)) is not None:
                    return f".{name}", f"propertyNames: {misfit[1]}"
        return None

    return check


def _items(schema: Mapping[str, Any], wanted: Any, definitions: Any) -> Check | None:
    if "prefixItems" in schema:
        return None
    inner = _compile(wanted, definitions)

    def check(value: Any) -> Misfit | None:
        if type(value) is list:
            for place, item in enumerate(value):
                if (misfit := inner(item)) is not None:
                    return f"[{place}]{misfit[0]}", misfit[1]
        return None

    return check


def _all_of(_: Any, schemas: list[Any], definitions: Any) -> Check:
    return _all([_compile(schema, definitions) for schema in schemas])


def _any_of(_: Any, schemas: list[Any], definitions: Any) -> Check:
    checks = [_compile(schema, definitions) for schema in schemas]
    misfit = "", "anyOf"
    return lambda value: None if any(check(value) is None for check in checks) else misfit


def _one_of(_: Any, schemas: list[Any], definitions: Any) -> Check:
    checks = [_compile(schema, definitions) for schema in schemas]
    misfit = "", "oneOf"
    return lambda value: None if sum(check(value) is None for check in checks) == 1 else misfit


def _not(_: Any, schema: Any, definitions: Any) -> Check:
    check = _compile(schema, definitions)
    return lambda value: ("", "not") if check(value) is None else None


_MAKERS: Mapping[str, Callable[[Any, Any, Any], Check | None]] = {
    "type": _type,
    "enum": _among("enum"),
    "const": _among("const"),
    "minimum": _number("minimum", lambda value, limit: value >= limit),
    "maximum": _number("maximum", lambda value, limit: value <= limit),
    "exclusiveMinimum": _number("exclusiveMinimum", lambda value, limit: value > limit),
    "exclusiveMaximum": _number("exclusiveMaximum", lambda value, limit: value < limit),
    "minLength": _length("minLength", str, lambda length, limit: length >= limit),
    "maxLength": _length("maxLength", str, lambda length, limit: length <= limit),
    "minItems": _length("minItems", list, lambda length, limit: length >= limit),
    "maxItems": _length("maxItems", list, lambda length, limit: length <= limit),
    "minProperties": _length("minProperties", dict, lambda length, limit: length >= limit),
    "maxProperties": _length("maxProperties", dict, lambda length, limit: length <= limit),
    "pattern": _pattern,
    "required": _required,
    "properties": _properties,
    "additionalProperties": _additional,
    "propertyNames": _property_names,
    "items": _items,
    "allOf": _all_of,
    "anyOf": _any_of,
    "oneOf": _one_of,
    "not": _not,
}
