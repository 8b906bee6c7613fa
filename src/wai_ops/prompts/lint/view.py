"""What a rule looks at: a prompt taken apart into fixed text and tags, each with its place.

Everything is found once, by Jinja2's own lexer and parser, in time linear in the prompt's length.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

from jinja2 import nodes

from wai_ops.core.tokens import BYTES_PER_TOKEN
from wai_ops.prompts.compiling import compile_section, sandbox
from wai_ops.prompts.lint.flow import variables_behind
from wai_ops.prompts.lint.lexing import Bit, lex
from wai_ops.prompts.source import Section, Source

_OPENS = frozenset({"for", "if", "macro", "call", "filter", "with"})
_BRANCHES = frozenset({"elif", "else"})
_FIELDS: Mapping[type[nodes.Node], tuple[str, ...]] = {
    nodes.For: ("iter", "test"),
    nodes.If: ("test",),
    nodes.Assign: ("node",),
    nodes.With: ("values",),
    nodes.FilterBlock: ("filter",),
    nodes.CallBlock: ("call",),
}
"""Where the expressions of a block's opening tag are."""
_CLEAR = frozenset({"filter", "with"})
"""Blocks whose text stands where it is written, always."""


class Kind(Enum):
    """What a piece is."""

    TEXT = "text"
    PRINT = "print"
    BLOCK = "block"


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A stretch of one section: text, or one tag."""

    section: int
    start: int
    end: int
    kind: Kind
    text: str
    word: str
    """The first word of a block tag."""
    branches: tuple[tuple[int, int], ...]
    """The blocks around it: the number of the tag that opens one, and which branch this is."""
    is_fixed: bool
    """Text that every rendering has, at this place."""
    expressions: tuple[nodes.Node, ...] = ()
    """What the tag prints, tests or goes through."""
    holds: frozenset[str] = frozenset()
    """The variables of the prompt that those depend on."""
    variables: frozenset[str] = frozenset()
    """The same where the text depends on them: not where they only get another name."""

    def excludes(self, other: "Piece") -> bool:
        """Whether no rendering has both: they stand in different branches of one block."""
        mine = dict(self.branches)
        return self.section == other.section and any(
            number in mine and mine[number] != branch for number, branch in other.branches
        )


@dataclass(frozen=True)
class View:
    """A prompt, taken apart."""

    source: Source
    pieces: tuple[Piece, ...]
    """In the order in which a model reads them."""
    used: Mapping[str, Piece]
    """Every variable that the template uses -> the first piece that does."""

    @property
    def sections(self) -> Sequence[Section]:
        """The sections of the prompt."""
        return self.source.sections

    @cached_property
    def fixed_tokens(self) -> tuple[int, ...]:
        """About how many tokens of fixed text there are up to and with each piece."""
        total, found = 0, []
        for piece in self.pieces:
            total += len(piece.text.encode()) if piece.is_fixed else 0
            found.append(-(-total // BYTES_PER_TOKEN))
        return tuple(found)

    def tokens_before(self, place: int) -> int:
        """About how many tokens of fixed text stand before the piece of this number."""
        return self.fixed_tokens[place - 1] if place else 0

    def tokens_behind(self, place: int) -> int:
        """About how many tokens of fixed text stand behind the piece of this number."""
        return self.fixed_tokens[-1] - self.fixed_tokens[place]

    def texts(self) -> Iterator[Piece]:
        """All pieces of text, those in branches too."""
        return (piece for piece in self.pieces if piece.kind is Kind.TEXT)

    def first_variable(self) -> int | None:
        """The number of the piece from which on the text depends on a variable."""
        return next((at for at, piece in enumerate(self.pieces) if piece.variables), None)


def view_of(source: Source) -> View:
    """Take a prompt apart. Raises PromptError for what is no template."""
    pieces: list[Piece] = []
    used: dict[str, Piece] = {}
    for number, section in enumerate(source.sections):
        wanted = compile_section(section).variables
        found = list(_Section(number, section, frozenset(wanted)).pieces())
        pieces += found
        tags = [piece for piece in found if piece.kind is not Kind.TEXT]
        for name, tag in wanted.items():
            used.setdefault(name, tags[min(tag, len(tags)) - 1])
    return View(source, tuple(pieces), used)


class _Section:
    """One section: its lexed bits joined with what the parser knows of each tag."""

    def __init__(self, number: int, section: Section, wanted: frozenset[str]) -> None:
        self._number = number
        self._bits = lex(section.text)
        tree = sandbox().parse(section.text)
        self._roots = variables_behind(tree, wanted)
        self._expressions: dict[int, list[nodes.Node]] = {}
        self._block_sets = {node.lineno for node in tree.find_all(nodes.AssignBlock)}
        for node in tree.find_all(nodes.Node):
            for tag, expression in _shown(node):
                self._expressions.setdefault(tag, []).append(expression)

    def pieces(self) -> Iterator[Piece]:
        """The pieces in order."""
        open_blocks: list[tuple[int, int, bool]] = []
        for bit in self._bits:
            is_fixed = all(clear for _, _, clear in open_blocks)
            around = tuple((tag, branch) for tag, branch, _ in open_blocks)
            if bit.tag == 0:
                yield self._piece(bit, Kind.TEXT, around, is_fixed=is_fixed)
                continue
            kind = Kind.BLOCK if bit.is_block else Kind.PRINT
            yield self._piece(bit, kind, around, is_fixed=False)
            if bit.word in _OPENS or bit.tag in self._block_sets:
                is_clear = bit.word in _CLEAR or (
                    bit.word in ("for", "if") and not self._variables(bit.tag)
                )
                open_blocks.append((bit.tag, 0, is_clear))
            elif bit.word in _BRANCHES and open_blocks:
                tag, branch, clear = open_blocks[-1]
                is_clear = clear and not self._variables(bit.tag)
                open_blocks[-1] = (tag, branch + 1, is_clear)
            elif bit.word.startswith("end") and open_blocks:
                open_blocks.pop()

    def _variables(self, tag: int) -> frozenset[str]:
        return frozenset(
            root
            for expression in self._expressions.get(tag, ())
            for name in _names(expression)
            for root in self._roots(name)
        )

    def _piece(
        self, bit: Bit, kind: Kind, around: tuple[tuple[int, int], ...], *, is_fixed: bool
    ) -> Piece:
        # What is put into a local name shows where that is printed.
        holds = self._variables(bit.tag) if bit.tag else frozenset()
        is_quiet = bit.word in ("set", "with", "macro")
        return Piece(
            section=self._number,
            start=bit.start,
            end=bit.end,
            kind=kind,
            text=bit.text,
            word=bit.word,
            branches=around,
            is_fixed=is_fixed,
            expressions=tuple(self._expressions.get(bit.tag, ())) if bit.tag else (),
            holds=holds,
            variables=frozenset() if is_quiet else holds,
        )


def _names(expression: nodes.Node) -> Iterator[str]:
    if isinstance(expression, nodes.Name):
        yield expression.name
    for node in expression.find_all(nodes.Name):
        yield node.name


def _shown(node: nodes.Node) -> Iterator[tuple[int, nodes.Node]]:
    """The expressions that the tags of one node hold, each with the number of its tag."""
    if isinstance(node, nodes.Output):
        for item in node.nodes:
            if not isinstance(item, nodes.TemplateData):
                yield item.lineno, item
        return
    for name in _FIELDS.get(type(node), ()):
        value = getattr(node, name)
        for item in value if isinstance(value, list) else [value]:
            if item is not None:
                yield node.lineno, item
