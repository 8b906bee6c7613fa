"""The arguments of a tool call: parsed and judged, never repaired."""

from collections.abc import Mapping
from typing import Any

from wai_ops.core.errors import UsageError
from wai_ops.runtime.schema_check import SchemaCheck

MAX_CHARS = 64 * 1024
_SAYS_WHAT_ELSE = frozenset(("additionalProperties", "unevaluatedProperties", "patternProperties"))


class ArgumentCheck:
    """Judges arguments against a tool's declared schema."""

    def __init__(self, schema: Mapping[str, Any], *, where: str) -> None:
        """Compile the schema. Raises UsageError when it is none."""
        self._check = SchemaCheck(closed(schema), where=where)

    def parsed(self, text: str) -> dict[str, Any]:
        """The arguments that a model wrote. Raises ValueError that says what is wrong."""
        if len(text) > MAX_CHARS:
            raise ValueError(f"the arguments are longer than {MAX_CHARS:,} characters")
        text = text.strip() or "{}"
        problem = self._check.problem_of(text)
        if problem is not None:
            raise ValueError(problem)
        value = self._check.output
        assert isinstance(value, dict)  # `schema_problem` sees to it
        if _has_surrogate(value):
            raise ValueError("the arguments hold half of a character")
        return value


def closed(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema that arguments must meet: what it does not name is refused."""
    if _SAYS_WHAT_ELSE & set(schema):
        return dict(schema)
    return {**schema, "additionalProperties": False}


def schema_problem(schema: Mapping[str, Any]) -> str | None:
    """Say why a schema cannot be one of arguments; None when it can."""
    if schema.get("type") != "object":
        return "the parameters must be a JSON Schema of `type: object`"
    if not isinstance(schema.get("properties", {}), Mapping):
        return "`properties` must be a mapping"
    try:
        SchemaCheck(dict(schema), where="parameters")
    except UsageError as error:
        return f"{error.where}: {error.message}"
    return None


def _has_surrogate(value: Any) -> bool:
    if isinstance(value, str):
        return any("\ud800" <= letter <= "\udfff" for letter in value)
    if isinstance(value, dict):
        return any(_has_surrogate(key) or _has_surrogate(item) for key, item in value.items())
    if isinstance(value, list):
        return any(_has_surrogate(item) for item in value)
    return False
