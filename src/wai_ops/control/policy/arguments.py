"""Whether arguments of a tool call fit the schema of a rule."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from wai_ops.control.policy.schema import DIALECT, matches
from wai_ops.core.text import one_line


class ArgumentCheck:
    """A schema, ready to be asked. Made once, when policies are loaded."""

    __slots__ = ("_validator", "schema")

    def __init__(self, schema: Mapping[str, Any]) -> None:
        """Take a schema without problems (`schema_problems`)."""
        self.schema = schema
        self._validator: Any = None

    def problem(self, arguments: Mapping[str, Any] | None) -> str | None:
        """What keeps arguments from fitting, in words; None when they fit."""
        if arguments is None:
            return "the arguments are not known"
        error = next(self._checker().iter_errors(arguments), None)
        if error is None:
            return None
        return f"arguments{one_line(error.json_path.removeprefix('$'), 80)}: {_said(error)}"

    def _checker(self) -> Any:
        if self._validator is None:
            self._validator = _validator_class()({**self.schema, "$schema": DIALECT})
        return self._validator


def _said(error: Any) -> str:
    """The keyword that is not met, without the value: arguments may hold what is not to be kept."""
    limit = one_line(repr(error.validator_value), 80)
    return f"does not meet `{error.validator}: {limit}`"


@lru_cache(maxsize=1)
def _validator_class() -> Any:
    import jsonschema
    from jsonschema import validators

    return validators.extend(  # type: ignore[no-untyped-call]  # it has no types
        jsonschema.Draft202012Validator, {"pattern": _pattern}
    )


def _pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Any:  # noqa: ARG001
    import jsonschema

    if isinstance(instance, str) and not matches(pattern, instance):
        yield jsonschema.ValidationError("does not fit the pattern")
