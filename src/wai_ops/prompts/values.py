"""Values of variables: what fits a type, and reading one from the text of `--var`."""

import json
import math
import re
from collections.abc import Sequence
from typing import Any

from wai_ops.core.errors import UsageError
from wai_ops.core.text import one_line
from wai_ops.prompts.frontmatter import VariableType

_WHOLE = re.compile(r"[-+]?\d{1,18}\Z", re.ASCII)
_NUMBER = re.compile(r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d{1,4})?\Z", re.ASCII)
_BOOLEANS = {"true": True, "false": False}
_LONGEST_NUMBER = 60


def value_problem(kind: VariableType, value: Any) -> str | None:
    """Say what keeps plain data from being a value of this type; None when it is one."""
    fits = {
        VariableType.STRING: isinstance(value, str),
        VariableType.INTEGER: type(value) is int,
        VariableType.NUMBER: type(value) in (int, float) and math.isfinite(value),
        VariableType.BOOLEAN: isinstance(value, bool),
        VariableType.LIST: isinstance(value, list | tuple),
        VariableType.OBJECT: isinstance(value, dict),
    }[kind]
    return None if fits else f"must be {_WORDS[kind]}"


_WORDS = {
    VariableType.STRING: "text",
    VariableType.INTEGER: "a whole number",
    VariableType.NUMBER: "a number",
    VariableType.BOOLEAN: "true or false",
    VariableType.LIST: "a list",
    VariableType.OBJECT: "an object",
}


def parse_pairs(pairs: Sequence[str]) -> dict[str, str]:
    """Take `NAME=VALUE` apart, as `--var` gives it. Raises UsageError."""
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.isidentifier():
            raise UsageError(f"--var {one_line(pair, 80)!r} is not NAME=VALUE")
        if name in found:
            raise UsageError(f"--var {name} is given twice")
        found[name] = value
    return found


def parse_value(kind: VariableType, text: str) -> Any:
    """Read a value from text, as `--var` gives it: text as it is, lists and objects as JSON.

    Raises ValueError with what it must be.
    """
    if kind is VariableType.STRING:
        return text
    if kind is VariableType.INTEGER and _WHOLE.match(text):
        return int(text)
    if kind is VariableType.NUMBER and len(text) <= _LONGEST_NUMBER and _NUMBER.match(text):
        value = int(text) if _WHOLE.match(text) else float(text)
        if math.isfinite(value):
            return value
    if kind is VariableType.BOOLEAN and text in _BOOLEANS:
        return _BOOLEANS[text]
    if kind in (VariableType.LIST, VariableType.OBJECT):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"must be {_WORDS[kind]}, as JSON") from error
        if value_problem(kind, value) is None:
            return value
        raise ValueError(f"must be {_WORDS[kind]}, as JSON")
    raise ValueError(f"must be {_WORDS[kind]}")
