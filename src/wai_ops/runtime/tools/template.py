"""Variables of a tool's declaration: where they may stand, and what is put in their place.

An argument never becomes syntax. In a URL it fills a part of one path segment, or one value of the
query, percent-encoded; in a JSON body it is a value; for a command it is a part of one element of
the argument list.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from wai_ops.control.policy.paths import path_problem
from wai_ops.runtime.tools.canonical import canonical

VARIABLE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]{0,63})\}")
_BRACE = re.compile(r"[{}]")
_TEMPLATE_URL = re.compile(r"(https?://[^/?#{}@\\\s]+)(/[^?#\\\s]*)?\Z")
ROOT = "{@root}"
"""In the argument list of a command: the folder of wai.yaml."""


class TemplateError(ValueError):
    """An argument cannot stand where the declaration puts it; the message is for the model."""


def variables_of(text: str) -> list[str]:
    """The names of the variables in a text. Raises ValueError for a stray brace."""
    if _BRACE.search(VARIABLE.sub("", text)):
        raise ValueError("holds a brace that is no {name}")
    return VARIABLE.findall(text)


def split_url(template: str) -> tuple[str, str]:
    """A URL template as origin and path. Raises ValueError when variables could steer it."""
    found = _TEMPLATE_URL.match(template)
    if found is None:
        raise ValueError(
            "must be http(s)://host/path: no variables before the path, no user name, "
            "no ? or # (write `query:`)"
        )
    origin, path = found[1], found[2] or "/"
    variables_of(path)
    for segment in path.split("/"):
        if segment in (".", ".."):
            raise ValueError("must not hold the segments . and ..")
    return origin, path


def fill_url(template: str, query: Mapping[str, str], arguments: Mapping[str, Any]) -> str:
    """The whole URL of one call. Raises TemplateError."""
    origin, path = split_url(template)
    filled = "/".join(_segment(segment, arguments) for segment in path.split("/"))
    if problem := path_problem(filled):
        raise TemplateError(f"an argument does not fit into the address: {problem}")
    pairs = [
        f"{quote(name, safe='')}={quote(text, safe='')}"
        for name, value in query.items()
        for text in _query_values(value, arguments)
    ]
    return origin + filled + ("?" + "&".join(pairs) if pairs else "")


def fill_body(template: Any, arguments: Mapping[str, Any]) -> Any:
    """The JSON of one call; members whose argument was not given are left out."""
    if isinstance(template, str):
        whole = VARIABLE.fullmatch(template)
        if whole is not None:
            return arguments[whole[1]]
        return VARIABLE.sub(lambda found: as_text(arguments[found[1]], found[1]), template)
    if isinstance(template, Mapping):
        return {
            key: fill_body(value, arguments)
            for key, value in template.items()
            if not _lacks(value, arguments)
        }
    if isinstance(template, Sequence):
        return [fill_body(item, arguments) for item in template if not _lacks(item, arguments)]
    return template


def fill_argv(argv: Sequence[str], arguments: Mapping[str, Any], *, root: str) -> list[str]:
    """The argument list of one call. Raises TemplateError.

    An element whose variables were not given is left out. A value may not begin an element with a
    dash, unless `--` stands before it: it would be an option to the program.
    """
    filled: list[str] = []
    options_ended = False
    for element in argv:
        if _lacks(element, arguments):
            continue
        text = root.join(_put(part, arguments) for part in element.split(ROOT))
        if "\0" in text:
            raise TemplateError("an argument holds a NUL character")
        begins = VARIABLE.match(element)
        if begins is not None and text.startswith("-") and not options_ended:
            raise TemplateError(f"{begins[1]} must not begin with a dash")
        options_ended = options_ended or text == "--"
        filled.append(text)
    return filled


def variables_in(template: Any) -> Iterator[str]:
    """Every variable of a query, a body or an argument list; other braces are text."""
    if isinstance(template, str):
        yield from VARIABLE.findall(template)
    elif isinstance(template, Mapping):
        for value in template.values():
            yield from variables_in(value)
    elif isinstance(template, Sequence):
        for item in template:
            yield from variables_in(item)


def as_text(value: Any, name: str) -> str:
    """One argument as text: what JSON spells without quotes stays as JSON spells it."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool | int | float):
        return json.dumps(canonical(value))
    raise TemplateError(f"{name} must be a single value")


def _put(text: str, arguments: Mapping[str, Any]) -> str:
    return VARIABLE.sub(lambda found: as_text(arguments[found[1]], found[1]), text)


def _segment(template: str, arguments: Mapping[str, Any]) -> str:
    names = VARIABLE.findall(template)
    if not names:
        return template
    for name in names:
        if name not in arguments:
            raise TemplateError(f"{name} is needed for the address")
        text = as_text(arguments[name], name)
        if not text:
            raise TemplateError(f"{name} must not be empty")
        if not text.isprintable():
            raise TemplateError(f"{name} holds characters that no address may hold")
    filled = _put(template, arguments)
    if filled in (".", ".."):
        raise TemplateError(f"{names[0]} must not be . or ..")
    return VARIABLE.sub(
        lambda found: quote(as_text(arguments[found[1]], found[1]), safe=""), template
    )


def _query_values(template: str, arguments: Mapping[str, Any]) -> list[str]:
    """The values of one name: none when the argument is missing, several for a list."""
    if _lacks(template, arguments):
        return []
    whole = VARIABLE.fullmatch(template)
    value = arguments[whole[1]] if whole else None
    if isinstance(value, list):
        return [as_text(item, whole[1] if whole else "") for item in value]
    return [_put(template, arguments)]


def _lacks(template: Any, arguments: Mapping[str, Any]) -> bool:
    if not isinstance(template, str):
        return False
    return any(name not in arguments for name in VARIABLE.findall(template))
