"""How a knob is declared, and how a value from a file or a command line becomes one: pure.

A knob is a field of a frozen dataclass whose metadata says its type, its range and what it does.
`decode` is strict: it names every unknown key with the nearest real one, and every value that does
not fit, all at once.
"""

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, TypeVar

_T = TypeVar("_T")
_RULE = "wai.rule"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What a knob accepts."""

    kind: type
    """`bool`, `int`, `float` or `str`."""
    help: str
    low: float = 0
    high: float = math.inf
    choices: tuple[str, ...] = ()
    optional: bool = False
    is_list: bool = False
    at_start: bool = False
    """A change holds from the next start of the emulator."""


def knob(
    default: Any,
    kind: type,
    help: str,  # noqa: A002 - the word that everybody uses for it
    **rest: Any,
) -> Any:
    """Declare a knob. `rest` are the fields of `Rule`; None as default makes it optional."""
    rule = Rule(kind=kind, help=help, optional=default is None, **rest)
    return field(default=default, metadata={_RULE: rule})


def required_knob(kind: type, help: str, **rest: Any) -> Any:  # noqa: A002 - as above
    """Declare a knob without a default, in an item of a list."""
    return field(metadata={_RULE: Rule(kind=kind, help=help, **rest)})


def rules_of(cls: type) -> dict[str, Rule]:
    """The knobs of a section, by name."""
    return {item.name: item.metadata[_RULE] for item in fields(cls) if _RULE in item.metadata}


def decode(cls: type[_T], data: Any, where: str, problems: list[str]) -> _T | None:
    """Decode one section; what is wrong is added to `problems`, and then the answer is None."""
    if not isinstance(data, Mapping):
        problems.append(f"{where}: must be a mapping (`key: value`), not {_shown(data)}")
        return None
    rules = rules_of(cls)
    known = len(problems)
    values = {}
    for key, value in data.items():
        rule = rules.get(key) if isinstance(key, str) else None
        if rule is None:
            problems.append(unknown(str(key), tuple(rules), where))
        else:
            values[key] = _value(value, rule, f"{where}.{key}", problems)
    problems.extend(
        f"{where}.{item.name}: is required"
        for item in fields(cls)  # type: ignore[arg-type]  # a dataclass
        if item.default is MISSING and item.default_factory is MISSING and item.name not in data
    )
    return cls(**values) if len(problems) == known else None


def unknown(key: str, known: Sequence[str], where: str) -> str:
    """Say that a key is unknown, and which one is nearest."""
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    inside = f" in `{where}`" if where else ""
    guess = f"did you mean `{near[0]}`?" if near else f"known are {', '.join(known)}"
    return f"unknown key `{key}`{inside}; {guess}"


def _value(value: Any, rule: Rule, where: str, problems: list[str]) -> Any:
    if value is None and rule.optional:
        return None
    if not rule.is_list:
        return _scalar(value, rule, where, problems)
    if not isinstance(value, list | tuple):
        problems.append(f"{where}: must be a list, not {_shown(value)}")
        return ()
    return tuple(
        _scalar(item, rule, f"{where}[{index}]", problems) for index, item in enumerate(value)
    )


def _scalar(value: Any, rule: Rule, where: str, problems: list[str]) -> Any:
    if rule.kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, rule.kind) or (rule.kind is int and isinstance(value, bool)):
        problems.append(f"{where}: must be {_NAMES[rule.kind]}, not {_shown(value)}")
    elif rule.choices and value not in rule.choices:
        problems.append(f"{where}: must be {' or '.join(rule.choices)}, not {_shown(value)}")
    elif isinstance(value, int | float) and not rule.low <= value <= rule.high:
        problems.append(f"{where}: must be {range_text(rule)}, not {_shown(value)}")
    elif isinstance(value, float) and not math.isfinite(value):
        problems.append(f"{where}: must be a finite number")
    return value


def range_text(rule: Rule) -> str:
    """The range in words; empty for a knob that is no number."""
    if rule.kind not in (int, float):
        return ""
    if rule.high == math.inf:
        return f"at least {rule.low:g}"
    return f"between {rule.low:g} and {rule.high:g}"


_NAMES = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
}


def _shown(value: Any) -> str:
    match value:
        case None:
            return "empty"
        case bool():
            return str(value).lower()
        case Mapping():
            return "a mapping"
        case list() | tuple():
            return "a list"
    text = str(value)
    return text if len(text) <= 40 else f"{text[:39]}…"
