"""Output against a JSON Schema: the answer is parsed and judged, never repaired."""

import json
import math
from typing import Any

from wai_ops.cloudflare.inference import Reply
from wai_ops.core.errors import UsageError
from wai_ops.core.failures import FailureClass
from wai_ops.core.text import one_line


class SchemaCheck:
    """Judges replies against one schema; `output` is the parsed answer once one has passed."""

    def __init__(self, schema: dict[str, Any], *, where: str) -> None:
        """Compile the schema. References are resolved inside it only: nothing is fetched.

        Raises UsageError when it is no valid JSON Schema.
        """
        import jsonschema
        import jsonschema.validators
        from referencing import Registry

        try:
            # An unknown dialect is judged as the latest one.
            kind = jsonschema.validators.validator_for(schema, jsonschema.Draft202012Validator)
            kind.check_schema(schema)
        except jsonschema.SchemaError as error:
            path = "/".join(str(part) for part in error.absolute_path)
            raise UsageError(
                f"not a valid JSON Schema: {one_line(error.message)}", where=f"{where}#/{path}"
            ) from error
        except (TypeError, ValueError, AttributeError, RecursionError) as error:
            raise UsageError(
                f"not a valid JSON Schema: {one_line(str(error))}", where=where
            ) from error
        self._validator = kind(schema, registry=Registry())
        self.output: Any = None

    def __call__(self, reply: Reply) -> None:
        """Set the reply's failure when its text does not meet the schema."""
        if reply.answer.finish_reason in {"length", "model_length"}:
            return  # cut by the limit: that is the finding, not the shape of the rest
        problem = self.problem_of(reply.answer.text)
        if problem is not None:
            reply.failure = FailureClass.INVALID_OUTPUT
            reply.error_message = problem

    def problem_of(self, text: str) -> str | None:
        """Say why a text does not meet the schema; None when it does, and keep what it holds."""
        from referencing.exceptions import Unresolvable

        try:
            value = json.loads(text, parse_float=_finite, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            return one_line(f"not JSON: {error}")
        try:
            problem = next(iter(self._validator.iter_errors(value)), None)
        except Unresolvable as error:
            return one_line(f"the schema refers to what it does not hold: {error}")
        except Exception as error:  # noqa: BLE001 - the answer is paid for: nothing may lose it
            # A schema that refers to itself, a number beyond all arithmetic, nesting too deep.
            return one_line(f"cannot be judged: {type(error).__name__}: {error}")
        if problem is not None:
            path = "/".join(str(part) for part in problem.absolute_path)
            return one_line(f"at /{path}: {problem.message}")
        self.output = value
        return None


def _finite(text: str) -> float:
    """Read a number; one beyond the range of floats would become infinity, which is not JSON."""
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"the number {text} is out of range")
    return value


def _refuse_constant(text: str) -> float:
    """Refuse NaN and Infinity, which Python reads and JSON does not know."""
    raise ValueError(f"{text} is no JSON value")
