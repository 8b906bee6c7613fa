"""JSON Schemas in policies: which ones are taken, so that each checks what it seems to.

JSON Schema ignores what it does not know, and `format` is a comment to it: in a rule that has to
hold something back both would be holes. What could take endless time or reach elsewhere is
refused as well: remote and circular references, patterns that RE2 cannot run.
"""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

from wai_ops.config.problems import nearest
from wai_ops.config.yaml_strict import DataPath
from wai_ops.control.policy.keywords import value_problem
from wai_ops.core.text import one_line

DIALECT = "https://json-schema.org/draft/2020-12/schema"
MOST_NODES = 5_000
"""Schemas inside one schema, every reference followed."""
_ONE = ("not", "if", "then", "else", "items", "contains", "additionalProperties", "propertyNames")
_MANY = ("allOf", "anyOf", "oneOf", "prefixItems")
_NAMED = ("properties", "dependentSchemas", "$defs")
_OTHERS = (
    *("type", "enum", "const", "required", "dependentRequired", "minProperties", "maxProperties"),
    *("minLength", "maxLength", "pattern", "minimum", "maximum", "exclusiveMinimum"),
    *("exclusiveMaximum", "multipleOf", "minItems", "maxItems", "uniqueItems", "minContains"),
    *("maxContains", "$ref", "$schema", "$comment", "title", "description", "default"),
    *("examples", "deprecated"),
)
KEYWORDS = frozenset({*_ONE, *_MANY, *_NAMED, *_OTHERS})
_REFUSED = {
    "format": "`format` is only a comment to JSON Schema: use `pattern` or `enum`",
    "patternProperties": "`patternProperties` is not taken: name the properties, or use "
    "`propertyNames` with a pattern",
    "$id": "`$id` is not taken: references stay inside the schema",
    "$anchor": "`$anchor` is not taken: refer to `#/$defs/…`",
    "$dynamicRef": "`$dynamicRef` is not taken: refer to `#/$defs/…`",
    "$dynamicAnchor": "`$dynamicAnchor` is not taken: refer to `#/$defs/…`",
    "unevaluatedProperties": "`unevaluatedProperties` is not taken: use `additionalProperties`",
    "unevaluatedItems": "`unevaluatedItems` is not taken: use `items`",
}

Found = tuple[DataPath, str]
"""Where inside the schema, and what is wrong there."""


def plain(value: Any) -> Any:
    """The same data as JSON has it: fractions become doubles."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return float(value) if isinstance(value, Decimal) else value


def schema_problems(schema: Any) -> list[Found]:
    """Everything that keeps a schema from being used in a policy."""
    found = list(_walk(schema, ()))
    if not found and (size := _Size(schema).problem()):
        found.append(((), size))
    return found


def _walk(schema: Any, path: DataPath) -> Iterator[Found]:
    if isinstance(schema, bool):
        return
    if not isinstance(schema, dict):
        yield path, "must be a schema: a mapping, true or false"
        return
    for key, value in schema.items():
        at = (*path, key)
        if problem := _keyword_problem(key, value):
            yield at, problem
        else:
            yield from _inner(key, value, at)


def _keyword_problem(key: str, value: Any) -> str | None:
    if key in _REFUSED:
        return _REFUSED[key]
    if key not in KEYWORDS:
        near = nearest(key, KEYWORDS)
        advice = f"; did you mean `{near}`?" if near else ""
        return f"unknown keyword `{one_line(key, 60)}` of JSON Schema{advice}"
    if key == "$schema" and value != DIALECT:
        return f"must be {DIALECT}, or left out"
    if key == "$ref" and not (isinstance(value, str) and value.startswith("#/$defs/")):
        return "a reference stays inside the schema: `#/$defs/NAME`"
    if key == "pattern":
        return _pattern_problem(value)
    return value_problem(key, value)


def _inner(key: str, value: Any, path: DataPath) -> Iterator[Found]:
    if key in _ONE:
        yield from _walk(value, path)
    elif key in _MANY and isinstance(value, list):
        for place, item in enumerate(value):
            yield from _walk(item, (*path, place))
    elif key in _NAMED and isinstance(value, dict):
        for name, item in value.items():
            yield from _walk(item, (*path, name))


def _pattern_problem(pattern: Any) -> str | None:
    if not isinstance(pattern, str):
        return "must be a pattern"
    if isinstance(compiled := _compiled(pattern), str):
        return f"is no pattern of RE2: {compiled}"
    return None


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> Any:
    """The compiled pattern, or in words why there is none."""
    import re2

    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        said = error.args[0] if error.args else ""
        return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    except UnicodeEncodeError:
        return "it holds half of a surrogate pair"


def matcher(pattern: str) -> Callable[[str], Any]:
    """The search for a pattern without problems: a match, or None.

    Half of a surrogate pair in a text raises UnicodeEncodeError, so that it is no way around a
    denial.
    """
    search: Callable[[str], Any] = _compiled(pattern).search
    return search


class _Size:
    """Counts the schemas that a check may visit, and finds references that lead in circles."""

    def __init__(self, schema: Any) -> None:
        self._root = schema
        self._known: dict[int, int] = {}
        self._open: set[int] = set()
        self._problem: str | None = None

    def problem(self) -> str | None:
        """What is wrong; None when a check comes to an end soon."""
        if self._count(self._root) > MOST_NODES and self._problem is None:
            self._problem = f"is larger than {MOST_NODES:,} schemas once references are followed"
        return self._problem

    def _count(self, schema: Any) -> int:
        if not isinstance(schema, dict):
            return 1
        key = id(schema)
        if key in self._open:
            self._problem = "its references lead in a circle"
            return 0
        if key not in self._known:
            self._open.add(key)
            self._known[key] = 1 + sum(map(self._count, self._children(schema)))
            self._open.discard(key)
        return self._known[key]

    def _children(self, schema: dict[str, Any]) -> Iterator[Any]:
        for key, value in schema.items():
            if key == "$ref":
                yield self._target(value)
            elif key in _ONE:
                yield value
            elif key in _MANY and isinstance(value, list):
                yield from value
            elif key in _NAMED and key != "$defs" and isinstance(value, dict):
                yield from value.values()

    def _target(self, reference: str) -> Any:
        found = resolve(self._root, reference)
        if found is None:
            self._problem = f"`{one_line(reference, 80)}` refers to nothing"
            return True
        return found


def resolve(root: Any, reference: str) -> Any:
    """The schema that `#/$defs/NAME` refers to; None when there is none."""
    name = reference.removeprefix("#/$defs/").replace("~1", "/").replace("~0", "~")
    return (root.get("$defs") or {}).get(name) if isinstance(root, dict) else None
