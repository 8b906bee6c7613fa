"""The parts of two versions side by side: texts by role, settings, tools, the first difference."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Any

from wai_ops.prompts.frontmatter import Parameters, Variable
from wai_ops.prompts.includes import where_of
from wai_ops.prompts.source import Section, Source
from wai_ops.prompts.text_diff import Hunk, diff_lines
from wai_ops.prompts.tokens import common_length, tools_text

_AROUND = 24
"""Characters that are shown before and after the first difference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextChange:
    """The text of one message, or the tools or the schema as JSON: what changed in it."""

    part: str
    """`system`, `user`, `user 2`, `tools`, `output_schema`."""
    state: str
    """`changed`, `added` or `removed`."""
    added_count: int
    """Lines."""
    removed_count: int
    hunks: tuple[Hunk, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A setting that differs. None: it is not there on that side."""

    what: str
    """`model`, `parameters.temperature`, `tool search`, `variable ticket`."""
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Divergence:
    """The first thing that differs in what a model reads: tools, then the messages."""

    part: str
    """`model`, `tools`, or the message: `system`, `user 2`."""
    character: int
    """In that part's text as it is written, from 1."""
    token: int
    """In the request, with the same values on both sides, from 1."""
    before_place: str | None
    """`prompts/triage.prompt:9:14`; None where there is none: another model, a tool."""
    after_place: str | None
    before: str
    """The text around it."""
    after: str


def changes_of(before: Source, after: Source) -> tuple[Change, ...]:
    """Every setting that decides behaviour and differs, in the order of the front matter."""
    first, second = before.front, after.front
    found = [
        *_compared("model", first.model, second.model),
        *_compared("route", first.route, second.route),
    ]
    for item in fields(Parameters):
        pair = getattr(first.parameters, item.name), getattr(second.parameters, item.name)
        found += _compared(f"parameters.{item.name}", *pair)
    found += _by_name("variable", _variables(first.variables), _variables(second.variables))
    found += _tools(first.tools, second.tools)
    found += _schema(first.output_schema, second.output_schema)
    found += _by_name("envelope", first.envelope, second.envelope)
    return tuple(found)


def text_changes(before: Source, after: Source) -> tuple[TextChange, ...]:
    """What changed in the messages, and in tools and schema as they are written out."""
    found = [_text_change(part, old, new) for part, old, new in _paired(before, after)]
    tools = (_json_text(before.front.tools or None), _json_text(after.front.tools or None))
    schemas = (_json_text(before.front.output_schema), _json_text(after.front.output_schema))
    found += [_text_change("tools", *tools), _text_change("output_schema", *schemas)]
    return tuple(item for item in found if item is not None)


def first_divergence(
    before: Source, after: Source, *, models: tuple[str | None, str | None], shared_tokens: int
) -> Divergence | None:
    """The first difference that a cache meets. None: the model is sent the same.

    `models` are those that count; `shared_tokens` is what both begin with, the values the same.
    """
    token = shared_tokens + 1
    if models[0] != models[1]:
        return _divergence("model", 0, 1, models[0] or "", models[1] or "")
    tools = tools_text(before.front.tools), tools_text(after.front.tools)
    if tools[0] != tools[1]:
        return _divergence("tools", common_length(*tools), token, *tools)
    names = _names([*before.sections, *after.sections[len(before.sections) :]])
    for name, old, new in zip_longest(names, before.sections, after.sections):
        is_same_role = old is not None and new is not None and old.role == new.role
        if is_same_role and old.text == new.text:
            continue
        length = common_length(old.text, new.text) if is_same_role else 0
        return _divergence(
            str(name),
            length,
            token,
            "" if old is None else old.text,
            "" if new is None else new.text,
            before_place=_place(old, length),
            after_place=_place(new, length),
        )
    return None


def _divergence(
    part: str,
    length: int,
    token: int,
    before: str,
    after: str,
    *,
    before_place: str | None = None,
    after_place: str | None = None,
) -> Divergence:
    return Divergence(
        part=part,
        character=length + 1,
        token=token,
        before_place=before_place,
        after_place=after_place,
        before=_excerpt(before, length),
        after=_excerpt(after, length),
    )


def _excerpt(text: str, at: int) -> str:
    start, end = max(0, at - _AROUND), at + _AROUND
    return f"{'…' if start else ''}{text[start:end]}{'…' if end < len(text) else ''}"


def _place(section: Section | None, offset: int) -> str | None:
    return None if section is None else where_of(section.place(offset))


def _names(sections: Sequence[Section]) -> list[str]:
    """`system`, `user`, `user 2`: the role, numbered from its second message on."""
    seen: dict[str, int] = {}
    names = []
    for section in sections:
        seen[section.role] = seen.get(section.role, 0) + 1
        number = seen[section.role]
        names.append(section.role if number == 1 else f"{section.role} {number}")
    return names


def _paired(before: Source, after: Source) -> Iterator[tuple[str, str | None, str | None]]:
    """Messages that stand for each other, by role and order; what has no counterpart alone."""
    old = dict(zip(_names(before.sections), before.sections, strict=True))
    new = dict(zip(_names(after.sections), after.sections, strict=True))
    matcher = SequenceMatcher(None, list(old), list(new), autojunk=False)
    for _, a1, a2, b1, b2 in matcher.get_opcodes():
        for name in list(old)[a1:a2]:
            text = new[name].text if name in new else None
            yield name, old[name].text, text
        for name in list(new)[b1:b2]:
            if name not in old:
                yield name, None, new[name].text


def _text_change(part: str, old: str | None, new: str | None) -> TextChange | None:
    if old == new:
        return None
    state = "added" if old is None else "removed" if new is None else "changed"
    hunks = diff_lines(old or "", new or "")
    signs = [line.sign for hunk in hunks for line in hunk.lines]
    # The empty text of a side that is not there is no line.
    nothing = {"added": "-", "removed": "+"}.get(state, "")
    if nothing:
        hunks = tuple(_without(hunk, nothing) for hunk in hunks)
    return TextChange(
        part=part,
        state=state,
        added_count=0 if nothing == "+" else signs.count("+"),
        removed_count=0 if nothing == "-" else signs.count("-"),
        hunks=hunks,
    )


def _without(hunk: Hunk, sign: str) -> Hunk:
    lines = tuple(line for line in hunk.lines if line.sign != sign)
    return Hunk(before_line=hunk.before_line, after_line=hunk.after_line, lines=lines)


def _json_text(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False, indent=2)


def _compared(what: str, before: Any, after: Any) -> list[Change]:
    # 1 and true are equal to Python, and no more than that.
    if before == after and type(before) is type(after):
        return []
    return [Change(what=what, before=_word(before), after=_word(after))]


def _by_name(what: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    return [
        change
        for name in sorted(before.keys() | after.keys())
        for change in _compared(f"{what} {name}", before.get(name), after.get(name))
    ]


def _word(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _schema(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[Change]:
    texts = [None if item is None else tools_text([item]) for item in (before, after)]
    if texts[0] == texts[1]:
        return []
    words = [None if text is None else f"{len(text) - 2} characters" for text in texts]
    return [_reworded("output_schema", *words)]


def _reworded(what: str, before: str | None, after: str | None) -> Change:
    """A change of a long text, of which only the size is said here."""
    other = f"{after}, other text" if before == after else after
    return Change(what=what, before=before, after=other)


def _variables(declared: Mapping[str, Variable] | None) -> dict[str, Any]:
    return {
        name: " ".join(
            [
                item.type.value,
                "required" if item.required else f"default {_word(item.default)}",
            ]
        )
        for name, item in (declared or {}).items()
    }


def _tools(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> list[Change]:
    old = {_tool_name(tool): (place, tool) for place, tool in enumerate(before, start=1)}
    new = {_tool_name(tool): (place, tool) for place, tool in enumerate(after, start=1)}
    found = []
    for name in sorted(old.keys() | new.keys()):
        mine, other = old.get(name), new.get(name)
        if mine is None or other is None or _json_text(mine[1]) != _json_text(other[1]):
            words = [None if item is None else _tool_words(item) for item in (mine, other)]
            found.append(_reworded(f"tool {name}", *words))
    kept = [[name for name in side if name in old and name in new] for side in (old, new)]
    if kept[0] != kept[1]:
        found.append(
            Change(what="order of tools", before=", ".join(kept[0]), after=", ".join(kept[1]))
        )
    return found


def _tool_words(item: tuple[int, Mapping[str, Any]]) -> str:
    place, tool = item
    return f"tool {place}, {len(tools_text([tool]))} characters"


def _tool_name(tool: Mapping[str, Any]) -> str:
    inner = tool.get("function", tool)
    return str(inner.get("name") if isinstance(inner, Mapping) else None)
