"""Counting the tokens of a prompt: exactly, from real usage, or by estimate; always said which.

A chat is cut into parts in the order in which a model reads them: the tools as one text, then each
message with its role. What two chats share is what both begin with, part by part; a cache keeps of
it whole blocks.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, Protocol

from wai_ops.core.tokens import BYTES_PER_TOKEN, TOKENS_PER_MESSAGE

BLOCK_TOKENS = 16
"""The provider says that its cache works in blocks, not of which size; sixteen is a common one."""

_LONG_WORD = 12
"""Letters that make a word count for one token more."""
_PIECE = re.compile(r" ?([A-Za-z]+)| ?([0-9]+)|\s+|.", re.DOTALL)


class Method(StrEnum):
    """How tokens were counted."""

    EXACT = "exact"
    """By the model's own tokenizer, from a file."""
    CALIBRATED = "calibrated"
    """From words and signs, at the rate that the model's recorded usage shows."""
    ESTIMATED = "estimated"
    """From UTF-8 bytes, at the rate of English text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What a count stands on."""

    method: Method
    words: str
    """For people: what was counted with, and how far off it may be."""
    error_ratio: float | None = None
    """Of calibrated counts: the usual distance from the truth, as a share. None: not known."""
    sample_count: int = 0
    """Of calibrated counts: how many versions of prompts it was learned from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat:
    """What a model is sent: tools, then messages as (role, text)."""

    tools: tuple[Mapping[str, Any], ...] = ()
    messages: tuple[tuple[str, str], ...] = ()
    is_open: bool = False
    """The last message goes on with text that nobody knows, and more messages may follow."""

    def reads_as(self, other: "Chat") -> bool:
        """Whether a model reads the same: unlike equality, the order of keys in tools counts."""
        texts = tools_text(self.tools), tools_text(other.tools)
        return texts[0] == texts[1] and self.messages == other.messages


class TokenCounter(Protocol):
    """Counts the tokens of one model."""

    @property
    def basis(self) -> Basis:
        """What the counts stand on."""

    def count(self, chat: Chat) -> int:
        """All tokens of a chat; of an open one, those that no continuation changes."""

    def shared(self, first: Chat, second: Chat) -> int:
        """The tokens that both begin with, whatever the continuation of an open one."""


def whole_blocks(tokens: int, block_tokens: int) -> int:
    """What a cache keeps of so many tokens."""
    return tokens // block_tokens * block_tokens


def tools_text(tools: Sequence[Mapping[str, Any]]) -> str:
    """The tools as one text: as compact as they are sent, keys and tools in their order."""
    return json.dumps(list(tools), ensure_ascii=False, separators=(",", ":")) if tools else ""


@dataclass(frozen=True, slots=True)
class Size:
    """How much text: characters, UTF-8 bytes, and how many marks around messages."""

    characters: int = 0
    size_bytes: int = 0
    marks: int = 0
    pieces: float = 0.0
    """About as many as tokens: see `pieces_of`."""

    def __add__(self, other: "Size") -> "Size":
        """Both together."""
        return Size(
            self.characters + other.characters,
            self.size_bytes + other.size_bytes,
            self.marks + other.marks,
            self.pieces + other.pieces,
        )


def size_of(chat: Chat) -> Size:
    """The size of all of a chat."""
    return sum((part[1] for part in _parts(chat)), Size())


def shared_size(first: Chat, second: Chat) -> Size:
    """The size of what both begin with."""
    total = Size()
    for (mine, size, is_open), (other, _, other_open) in zip(
        _parts(first), _parts(second), strict=False
    ):
        if mine[0] != other[0]:
            return total
        if mine != other or is_open or other_open:
            length = common_length(mine[1], other[1])
            return total + _size(mine[1][:length], marks=size.marks)
        total += size
    return total


def common_length(first: str, second: str) -> int:
    """Length of the common start, by halving: slices compare fast, single characters do not."""
    low, high = 0, min(len(first), len(second))
    while low < high:
        middle = (low + high + 1) // 2
        if first[low:middle] == second[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _parts(chat: Chat) -> Iterator[tuple[tuple[str, str], Size, bool]]:
    """Each part as (kind, text), its size, and whether it is open."""
    if chat.tools:
        text = tools_text(chat.tools)
        yield ("tools", text), _size(text, marks=1), False
    last = len(chat.messages) - 1
    for number, (role, text) in enumerate(chat.messages):
        yield (role, text), _size(text, marks=1), chat.is_open and number == last


@lru_cache(maxsize=64)
def _size(text: str, *, marks: int) -> Size:
    size_bytes = len(text.encode("utf-8", "surrogatepass"))
    return Size(len(text), size_bytes, marks, pieces_of(text))


def pieces_of(text: str) -> float:
    """What every tokenizer cuts in about the same way: words (long ones count for more), groups of
    three digits, signs, characters of other scripts.

    Prose, lists and JSON differ by half in characters a token, and by little in tokens a piece.
    """
    found = 0.0
    for match in _PIECE.finditer(text):
        word, digits = match.span(1), match.span(2)
        if word[0] >= 0:
            found += 1 + (word[1] - word[0]) / _LONG_WORD
        elif digits[0] >= 0:
            found += -(-(digits[1] - digits[0]) // 3)
        else:
            found += 1
    return found


@dataclass(frozen=True, slots=True)
class EstimatingCounter:
    """Four bytes a token: right for English within a quarter or so, wrong for other scripts."""

    @property
    def basis(self) -> Basis:
        """Says that it is an estimate."""
        words = f"estimated at {BYTES_PER_TOKEN} bytes a token: no usage of the model is at hand"
        return Basis(method=Method.ESTIMATED, words=words)

    def count(self, chat: Chat) -> int:
        """Rounded up where the chat is whole."""
        size = size_of(chat)
        text = size.size_bytes if chat.is_open else size.size_bytes + BYTES_PER_TOKEN - 1
        return text // BYTES_PER_TOKEN + size.marks * TOKENS_PER_MESSAGE

    def shared(self, first: Chat, second: Chat) -> int:
        """Rounded down."""
        size = shared_size(first, second)
        return size.size_bytes // BYTES_PER_TOKEN + size.marks * TOKENS_PER_MESSAGE


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibratedCounter:
    """At the rate of tokens a piece of text that real usage of the model shows."""

    tokens_per_piece: float
    characters_per_token: float
    """Of the texts that it was learned from: for people."""
    error_ratio: float | None
    sample_count: int
    source: str
    """What it was learned from: `triage`, or `other prompts`."""
    model: str
    """The model that counted."""

    @property
    def basis(self) -> Basis:
        """The rate, what it was learned from, and its error."""
        error = "error unknown" if self.error_ratio is None else f"±{100 * self.error_ratio:.1f}%"
        versions = "1 version" if self.sample_count == 1 else f"{self.sample_count} versions"
        return Basis(
            method=Method.CALIBRATED,
            words=f"calibrated on {versions} of {self.source} as {self.model} counted:"
            f" {self.characters_per_token:.2f} characters a token, {error} on that text",
            error_ratio=self.error_ratio,
            sample_count=self.sample_count,
        )

    def count(self, chat: Chat) -> int:
        """To the nearest token."""
        return self._tokens(size_of(chat))

    def shared(self, first: Chat, second: Chat) -> int:
        """To the nearest token."""
        return self._tokens(shared_size(first, second))

    def _tokens(self, size: Size) -> int:
        return round(size.pieces * self.tokens_per_piece) + size.marks * TOKENS_PER_MESSAGE
