"""Counting the tokens of a prompt: exactly, from real usage, or by estimate; always said which.

A chat is cut into parts in the order in which a model reads them: the tools as one text, then each
message with its role. What two chats share is what both begin with, part by part; a cache keeps of
it whole blocks.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from wai_ops.core.tokens import BYTES_PER_TOKEN, TOKENS_PER_MESSAGE

BLOCK_TOKENS = 16
"""The provider says that its cache works in blocks, not of which size; sixteen is a common one."""


class Method(StrEnum):
    """How tokens were counted."""

    EXACT = "exact"
    """By the model's own tokenizer, from a file."""
    CALIBRATED = "calibrated"
    """From characters, at the rate that the model's recorded usage shows."""
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

    def __add__(self, other: "Size") -> "Size":
        """Both together."""
        return Size(
            self.characters + other.characters,
            self.size_bytes + other.size_bytes,
            self.marks + other.marks,
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


def _size(text: str, *, marks: int) -> Size:
    return Size(len(text), len(text.encode("utf-8", "surrogatepass")), marks)


@dataclass(frozen=True, slots=True)
class EstimatingCounter:
    """Four bytes a token: right for English within a quarter or so, wrong for other scripts."""

    @property
    def basis(self) -> Basis:
        """Says that it is an estimate."""
        words = f"estimated at {BYTES_PER_TOKEN} bytes a token: no usage of the model is recorded"
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
    """At the rate of characters a token that real usage of the model shows."""

    characters_per_token: float
    error_ratio: float | None
    sample_count: int
    source: str
    """What it was learned from: `triage`, or `other prompts`."""

    @property
    def basis(self) -> Basis:
        """The rate, what it was learned from, and its error."""
        error = "error unknown" if self.error_ratio is None else f"±{100 * self.error_ratio:.1f}%"
        versions = "1 version" if self.sample_count == 1 else f"{self.sample_count} versions"
        return Basis(
            method=Method.CALIBRATED,
            words=f"calibrated: {self.characters_per_token:.2f} characters a token, {error},"
            f" from the usage of {versions} of {self.source}",
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
        return round(size.characters / self.characters_per_token) + size.marks * TOKENS_PER_MESSAGE
