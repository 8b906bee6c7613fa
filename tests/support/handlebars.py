"""A small Handlebars, written against its documentation and nothing of ours: the other opinion.

Covers what the property test of `wai prompts import` uses: values, if, unless, each, with, else,
comments, `@index`, `@first`, `@last`, `@key`, `../`, `~`, and tags that stand alone on a line.
Nothing is escaped, as dotprompt has it.
"""

import re
from collections.abc import Mapping
from typing import Any

_TAG = re.compile(r"(\{\{~?!--.*?--~?\}\}|\{\{.*?\}\})", re.DOTALL)
_MISSING = object()


def render(template: str, data: Mapping[str, Any]) -> str:
    """Evaluate a template that is well formed."""
    nodes, rest = _parse(_tokens(template), 0, "")
    assert rest is None
    return _run(nodes, [data], {})


def _tokens(template: str) -> list[str]:
    """Texts and tags in turn, texts at even places, white space done."""
    parts = _TAG.split(template)
    texts = parts[0::2]
    tags = parts[1::2]
    left = list(texts)
    for place, tag in enumerate(tags):
        before, behind = texts[place], texts[place + 1]
        is_alone = re.match(r"\{\{~?(?:[#/^!>]|else\b)", tag) is not None
        ends = re.search(r"(\n|\A)[ \t]*\Z" if place == 0 else r"\n[ \t]*\Z", before)
        begins = re.match(
            r"[ \t]*(\n|\Z)" if place == len(tags) - 1 else r"[ \t]*\n",
            behind,
        )
        # A tag right beside another one has no line of its own, but at the ends of the template.
        if is_alone and ends and begins:
            left[place] = re.sub(r"[ \t]+\Z", "", left[place])
            left[place + 1] = re.sub(r"\A[ \t]*\n?", "", left[place + 1])
    for place, tag in enumerate(tags):
        if re.match(r"\{\{~", tag):
            left[place] = left[place].rstrip()
        if re.search(r"~\}\}\Z", tag):
            left[place + 1] = left[place + 1].lstrip()
    out = [left[0]]
    for place, tag in enumerate(tags):
        out += [tag, left[place + 1]]
    return out


def _words(tag: str) -> str:
    return tag.strip("{}").strip("~").strip()


def _parse(tokens: list[str], place: int, until: str) -> tuple[list[Any], int | None]:
    """Nodes up to the tag that ends the block, and the place of that tag."""
    nodes: list[Any] = []
    while place < len(tokens):
        token = tokens[place]
        if place % 2 == 0:
            nodes.append(token)
            place += 1
            continue
        words = _words(token)
        if words.startswith("!"):
            place += 1
        elif words.startswith("#"):
            kind, argument = words[1:].split()
            body, end = _parse(tokens, place + 1, kind)
            assert end is not None
            other: list[Any] = []
            if _words(tokens[end]) == "else":
                other, end = _parse(tokens, end + 1, kind)
            nodes.append((kind, argument, body, other))
            assert end is not None
            place = end + 1
        elif words == "else" or words == f"/{until}":
            return nodes, place
        else:
            nodes.append(("value", words, [], []))
            place += 1
    return nodes, None


def _run(nodes: list[Any], stack: list[Any], marks: Mapping[str, Any]) -> str:
    out = []
    for node in nodes:
        if isinstance(node, str):
            out.append(node)
            continue
        kind, argument, body, other = node
        value = _look(argument, stack, marks)
        if kind == "value":
            out.append(_printed(value))
        elif kind in ("if", "unless"):
            out.append(_run(body if _truth(value) is (kind == "if") else other, stack, marks))
        elif kind == "with":
            out.append(
                _run(body, [*stack, value], marks) if _truth(value) else _run(other, stack, marks)
            )
        else:
            out.append(_each(value, body, other, stack, marks))
    return "".join(out)


def _each(value: Any, body: Any, other: Any, stack: Any, marks: Mapping[str, Any]) -> str:
    pairs: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        pairs = list(value.items())
    elif isinstance(value, list):
        pairs = list(enumerate(value))
    if not pairs:
        return _run(other, stack, marks)
    out = []
    for number, (key, item) in enumerate(pairs):
        inner = {
            "index": number,
            "key": key,
            "first": number == 0,
            "last": number == len(pairs) - 1,
        }
        out.append(_run(body, [*stack, item], {**marks, **inner}))
    return "".join(out)


def _look(path: str, stack: list[Any], marks: Mapping[str, Any]) -> Any:
    if path.startswith("@"):
        return marks.get(path[1:], _MISSING)
    up = 0
    while path.startswith("../"):
        path, up = path[3:], up + 1
    value = stack[-1 - up]
    for name in [part for part in path.split(".") if part != "this"]:
        value = value.get(name, _MISSING) if isinstance(value, dict) else _MISSING
    return value


def _truth(value: Any) -> bool:
    """Nothing, null, false, 0, empty text and empty lists are false; an empty object is not."""
    return value is not _MISSING and (isinstance(value, dict) or bool(value))


def _printed(value: Any) -> str:
    if value is _MISSING or value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ",".join(map(_printed, value))
    return str(value)
