"""What every rule is given, and how it says what it found."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from wai_ops.core.findings import Finding, Level, Rule
from wai_ops.prompts.includes import Place
from wai_ops.prompts.lint.view import Piece, View
from wai_ops.prompts.prefix import Prefix
from wai_ops.prompts.source import Source
from wai_ops.prompts.tokens import BLOCK_TOKENS


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """Something in a text that looks like a credential: where, and of what kind."""

    start: int
    end: int
    kind: str


def _no_secrets(text: str) -> Iterable[Secret]:
    del text
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the project knows that a prompt does not say."""

    block_tokens: int = BLOCK_TOKENS
    """A shorter prefix is not cached."""
    default_output_tokens: int = 1024
    """The limit where a prompt names none."""
    find_secrets: Callable[[str], Iterable[Secret]] = _no_secrets
    levels: dict[str, Level | None] = field(default_factory=dict)
    """Rule -> another level than its own; None: not looked for."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """One prompt under review."""

    source: Source
    view: View
    prefix: Prefix | None
    """None when it cannot be known: an undeclared variable stands in the way."""
    options: Options

    def at(
        self, rule: Rule, piece: Piece, message: str, *, hint: str = "", key: str = ""
    ) -> Finding:
        """A finding at a tag."""
        return self.within(rule, piece, 0, len(piece.text), message, hint=hint, key=key)

    def within(
        self,
        rule: Rule,
        piece: Piece,
        start: int,
        end: int,
        message: str,
        *,
        hint: str = "",
        key: str = "",
        level: Level | None = None,
    ) -> Finding:
        """A finding at a part of a piece; offsets into its text."""
        section = self.source.sections[piece.section]
        path, line, column = section.place(piece.start + start)
        _, end_line, end_column = section.place(max(piece.start + end - 1, piece.start + start))
        return Finding(
            rule=rule.id,
            level=level or rule.level,
            message=message,
            file=f"prompts/{path}",
            line=line,
            column=column,
            end_line=end_line,
            end_column=end_column + 1,
            hint=hint,
            key=key,
        )

    def in_front(
        self, rule: Rule, key: str, message: str, *, hint: str = "", level: Level | None = None
    ) -> Finding:
        """A finding at a top-level key of the front matter, or at the file if it is not there."""
        return Finding(
            rule=rule.id,
            level=level or rule.level,
            message=message,
            file=self.source.path,
            line=self.source.front.lines.get(key, 1),
            hint=hint,
            key=key,
        )


Check = Callable[[Look], Iterator[Finding]]


def where(place: Place) -> str:
    """A place in words, as other messages write it."""
    return f"prompts/{place[0]}:{place[1]}"
