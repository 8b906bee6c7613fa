"""The filters that a prompt may use, each bounded before it makes anything.

Left out on purpose: what escapes for HTML (it would change values), what is random, and what runs
code (`attr`, `format`).
"""

import json
from collections.abc import Callable
from typing import Any

from jinja2 import filters as builtin
from jinja2.runtime import Context, Undefined
from jinja2.utils import _PassArg, pass_context

from wai_ops.prompts.allowance import MAX_ITEMS, MAX_VALUE, TooMuch, weight
from wai_ops.prompts.unknown import Unknown, first_unknown

Filter = Callable[..., Any]
_FROM_JINJA = (
    *("abs", "batch", "capitalize", "count", "d", "default", "dictsort", "first", "float"),
    *("groupby", "indent", "int", "items", "join", "last", "length", "list", "lower", "map"),
    *("max", "min", "reject", "rejectattr", "replace", "reverse", "round", "select"),
    *("selectattr", "slice", "sort", "title", "trim", "truncate", "unique", "upper", "wordcount"),
)
_SLOW = frozenset({"title", "wordcount"})
_MAX_SLOW = 200_000
"""Characters for filters that look at every word in Python."""
_TAKES_TEXT = frozenset(
    {*("capitalize", "count", "d", "default", "first", "float", "indent", "int", "last", "length")}
    | {*("lower", "replace", "reverse", "title", "trim", "truncate", "upper", "wordcount")}
)
_OF_TEXT = frozenset(
    {*("capitalize", "indent", "lower", "replace", "title", "trim", "truncate", "upper")}
    | {"wordcount"}
)
"""Jinja2 lets these take anything and print how Python shows it, with addresses in memory."""
_MAX_WIDTH = 1000
_MAX_INDENT = 8
_MAX_DEPTH = 64


def scalar_text(value: Any) -> str:
    """The text of a single value. Raises TypeError for what has no one obvious text."""
    if isinstance(value, str | Undefined):
        return str(value)
    if isinstance(value, bool | int | float):
        return str(value)
    if value is None:
        raise TypeError("null cannot be printed: use | default('…', true), or {% if %}")
    if isinstance(value, list | tuple | dict):
        kind = "an object" if isinstance(value, dict) else "a list"
        raise TypeError(f"{kind} cannot be printed as it is: use | join(', ') or | tojson")
    raise TypeError("this cannot be printed")


def to_json(value: Any, indent: int | None = None) -> str:
    """Write a value as JSON with sorted keys: the same data is always the same text."""
    if isinstance(value, Undefined):
        return str(value)  # raises, naming the variable
    if indent is not None and not 0 <= indent <= _MAX_INDENT:
        raise TooMuch(f"tojson indents by 0 to {_MAX_INDENT}")
    depth = _depth(value)
    # Every element may stand on a line of its own, behind as many spaces as it lies deep.
    fits_text(weight(value) * (1 + (indent or 0) * depth))
    return json.dumps(
        value,
        ensure_ascii=False,
        sort_keys=True,
        indent=indent,
        allow_nan=False,
        default=_not_json,
    )


def _not_json(value: Any) -> Any:
    if isinstance(value, Unknown):
        value.ends()
    raise TypeError("tojson writes plain data only")


def _depth(value: Any) -> int:
    """How deep data is nested. Raises TooMuch when that is deeper than any data of a prompt."""
    depth, level = 0, [value]
    while level := [
        inner
        for item in level
        if isinstance(item, list | tuple | dict)
        for inner in (item.values() if isinstance(item, dict) else item)
    ]:
        depth += 1
        if depth > _MAX_DEPTH:
            raise TooMuch(f"tojson writes data of at most {_MAX_DEPTH} levels")
    return depth


def total(values: Any, attribute: Any = None, start: float = 0) -> Any:
    """Add up numbers; `attribute` is refused, because map(attribute=…) does that."""
    if attribute is not None:
        raise TypeError("use | map(attribute=…) | sum")
    numbers = list(values)
    if any(isinstance(n, bool) or not isinstance(n, int | float) for n in (*numbers, start)):
        raise TypeError("sum adds numbers only")
    return sum(numbers, start)


def all_filters() -> dict[str, Filter]:
    """Name -> filter, ready for an environment."""
    found = {name: builtin.FILTERS[name] for name in _FROM_JINJA}
    found |= {"string": scalar_text, "tojson": to_json, "sum": total}
    return {name: _bounded(name, function) for name, function in found.items()}


def _bounded(name: str, function: Filter) -> Filter:
    passed = _PassArg.from_obj(function)

    @pass_context
    def run(context: Context, value: Any, *args: Any, **kwargs: Any) -> Any:
        allowance = context.allowance  # type: ignore[attr-defined]  # a BoundedContext
        allowance.tick()
        if (unknown := first_unknown(value, *args, *kwargs.values())) is not None:
            return unknown
        _check_size(name, value)
        if name in _OF_TEXT:
            value = scalar_text(value)
        if name == "replace":
            args = tuple(scalar_text(item) for item in args[:2]) + args[2:]
            kwargs |= {key: scalar_text(kwargs[key]) for key in ("old", "new") if key in kwargs}
        if name == "join":
            return _join(context, value, *args, **kwargs)
        if name in _CHECKS:
            _CHECKS[name](value, *args, **kwargs)
        first = _passed(passed, context)
        return allowance.made(function(*first, value, *args, **kwargs))

    return run


def _passed(kind: _PassArg | None, context: Context) -> tuple[Any, ...]:
    """What a filter of Jinja2 wants before its value."""
    if kind is _PassArg.context:
        return (context,)
    if kind is _PassArg.eval_context:
        return (context.eval_ctx,)
    return (context.environment,) if kind is _PassArg.environment else ()


def _check_size(name: str, value: Any) -> None:
    """Refuse a text that is too long for what the filter does with it."""
    if not isinstance(value, str):
        return
    if name not in _TAKES_TEXT and len(value) > MAX_ITEMS:
        raise TooMuch(f"{name} goes through more than {MAX_ITEMS} characters")
    if name in _SLOW and len(value) > _MAX_SLOW:
        raise TooMuch(f"{name} takes at most {_MAX_SLOW} characters")


def _join(context: Context, value: Any, d: Any = "", attribute: Any = None) -> str:
    """Join texts; the length is known before they are put together."""
    allowance = context.allowance  # type: ignore[attr-defined]  # a BoundedContext
    if attribute is not None:
        raise TypeError("use | map(attribute=…) | join")
    items = [_element(item) for item in allowance.each(value)]
    between = scalar_text(d)
    length = sum(map(len, items)) + len(between) * max(len(items) - 1, 0)
    allowance.text(length)
    return between.join(items)


def _element(item: Any) -> str:
    if (unknown := first_unknown(item)) is not None:
        unknown.ends()
    return scalar_text(item)


def check_replace(text: Any, old: Any, new: Any, count: Any = None) -> None:
    """Refuse a replacement whose result would be too long."""
    if isinstance(text, str) and isinstance(old, str) and isinstance(new, str):
        found = text.count(old) if old else len(text) + 1
        fits_text(len(text) + found * len(new))
    elif not isinstance(text, str):
        raise TypeError("replace works on text")
    if count is not None and not isinstance(count, int):
        raise TypeError("replace counts in whole numbers")


def _check_indent(text: Any, width: Any = 4, first: Any = False, blank: Any = False) -> None:
    del first, blank
    size = len(width) if isinstance(width, str) else _width(width)
    fits_text(len(text) + (text.count("\n") + 1) * size)


def _check_count(value: Any, count: Any, fill_with: Any = None) -> None:
    del value, fill_with
    _width(count)


def _check_round(value: Any, precision: Any = 0, method: Any = "common") -> None:
    del value, method
    if not isinstance(precision, int) or not -20 <= precision <= 20:
        raise TooMuch("round takes a precision between -20 and 20")


def _check_int(value: Any, default: Any = 0, base: Any = 10) -> None:
    del default, base
    if isinstance(value, str) and len(value) > _MAX_WIDTH:
        raise TooMuch(f"a number has at most {_MAX_WIDTH} digits")


_CHECKS: dict[str, Callable[..., None]] = {
    "replace": check_replace,
    "indent": _check_indent,
    "batch": _check_count,
    "slice": _check_count,
    "round": _check_round,
    "int": _check_int,
    "float": _check_int,
}


def _width(value: Any) -> int:
    if not isinstance(value, int) or not 0 <= value <= _MAX_WIDTH:
        raise TooMuch(f"a width or count is between 0 and {_MAX_WIDTH}")
    return value


def fits_text(length: int) -> None:
    """Refuse a text of that length. Raises TooMuch."""
    if length > MAX_VALUE:
        raise TooMuch(f"a text gets longer than {MAX_VALUE} characters")
