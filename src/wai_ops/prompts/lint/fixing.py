"""`--fix`: what can be corrected without changing what a prompt says.

Two things can: tools are sorted, and mappings are gone through in the order of their keys. Every
correction is made in memory, the prompt is read again from that, and only what came out exactly
as meant is written: each file whole, and only if it still is what was read.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import nodes

from wai_ops.core.errors import DataError
from wai_ops.prompts.compiling import sandbox
from wai_ops.prompts.errors import PromptError
from wai_ops.prompts.files import read_below, write_whole
from wai_ops.prompts.lint.limits import TOOLS, tool_name
from wai_ops.prompts.lint.look import Options
from wai_ops.prompts.lint.mappings import UNSORTED, viewed_mapping
from wai_ops.prompts.lint.tool_sorting import sorted_tools
from wai_ops.prompts.lint.view import Piece, view_of
from wai_ops.prompts.names import check_prompt_name
from wai_ops.prompts.source import Source, parse_source
from wai_ops.prompts.version import behaviour

_ITEMS = ".items()"
_SORTED = " | dictsort(true)"
_BREAK = re.compile(r"\r\n|\r|\n")
Files = dict[str, str]
"""Path below `prompts/` -> its new text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """One correction that was made."""

    rule: str
    file: str
    what: str


def fix_prompts(folder: Path, names: Sequence[str], options: Options) -> list[Fix]:
    """Correct the prompts of these names on disk; what was done, in order.

    Prompts that cannot be read are left alone. Raises DataError when a file has changed meanwhile
    or cannot be written.
    """
    done: list[Fix] = []
    for name in names:
        try:
            source = parse_source(check_prompt_name(name), lambda path: read_below(folder, path))
            changed, fixes = fix_source(source, options)
        except (PromptError, RecursionError):
            continue  # the look that follows says so
        for path, text in changed.items():
            _write(folder, path, source.files[path], text)
        done += fixes
    return done


def fix_source(source: Source, options: Options) -> tuple[Files, list[Fix]]:
    """The files of one prompt that change, and why. Raises PromptError for an unusable prompt."""
    changed: Files = {}
    fixes: list[Fix] = []
    current = source
    ignored = {rule for rule, level in options.levels.items() if level is None}
    ignored |= set(source.front.lint.ignore)
    for rule, make in ((UNSORTED, _sort_mappings), (TOOLS, _sort_tools)):
        if rule.id in ignored:
            continue
        made = make(current)
        if made is None:
            continue
        files, what = made
        changed |= files
        current = _reread(current, files)
        fixes += [Fix(rule=rule.id, file=f"prompts/{path}", what=what) for path in files]
    return changed, fixes


def _reread(source: Source, files: Mapping[str, str]) -> Source:
    texts = {**source.files, **files}
    return parse_source(source.name, lambda path: texts[path].encode("utf-8"))


def _sort_tools(source: Source) -> tuple[Files, str] | None:
    tools = list(source.front.tools)
    wanted = sorted(tools, key=tool_name)
    if tools == wanted or (made := sorted_tools(source)) is None:
        return None
    files = dict([made])
    try:
        new = _reread(source, files)
    except PromptError:
        return None
    expected = {**behaviour(source), "tools": [dict(tool) for tool in wanted]}
    # Dictionaries are equal in any order of their keys; the order inside a tool counts, too.
    is_meant = repr(behaviour(new)) == repr(expected)
    return (files, "tools sorted by name") if is_meant else None


def _sort_mappings(source: Source) -> tuple[Files, str] | None:
    """Let loops over `m.items()` go through `m | dictsort(true)`."""
    edits: dict[str, set[int]] = {}
    for piece in view_of(source).pieces:
        place = _place_of_items(source, piece)
        if place is not None:
            edits.setdefault(place[0], set()).add(place[1])
    files: Files = {}
    for path, offsets in edits.items():
        text = source.files[path]
        for offset in sorted(offsets, reverse=True):
            text = text[:offset] + _SORTED + text[offset + len(_ITEMS) :]
        files[path] = text
    if not files:
        return None
    try:
        new = _reread(source, files)
    except PromptError:
        return None
    if not _is_same_but_sorted(source, new):
        return None
    return files, "mappings gone through in the order of their keys"


def _place_of_items(source: Source, piece: Piece) -> tuple[str, int] | None:
    """File and offset of `.items()` in a loop that goes through just that."""
    if not piece.holds or not piece.expressions or piece.text.count(_ITEMS) != 1:
        return None
    viewed = viewed_mapping(piece.expressions[0])
    if viewed is None or viewed[1] != "items" or piece.word != "for":
        return None
    section = source.sections[piece.section]
    path, line, column = section.place(piece.start + piece.text.index(_ITEMS))
    offset = _offset(source.files[path], line, column)
    is_there = source.files[path].startswith(_ITEMS, offset)
    return (path, offset) if is_there else None


def _offset(text: str, line: int, column: int) -> int:
    start = 0
    for number, match in enumerate(_BREAK.finditer(text), start=1):
        if number == line:
            break
        if number == line - 1:
            start = match.end()
    return start + column - 1


def _is_same_but_sorted(old: Source, new: Source) -> bool:
    """Whether the templates differ in sorted loops only, and nothing else differs at all."""
    before, after = behaviour(old), behaviour(new)
    texts = [(item.pop("text"), other.pop("text")) for item, other in _pairs(before, after)]
    return before == after and all(_trees_match(one, other) for one, other in texts)


def _pairs(before: dict[str, Any], after: dict[str, Any]) -> list[tuple[Any, Any]]:
    return list(zip(before["sections"], after["sections"], strict=True))


def _trees_match(one: str, other: str) -> bool:
    tree, new = sandbox().parse(one), sandbox().parse(other)
    loops, new_loops = list(tree.find_all(nodes.For)), list(new.find_all(nodes.For))
    if len(loops) != len(new_loops):
        return False
    for loop, new_loop in zip(loops, new_loops, strict=True):
        viewed = viewed_mapping(loop.iter)
        after = new_loop.iter
        if viewed is None or viewed[1] != "items" or not isinstance(after, nodes.Filter):
            continue
        if after.name == "dictsort" and after.node == viewed[0] and after.args == [_TRUE]:
            new_loop.iter = loop.iter  # the one difference that is meant
    return tree == new


_TRUE = nodes.Const(True)


def _write(folder: Path, path: str, old: str, new: str) -> None:
    where = f"prompts/{path}"
    if read_below(folder, path).decode("utf-8") != old:
        raise DataError("has changed while it was looked at", where=where, hint="try again")
    try:
        write_whole(folder / path, new.encode("utf-8"))
    except OSError as error:
        raise DataError(f"cannot be written: {error.strerror}", where=where) from error
