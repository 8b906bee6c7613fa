"""Values to render two versions of a prompt with, so that their sizes can be compared.

Given values are used; then defaults; then placeholders of the declared type. What a placeholder
stands for is the same in both versions, so the difference is right as long as both use a variable
equally often; whether they do is found by rendering with placeholders of two lengths.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from wai_ops.prompts.errors import PromptError
from wai_ops.prompts.frontmatter import VariableType
from wai_ops.prompts.rendering import render_messages, typed_values, variables_of
from wai_ops.prompts.source import Source
from wai_ops.prompts.tags import find_tags
from wai_ops.prompts.tokens import Chat

_SHORT, _LONG = "text", "text " * 40
_OTHER = "~ another"
"""Begins as no other value does."""


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
    next_before: Chat | None
    """The version before with other values of what changes with every request; None: nothing does,
    or nobody can tell."""
    next_after: Chat | None


def rendered_alike(
    before: Source, after: Source, given: Mapping[str, str], changing: Collection[str] = ()
) -> Rendered:
    """Render both with the same values. Raises PromptError for given values that do not fit.

    `changing` are variables with another value in every request of a conversation.
    """
    made_up = tuple(
        sorted(
            name
            for name in {**variables_of(before), **variables_of(after)}
            if name not in given and _is_needed(name, before, after)
        )
    )
    _check_names(before, after, [*given, *changing])
    next_before = next_after = None
    try:
        short = dict.fromkeys(made_up, _SHORT)
        first, second = _chat(before, given, short), _chat(after, given, short)
        depends_on = []
        for name in made_up:
            longer = short | {name: _LONG}
            grown = _grown(before, given, longer, first), _grown(after, given, longer, second)
            if grown[0] != grown[1]:
                depends_on.append(name)
        next_before = _next_chat(before, given, short, changing)
        next_after = _next_chat(after, given, short, changing)
    except PromptError:
        return Rendered(
            before=_literal(before),
            after=_literal(after),
            placeholders=made_up,
            depends_on=made_up,
            is_literal=True,
            next_before=None,
            next_after=None,
        )
    return Rendered(
        before=first,
        after=second,
        placeholders=made_up,
        depends_on=tuple(depends_on),
        is_literal=False,
        next_before=next_before,
        next_after=next_after,
    )


def _is_needed(name: str, *sources: Source) -> bool:
    return any(variables_of(source).get(name, False) for source in sources)


def _check_names(before: Source, after: Source, names: Collection[str]) -> None:
    known = {**variables_of(before), **variables_of(after)}
    for name in names:
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
            values[name] = _placeholder(kind, text)
    messages = render_messages(source, values)
    return Chat(
        tools=source.front.tools,
        messages=tuple((item["role"], item["content"]) for item in messages),
    )


def _next_chat(
    source: Source,
    given: Mapping[str, str],
    placeholders: Mapping[str, str],
    changing: Collection[str],
) -> Chat | None:
    wanted = variables_of(source).keys() & set(changing)
    if not wanted:
        return None
    same = {name: text for name, text in given.items() if name not in wanted}
    return _chat(source, same, {**placeholders, **dict.fromkeys(wanted, _OTHER)})


def _placeholder(kind: VariableType, text: str) -> Any:
    """Something of the type; another text is another value, but for objects."""
    is_other = text == _OTHER
    match kind:
        case VariableType.STRING:
            return text
        case VariableType.LIST:
            return [text]
        case VariableType.INTEGER:
            return 2 if is_other else 1
        case VariableType.NUMBER:
            return 2.5 if is_other else 1.5
        case VariableType.BOOLEAN:
            return not is_other
        case VariableType.OBJECT:
            return {}


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
