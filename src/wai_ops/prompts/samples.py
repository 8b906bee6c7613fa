"""Values to render two versions of a prompt with, so that their sizes can be compared.

Given values are used; then defaults; then placeholders of the declared type. What a placeholder
stands for is the same in both versions, so the difference is right as long as both use a variable
equally often; whether they do is found by rendering with placeholders of two lengths.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wai_ops.prompts.errors import PromptError
from wai_ops.prompts.frontmatter import VariableType
from wai_ops.prompts.rendering import render_messages, typed_values, variables_of
from wai_ops.prompts.source import Source
from wai_ops.prompts.tags import find_tags
from wai_ops.prompts.tokens import Chat

_SHORT, _LONG = "text", "text " * 40
_PLACEHOLDERS: dict[VariableType, Any] = {
    VariableType.INTEGER: 1,
    VariableType.NUMBER: 1.5,
    VariableType.BOOLEAN: True,
    VariableType.LIST: ["text"],
    VariableType.OBJECT: {},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """Both versions with the same values."""

    before: Chat
    after: Chat
    placeholders: tuple[str, ...]
    """The variables whose values were made up."""
    depends_on: tuple[str, ...]
    """Of those, the ones whose values decide how much longer one version is than the other."""
    is_literal: bool
    """The values did not fit the templates: only the texts between the tags are compared."""


def rendered_alike(before: Source, after: Source, given: Mapping[str, str]) -> Rendered:
    """Render both with the same values. Raises PromptError for given values that do not fit."""
    made_up = tuple(
        sorted(
            name
            for name in {**variables_of(before), **variables_of(after)}
            if name not in given and _is_needed(name, before, after)
        )
    )
    _check_given(before, after, given)
    try:
        short = dict.fromkeys(made_up, _SHORT)
        first, second = _chat(before, given, short), _chat(after, given, short)
        depends_on = []
        for name in made_up:
            longer = short | {name: _LONG}
            grown = _grown(before, given, longer, first), _grown(after, given, longer, second)
            if grown[0] != grown[1]:
                depends_on.append(name)
    except PromptError:
        return Rendered(
            before=_literal(before),
            after=_literal(after),
            placeholders=made_up,
            depends_on=made_up,
            is_literal=True,
        )
    return Rendered(
        before=first,
        after=second,
        placeholders=made_up,
        depends_on=tuple(depends_on),
        is_literal=False,
    )


def _is_needed(name: str, *sources: Source) -> bool:
    return any(variables_of(source).get(name, False) for source in sources)


def _check_given(before: Source, after: Source, given: Mapping[str, str]) -> None:
    known = {**variables_of(before), **variables_of(after)}
    for name in given:
        if name not in known:
            raise PromptError(
                f"neither version uses the variable {name!r}",
                hint=f"they take: {', '.join(known) or 'no variables'}",
            )


def _chat(source: Source, given: Mapping[str, str], placeholders: Mapping[str, str]) -> Chat:
    wanted = variables_of(source)
    values = typed_values(source, {name: given[name] for name in given if name in wanted})
    declared = source.front.variables or {}
    for name, text in placeholders.items():
        if name in wanted:
            kind = declared[name].type if name in declared else VariableType.STRING
            values[name] = _PLACEHOLDERS.get(kind, text)
            if kind is VariableType.LIST:
                values[name] = [text]
    messages = render_messages(source, values)
    return Chat(
        tools=source.front.tools,
        messages=tuple((item["role"], item["content"]) for item in messages),
    )


def _grown(
    source: Source, given: Mapping[str, str], placeholders: Mapping[str, str], chat: Chat
) -> int:
    longer = _chat(source, given, placeholders)
    return _length(longer) - _length(chat)


def _length(chat: Chat) -> int:
    return sum(len(text) for _, text in chat.messages)


def _literal(source: Source) -> Chat:
    """The texts between the tags: what stands there whatever the values, more or less."""
    return Chat(
        tools=source.front.tools,
        messages=tuple((item.role, _between_tags(item.text)) for item in source.sections),
    )


def _between_tags(text: str) -> str:
    pieces, done = [], 0
    for tag in find_tags(text):
        pieces.append(text[done : tag.start])
        done = tag.end
    return "".join([*pieces, text[done:]])
