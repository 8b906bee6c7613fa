"""The stable prefix: the text that is the same in every conversation, so that a cache can have it.

It is found by rendering with values that nobody knows. What is put out before the first of them
matters is stable; the tag that asked for it is where the prefix ends.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wai_ops.prompts.errors import PromptError
from wai_ops.prompts.includes import Place, where_of
from wai_ops.prompts.rendering import Message, check_source, variables_of
from wai_ops.prompts.source import Source
from wai_ops.prompts.tokens import Chat


@dataclass(frozen=True, slots=True, kw_only=True)
class Prefix:
    """What all conversations have in common at their beginning."""

    messages: tuple[Message, ...]
    """The messages as they are sent; the last one may be only the beginning of one."""
    section: int | None
    """Which section it ends in, from 0; None when all of the prompt is stable."""
    ends_at: Place | None
    """File (below `prompts/`), line and column of the tag that ends it."""
    variable: str | None
    """What is not known there."""
    reason: str

    @property
    def text(self) -> str:
        """The contents, one after the other."""
        return "".join(message["content"] for message in self.messages)

    @property
    def is_whole(self) -> bool:
        """Whether every conversation is sent exactly the same."""
        return self.section is None

    def as_chat(self, tools: tuple[Mapping[str, Any], ...]) -> Chat:
        """What a model reads of it, tools first; open where it ends in the middle."""
        messages = [(item["role"], item["content"]) for item in self.messages]
        is_open = not self.is_whole
        if self.is_whole and messages and messages[-1][0] != "user":
            # The user's own words follow.
            messages.append(("user", ""))
            is_open = True
        return Chat(tools=tools, messages=tuple(messages), is_open=is_open)


def stable_prefix(source: Source) -> Prefix:
    """Find the stable prefix. Raises PromptError for a prompt that can never be rendered."""
    from wai_ops.prompts.allowance import Allowance
    from wai_ops.prompts.compiling import compile_section
    from wai_ops.prompts.unknown import PrefixEnds, Unknown

    check_source(source)
    values = {name: Unknown(name) for name in variables_of(source)}
    allowance = Allowance()
    messages: list[Message] = []
    for number, section in enumerate(source.sections):
        compiled = compile_section(section)
        pieces: list[str] = []
        variable: str | None = None
        try:
            pieces.extend(compiled.run(values, allowance))
        except PrefixEnds as error:
            ends_at = compiled.place_of_error(error, is_outermost=True)
            variable = error.variable
        except Exception as error:
            # What an unknown value breaks says nothing about a known one: stop here, and say less.
            ends_at = compiled.place_of_error(error, is_outermost=True)
            if not compiled.variables:
                raise PromptError(
                    "cannot be rendered, whatever the values", where=where_of(ends_at)
                ) from error
        else:
            content = "".join(pieces)
            if content.strip():
                messages.append({"role": section.role, "content": content})
            continue
        messages.append({"role": section.role, "content": "".join(pieces)})
        shown = variable or "a variable"
        return Prefix(
            messages=tuple(messages),
            section=number,
            ends_at=ends_at,
            variable=variable,
            reason=f"the text depends on {shown} from here on",
        )
    return Prefix(
        messages=tuple(messages),
        section=None,
        ends_at=None,
        variable=None,
        reason="no variable is used: every conversation is sent the same",
    )
