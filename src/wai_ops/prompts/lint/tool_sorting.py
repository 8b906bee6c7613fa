"""Sorting the tools of a prompt in the file that holds them, every other byte left as it is.

The texts of the tools change places, with the comments right above each. Whether that came out
right is not decided here: the caller reads the result again and compares.
"""

import json
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from wai_ops.config.yaml_strict import Document, parse
from wai_ops.prompts.lint.limits import tool_name
from wai_ops.prompts.source import Source
from wai_ops.prompts.tags import normal_lines

_FRONT = re.compile(r"\A\ufeff?---[ \t]*(?:\r\n|\r|\n)")
_FENCE = re.compile(r"^---[ \t]*$", re.MULTILINE)
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")
_DASH = re.compile(r"([ \t]*)-[ \t]+\S")


def sorted_tools(source: Source) -> tuple[str, str] | None:
    """The file that holds the list of tools, and its text with them sorted; None: not by machine.

    The path is relative to `prompts/`.
    """
    names = [tool_name(tool) for tool in source.front.tools]
    order = sorted(range(len(names)), key=lambda place: names[place])
    path, text = next(iter(source.files.items()))
    front = _front_of(text)
    if front is None:
        return None
    document = parse(front.encode(), path)
    listed = document.data["tools"]
    if isinstance(listed, str):
        path, text = listed, source.files[listed]
        if path.endswith(".json"):
            new = _json_sorted(text, order)
            return None if new is None else (path, new)
        document = parse(normal_lines(text).encode(), path)
    new = _yaml_sorted(text, document, order)
    return None if new is None else (path, new)


def _front_of(text: str) -> str | None:
    """The YAML of a front matter, on the lines where the file has it."""
    normal = normal_lines(text)
    opening = _FRONT.match(normal)
    closing = None if opening is None else _FENCE.search(normal, opening.end())
    if opening is None or closing is None:
        return None
    return "\n" + normal[opening.end() : closing.start()]


def _yaml_sorted(text: str, document: Document, order: Sequence[int]) -> str | None:
    """Move the lines of each item of a list in block style."""
    lines = _LINE.findall(text)
    starts = []
    indents = set()
    for place in range(len(order)):
        mark = document.marks.get(("tools", place))
        match = None if mark is None else _DASH.match(lines[mark.line - 1])
        if mark is None or match is None or match.end() != mark.column:
            return None
        indents.add(match[1])
        starts.append(mark.line - 1)
    if len(indents) != 1 or len(set(starts)) < len(starts):
        return None
    indent = len(indents.pop())
    end = _end_of_list(lines, starts[-1], indent)
    for number in range(len(starts)):
        floor = starts[number - 1] + 1 if number else 0
        while starts[number] > floor and _is_remark(lines[starts[number] - 1], indent):
            starts[number] -= 1
    bounds = [*starts, end]
    blocks = ["".join(lines[low:high]) for low, high in pairwise(bounds)]
    is_open = not blocks[-1].endswith(("\r", "\n"))
    if is_open:
        blocks[-1] += "\n"
    moved = "".join(blocks[place] for place in order)
    if is_open:
        moved = moved.removesuffix("\n").removesuffix("\r")
    return "".join(lines[: bounds[0]]) + moved + "".join(lines[end:])


def _is_remark(line: str, indent: int) -> bool:
    """Whether a line is a comment on what comes below; deeper ones belong to what is above."""
    text = line.lstrip(" \t")
    return text.startswith("#") and len(line) - len(text) <= indent


def _end_of_list(lines: Sequence[str], last: int, indent: int) -> int:
    """The line behind the last item; blank lines and comments at its end stay behind it."""
    end = last + 1
    for number in range(last + 1, len(lines)):
        line = lines[number]
        if not line.strip():
            continue
        if len(line) - len(line.lstrip(" \t")) <= indent:
            break
        end = number + 1
    return end


def _json_sorted(text: str, order: Sequence[int]) -> str | None:
    """Move the texts of the items of a list; what stands between them stays."""
    begin = _list_begin(text)
    if begin is None:
        return None
    decoder = json.JSONDecoder()
    spans = []
    place = begin + 1
    for _ in order:
        place = _skip(text, place, ",")
        _, end = decoder.raw_decode(text, place)
        spans.append((place, end))
        place = end
    pieces = []
    done = 0
    for (start, end), source in zip(spans, order, strict=True):
        low, high = spans[source]
        pieces += [text[done:start], text[low:high]]
        done = end
    return "".join([*pieces, text[done:]])


def _list_begin(text: str) -> int | None:
    """Where the list of tools opens: the whole file, or its member `tools`."""
    decoder = json.JSONDecoder()
    place = _skip(text, 1 if text.startswith("\ufeff") else 0)
    if text[place] == "[":
        return place
    place += 1
    while place < len(text) and text[place] != "}":
        place = _skip(text, place, ",")
        key, place = decoder.raw_decode(text, place)
        place = _skip(text, place, ":")
        if key == "tools":
            return place if text[place] == "[" else None
        value: tuple[Any, int] = decoder.raw_decode(text, place)
        place = _skip(text, value[1])
    return None


def _skip(text: str, place: int, sign: str = "") -> int:
    while place < len(text) and text[place] in " \t\r\n" + sign:
        place += 1
    return place
