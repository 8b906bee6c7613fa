"""Rules for single values, written beside the field that they guard: `Annotated[float, SECONDS]`.

A rule works on its own (environment variables) and under pydantic (files). It imports nothing, so
that settings cost no start-up time.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from wai_ops.config.urls import base_url_problem
from wai_ops.core.ids import is_name

_ACCOUNT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}\Z")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}\Z")
_MASK_KIND = re.compile(r"[a-z0-9](?:-?[a-z0-9]){0,19}\Z")
_LABEL = re.compile(r"[a-z][a-z0-9_-]{0,31}\Z")
_LINT_RULE = re.compile(r"WP\d{3}\Z", re.ASCII)
_GUARD_PREFIX = re.compile(r"[a-z][a-z0-9-]{0,19}\Z")
_BUDGET = re.compile(r"[a-z0-9](?:-?[a-z0-9]){0,39}\Z")
_POLICY_RULE = re.compile(r"WG\d{3}\Z", re.ASCII)
_BUDGET_RULE = re.compile(r"WB\d{3}\Z", re.ASCII)
_PERIOD = re.compile(r"[1-9]\d{0,3}[hdw]\Z")
_HOST = re.compile(
    r"(?=.{1,253}\Z)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z"
)
_MODEL = re.compile(r"@?[A-Za-z0-9][A-Za-z0-9._-]*(?:/[A-Za-z0-9][A-Za-z0-9._-]*)+\Z")
MAX_SECONDS = 7 * 86400
MAX_USD = Decimal(1_000_000)


@dataclass(frozen=True, slots=True)
class Rule:
    """A test on top of a type: returns what is wrong, or None. None as a value always passes."""

    problem: Callable[[Any], str | None]

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        """Tell pydantic to run the rule after its own check of the type."""
        from pydantic_core import core_schema

        return core_schema.no_info_after_validator_function(self.checked, handler(source))

    def checked(self, value: Any) -> Any:
        """Return the value. Raises ValueError with what is wrong with it."""
        problem = None if value is None else self.problem(value)
        if problem is not None:
            raise ValueError(problem)
        return value


def _between(low: float, high: float, what: str) -> Rule:
    return Rule(lambda value: None if low <= value <= high else f"must be {what}, not {value}")


def _seconds(value: float) -> str | None:
    if 0 < value <= MAX_SECONDS:
        return None
    return f"must be a number of seconds above 0 and at most {MAX_SECONDS}, not {value:g}"


def _seconds_or_zero(value: float) -> str | None:
    return None if value == 0 else _seconds(value)


def _milliseconds(value: float) -> str | None:
    most = MAX_SECONDS * 1000
    if 0 < value <= most:
        return None
    return f"must be a number of milliseconds above 0 and at most {most}, not {value:g}"


def _ratio(value: Decimal) -> str | None:
    return None if 0 < value <= 1 else f"must be above 0 and at most 1, not {value:f}"


def _usd(value: Decimal) -> str | None:
    return None if 0 <= value <= MAX_USD else f"must be between 0 and {MAX_USD} dollars"


def _limit_usd(value: Decimal) -> str | None:
    return None if 0 < value <= MAX_USD else f"must be above 0 and at most {MAX_USD} dollars"


def _name(value: str) -> str | None:
    if is_name(value):
        return None
    return (
        "must be a name: letters, digits and . _ @ / -, starting with a letter or digit, "
        "at most 128 characters"
    )


def model_problem(value: str) -> str | None:
    """Say what keeps `value` from being a model id; None when it could be one."""
    if len(value) <= 200 and _MODEL.match(value):
        return None
    return "must be a model id such as @cf/google/gemma-4-26b-a4b-it"


def _family_prefix(value: str) -> str | None:
    if value.strip() == value and value.isprintable() and 0 < len(value) <= 128:
        return None
    return "must be the beginning of a tool's name: printable, at most 128 characters"


def _id(what: str) -> Rule:
    text = f"must be {what}: letters, digits, - and _, at most 64 characters"
    return Rule(lambda value: None if _ACCOUNT.match(value) else text)


def _price(price: Any) -> str | None:
    for name in ("input", "output", "cached_input"):
        amount = getattr(price, name)
        if amount is not None and (problem := _usd(amount)):
            return f"{name} {problem}"
    return None


def host_problem(value: str) -> str | None:
    """Say what keeps `value` from being a host name as URLs carry it; None when it is one."""
    if not value.isascii():
        return "must be a host name in ASCII: write its punycode form (xn--…)"
    if not _HOST.match(value):
        return "must be a host name in lower case, without scheme, port or path"
    if value.rpartition(".")[2].isdigit():
        return "must be a host name, not an address: requests to addresses are always refused"
    return None


def _addresses(value: str) -> str | None:
    import ipaddress

    try:
        ipaddress.ip_network(value)
    except ValueError:
        return "must be an address or a network such as 10.20.0.0/16"
    return None


def _not_empty(value: str) -> str | None:
    return None if value.strip() and value.isprintable() else "must be printable and not empty"


def _path(value: Path) -> str | None:
    return "must name a file or folder" if value == Path() else _not_empty(str(value))


SECONDS = Rule(_seconds)
SECONDS_OR_ZERO = Rule(_seconds_or_zero)
MILLISECONDS = Rule(_milliseconds)
RATIO = Rule(_ratio)
PERIOD = Rule(
    lambda value: None if _PERIOD.match(value) else "must be a period such as 24h, 7d or 4w"
)
VARIABLE = Rule(
    lambda value: None if _VARIABLE.match(value) else "must be the name of an environment variable"
)
MASK_KIND = Rule(
    lambda value: (
        None
        if _MASK_KIND.match(value)
        else "must be a short name: lower-case letters and digits, with dashes between them"
    )
)
LABEL = Rule(
    lambda value: (
        None
        if _LABEL.match(value) and value not in ("work", "latest")
        else "must be a label such as production, without a tenant"
    )
)
LINT_RULE = Rule(
    lambda value: None if _LINT_RULE.match(value) else "must be the id of a rule, such as WP006"
)
POLICY_RULE = Rule(
    lambda value: None if _POLICY_RULE.match(value) else "must be the id of a rule, such as WG006"
)
BUDGET_RULE = Rule(
    lambda value: None if _BUDGET_RULE.match(value) else "must be the id of a rule, such as WB006"
)
TOOL_PREFIX = Rule(_family_prefix)
USD = Rule(_usd)
HOST = Rule(host_problem)
ADDRESSES = Rule(_addresses)
LIMIT_USD = Rule(_limit_usd)
BUDGET = Rule(
    lambda value: (
        None
        if _BUDGET.match(value)
        else "must be a short name: lower-case letters and digits, with dashes between them"
    )
)
GUARD_PREFIX = Rule(
    lambda value: (
        None
        if _GUARD_PREFIX.match(value)
        else "must be lower-case letters, digits and dashes, at most 20 characters"
    )
)
NAME = Rule(_name)
MODEL = Rule(model_problem)
URL = Rule(base_url_problem)
ACCOUNT = _id("an account id")
GATEWAY = _id("a gateway name")
PARALLEL = _between(1, 16, "between 1 and 16")
ATTEMPTS = _between(1, 10, "between 1 and 10")
OUTPUT_TOKENS = _between(1, 1_000_000, "between 1 and 1000000")
CHECKPOINT_TURNS = _between(0, 1000, "between 0 (off) and 1000")
KEPT_TURNS = _between(1, 100, "between 1 and 100")
BLOCK_TOKENS = _between(1, 8192, "between 1 and 8192")
TEMPERATURE = _between(0, 5, "between 0 and 5")
PRICE = Rule(_price)
TEXT = Rule(_not_empty)
FILE = Rule(_path)
VERSION = Rule(lambda value: None if value == "1" else 'must be "1", the only version there is')
