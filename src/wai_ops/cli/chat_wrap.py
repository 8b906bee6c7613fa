"""Breaking lines between words while an answer streams, for terminals that would cut words.

Code stays as it is: nothing is broken between two fences of backticks.
"""

import re
import unicodedata

_PIECE = re.compile(r"\n|[^\S\n]+|[^\s]+")
_FENCE = "```"


def columns_of(text: str) -> int:
    """How many columns a text takes: wide characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


class Wrapper:
    """Takes a text in pieces; gives it back with breaks. However it is cut, the same comes out."""

    def __init__(self, width: int) -> None:
        """`width`: columns of the terminal."""
        self._width = width
        self._column = 0
        self._word = ""
        self._space = ""
        self._line = ""
        self._is_code = False

    def feed(self, text: str) -> str:
        """Take a piece; return what can be shown. A word is held back until it is whole."""
        out = []
        for piece in _PIECE.findall(text):
            if not piece.isspace():
                self._word += piece
            elif piece == "\n":
                out.append(self._end_word() + self._end_line())
            else:
                out.append(self._end_word())
                self._space += piece
        return "".join(out)

    def flush(self) -> str:
        """The rest, when nothing comes any more."""
        rest = self._end_word() + self._space
        self._space = ""
        return rest

    def _end_word(self) -> str:
        word, self._word = self._word, ""
        if not word:
            return ""
        self._line += word
        space, self._space = self._space, ""
        width = columns_of(space) + columns_of(word)
        if self._is_code or self._line.startswith(_FENCE) or not self._column:
            self._column += width
            return space + word
        if self._column + width > self._width:
            self._column = columns_of(word)
            return "\n" + word
        self._column += width
        return space + word

    def _end_line(self) -> str:
        if self._line.startswith(_FENCE):
            self._is_code = not self._is_code
        space, self._space, self._line, self._column = self._space, "", "", 0
        return space + "\n"
