"""WP008, WP012, WP014: what the fixed text says that would better be said another way."""

import re
from collections.abc import Iterator

from wai_ops.core.findings import Finding, Level, Rule
from wai_ops.prompts.lint.look import Look
from wai_ops.prompts.lint.view import Piece

DATED = Rule(
    id="WP008",
    name="dated-text",
    level=Level.WARNING,
    why="A date that is written down as today's is wrong tomorrow. Rewritten every day, it empties "
    "the cache of every conversation at midnight.",
    fix="Leave it out, or pass the date as a variable in the last user section.",
)
ROLES = Rule(
    id="WP012",
    name="role-in-text",
    level=Level.WARNING,
    why="Words that a chat template uses to part messages are text here: models read them as "
    "noise, or as a way out of their role.",
    fix="Begin a message with a line that is exactly {% role system %}, {% role user %} or "
    "{% role assistant %}.",
)
NO_SCHEMA = Rule(
    id="WP014",
    name="no-output-schema",
    level=Level.WARNING,
    why="The text asks for JSON and nothing holds the model to it: answers that cannot be parsed "
    "are paid for all the same.",
    fix="Declare `output_schema` in the front matter.",
)
RULES = (DATED, ROLES, NO_SCHEMA)

# Every repetition is bounded or followed by nothing: no text makes these slow.
_TODAY = re.compile(
    r"\b(?:today(?:'s date)?|the current (?:date|time|year)|current (?:date|time|year)|"
    r"the date today|right now|as of now)\b(?: is| it is|:| =|,)",
    re.IGNORECASE,
)
_NEAR = 40
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}"
_DATE = re.compile(
    rf"\b(?:(?:19|20)\d\d(?:-\d\d-\d\d)?\b|\d{{1,2}}[./]\d{{1,2}}[./]\d{{2,4}}|\d{{1,2}}:\d\d|"
    rf"\d{{1,2}}(?:st|nd|rd|th)? {_MONTH}\b|{_MONTH} \d{{1,2}}\b|"
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)day\b)",
    re.IGNORECASE,
)
_CONTROL = re.compile(
    r"<\|[a-z_]{1,30}\|>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>"
    "|<\uff5c[A-Za-z\u2581]{1,30}\uff5c>"
)
_SYSTEM_LINE = re.compile(
    r"^[ \t]{0,8}(?:#{1,6} )?\**(?:system|system prompt)\**:", re.IGNORECASE | re.MULTILINE
)
_ASKS = re.compile(
    r"\b(?:respond|reply|answer|return|output|produce|emit|generate|write|give)\b", re.IGNORECASE
)
_JSON = re.compile(r"\bjson\b", re.IGNORECASE)
_NOT = re.compile(r"\b(?:no|not|never|don't|without|avoid|instead of)\b", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.!?](?=\s)|\n")
_REACH = 300
"""No sentence is looked at further than this to either side."""


def check_wording(look: Look) -> Iterator[Finding]:
    """Look through the fixed text, piece by piece."""
    has_roles = len(look.view.sections) > 1 or look.view.sections[0].role != "user"
    for piece in look.view.texts():
        if _is_said_to_the_model(look, piece):
            yield from _dated(look, piece)
        yield from _roles(look, piece, has_roles=has_roles)


def check_schema(look: Look) -> Iterator[Finding]:
    """Find the first place that asks for JSON where there is no schema."""
    if look.source.front.output_schema is not None:
        return
    for piece in look.view.texts():
        if not _is_said_to_the_model(look, piece):
            continue
        for match in _JSON.finditer(piece.text):
            if _asks(piece.text, match.start()):
                yield look.within(
                    NO_SCHEMA,
                    piece,
                    match.start(),
                    match.end(),
                    "the text asks for JSON, and no output_schema is declared",
                    hint=NO_SCHEMA.fix,
                    key="json",
                )
                return


def _is_said_to_the_model(look: Look, piece: Piece) -> bool:
    """Whether this is an instruction: the system text or the last message, no example between."""
    last = len(look.view.sections) - 1
    return look.view.sections[piece.section].role == "system" or piece.section == last


def _dated(look: Look, piece: Piece) -> Iterator[Finding]:
    for match in _TODAY.finditer(piece.text):
        end = min(match.end() + _NEAR, len(piece.text))
        line = piece.text[match.end() : end].partition("\n")[0]
        if date := _DATE.search(line):
            yield look.within(
                DATED,
                piece,
                match.start(),
                match.end() + date.end(),
                f"the text says what date it is: {date[0]}",
                hint=DATED.fix,
                key=match[0].lower(),
            )


def _roles(look: Look, piece: Piece, *, has_roles: bool) -> Iterator[Finding]:
    for match in _CONTROL.finditer(piece.text):
        yield look.within(
            ROLES,
            piece,
            match.start(),
            match.end(),
            f"{match[0]} is a sign of a chat template, and only text here",
            hint=ROLES.fix,
            key=match[0],
        )
    if not has_roles and (line := _SYSTEM_LINE.search(piece.text)):
        yield look.within(
            ROLES,
            piece,
            line.start(),
            line.end(),
            "this line opens no role: all of the prompt is sent as one user message",
            hint=ROLES.fix,
            key="system line",
        )


def _asks(text: str, at: int) -> bool:
    """Whether the sentence around a place asks the model to answer that way."""
    low = max(at - _REACH, 0)
    start = max((m.end() for m in _SENTENCE_END.finditer(text, low, at)), default=low)
    end = _SENTENCE_END.search(text, at, at + _REACH)
    sentence = text[start : end.start() if end else at + _REACH]
    return _ASKS.search(sentence) is not None and _NOT.search(sentence) is None
