"""The Common Expression Language, through Google's own implementation of it.

It bounds size, depth and loops of an expression, and its patterns run in linear time, so that no
policy can stop or crash the emulator.
"""

from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any

ROOTS = ("cf", "metadata")
_MAX_SAFE_INTEGER = 2**53


class CelSyntaxError(ValueError):
    """The expression cannot be compiled."""


class MissingFieldError(LookupError):
    """The expression refers to a field that the request does not have."""


class EvaluationError(Exception):
    """The expression could not be evaluated for another reason."""


class Expression:
    """A compiled expression over `cf` and `metadata`."""

    def __init__(self, text: str) -> None:
        """Compile. Raises CelSyntaxError."""
        try:
            self._compiled = _environment().compile(text)
        except (RuntimeError, TypeError) as error:  # TypeError: text that is not Unicode
            raise CelSyntaxError(_first_line(error)) from error

    def evaluate(self, identity: Mapping[str, Any]) -> Any:
        """The value for one request. Raises MissingFieldError or EvaluationError.

        `identity` comes from `identity_data`.
        """
        try:
            result = self._compiled.eval(data=dict(identity))
        except (RuntimeError, TypeError, ValueError) as error:
            raise EvaluationError(_first_line(error)) from error
        value = result.plain_value()
        if result.type() == _error_type():
            # The library has no other sign of a missing field than the text of its error.
            if str(value).startswith("NOT_FOUND:"):
                raise MissingFieldError(str(value))
            raise EvaluationError(str(value))
        return value


@lru_cache(maxsize=1024)
def compile_expression(text: str) -> Expression:
    """Compile once, however often a policy is read anew. Raises CelSyntaxError."""
    return Expression(text)


def identity_data(cf: Mapping[str, Any], metadata: Mapping[str, Any]) -> dict[str, Any]:
    """What expressions see, in values that the library takes whatever a client has sent."""
    return {"cf": _plain(cf), "metadata": _plain(metadata)}


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return value if abs(value) <= _MAX_SAFE_INTEGER else _as_float(value)
    if isinstance(value, Mapping):
        return {_plain(str(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _as_float(value: int) -> float:
    """As a JSON number is read where all numbers are doubles."""
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]


@cache
def _environment() -> Any:
    from cel_expr_python import cel

    return cel.NewEnv(variables=dict.fromkeys(ROOTS, cel.Type.DYN))


@cache
def _error_type() -> Any:
    from cel_expr_python import cel

    return cel.Type.ERROR
