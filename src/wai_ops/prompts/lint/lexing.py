"""Fixed text and tags of a template by Jinja2's own lexer, comments left out."""

from dataclasses import dataclass

from wai_ops.prompts.compiling import sandbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Bit:
    """A stretch of text, or one tag. Offsets into the text that was lexed."""

    start: int
    end: int
    text: str
    """As it is written."""
    tag: int = 0
    """The number of the tag, from 1; 0 is text."""
    is_block: bool = False
    word: str = ""
    """The first word of a block tag."""


def lex(text: str) -> list[Bit]:
    """Cut a template, which the parser has accepted, into text and tags."""
    if "{" not in text:
        return [Bit(start=0, end=len(text), text=text)] if text else []
    found: list[Bit] = []
    place = start = number = 0
    word = ""
    is_block = is_first = False
    for _, kind, value in sandbox().lexer.tokeniter(text, None):
        # The lexer leaves out white space that `{%-` strips; nothing else is missing.
        while not text.startswith(value, place):
            place += 1
        begin, place = place, place + len(value)
        if kind == "data":
            found.append(Bit(start=begin, end=place, text=value))
        elif kind in ("block_begin", "variable_begin"):
            start, word, is_first = begin, "", True
            is_block = kind == "block_begin"
            number += 1
        elif kind in ("block_end", "variable_end"):
            end = place - (len(value) - len(value.rstrip()))
            found.append(
                Bit(
                    start=start,
                    end=end,
                    text=text[start:end],
                    tag=number,
                    is_block=is_block,
                    word=word,
                )
            )
        elif kind == "name" and is_first and is_block:
            word, is_first = value, False
    return found
