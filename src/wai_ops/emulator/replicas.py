"""Replicas of a model and the prefix cache of each: pure, no clock, no I/O.

A request with an affinity value always lands on the same replica; one without lands on any. What
is cached there is the longest prefix, in whole blocks, that the request's tokens share with an
earlier request for the same model on that replica.
"""

import hashlib
import random
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Sequence
from itertools import islice
from typing import Any

BLOCK_TOKENS = 16
"""The provider says that there is a block size, not which; sixteen is a common one."""
REPLICA_COUNT = 4
CAPACITY_BLOCKS = 8192
"""Per replica: 131,072 tokens."""

SAVED_BLOCKS = 512
"""Per replica, across a restart: enough for a few conversations, and read in no time."""


class PrefixCache:
    """The prompts one replica remembers, as a tree of blocks; the least recently used go first."""

    def __init__(
        self, *, block_tokens: int = BLOCK_TOKENS, capacity_blocks: int = CAPACITY_BLOCKS
    ) -> None:
        """Start cold."""
        self.block_tokens = block_tokens
        self.capacity_blocks = capacity_blocks
        # (parent, tokens of the block) -> the block's own number. Numbers are never used twice, so
        # a path through the tree stands for exactly one sequence of tokens.
        self._blocks: OrderedDict[tuple[Hashable, tuple[Hashable, ...]], int] = OrderedDict()
        self._next = 0

    def __len__(self) -> int:
        """Blocks held."""
        return len(self._blocks)

    def admit(self, root: str, tokens: Sequence[Hashable]) -> int:
        """Return how many leading tokens were cached under `root`, and remember all whole blocks.

        `root` keeps models apart: equal text of two models shares nothing.
        """
        size = self.block_tokens
        shared = 0
        parent: Hashable = root
        path = []
        for start in range(0, len(tokens) - size + 1, size):
            key = (parent, tuple(tokens[start : start + size]))
            block = self._blocks.get(key)
            if block is None:
                block = self._blocks[key] = self._next
                self._next += 1
            else:
                shared += size
            parent = block
            path.append(key)
        # Deepest first, so that a block is always older than the one it hangs on and eviction
        # shortens a prefix from its end.
        for key in reversed(path):
            self._blocks.move_to_end(key)
        while len(self._blocks) > self.capacity_blocks:
            self._blocks.popitem(last=False)
        return shared

    def snapshot(self, limit: int) -> list[list[Any]]:
        """Return the most recently used blocks as `[parent, tokens, number]`, oldest first.

        A block is always older than the one it hangs on, so what is kept hangs together.
        """
        newest = islice(self._blocks.items(), max(0, len(self._blocks) - limit), None)
        return [[parent, list(tokens), number] for (parent, tokens), number in newest]

    def restore(self, blocks: Iterable[Sequence[Any]]) -> None:
        """Take over what `snapshot` returned. Raises TypeError or ValueError for anything else."""
        self._blocks = OrderedDict(
            ((parent, tuple(tokens)), int(number)) for parent, tokens, number in blocks
        )
        self._next = max(self._blocks.values(), default=-1) + 1


class Replicas:
    """All replicas. `rng` chooses for requests without an affinity value."""

    def __init__(
        self,
        *,
        rng: random.Random,
        count: int = REPLICA_COUNT,
        block_tokens: int = BLOCK_TOKENS,
        capacity_blocks: int = CAPACITY_BLOCKS,
    ) -> None:
        """Start `count` cold replicas."""
        self.count = count
        self._rng = rng
        self._caches = [
            PrefixCache(block_tokens=block_tokens, capacity_blocks=capacity_blocks)
            for _ in range(count)
        ]

    def select(self, affinity: str | None) -> int:
        """The replica of a request: by hash of its affinity value, else any."""
        if affinity is None:
            return self._rng.randrange(self.count)
        return int.from_bytes(hashlib.sha256(affinity.encode()).digest()[:8]) % self.count

    def snapshot(self, limit: int = SAVED_BLOCKS) -> list[list[list[Any]]]:
        """Return the warm end of every replica's cache, as plain data."""
        return [cache.snapshot(limit) for cache in self._caches]

    def restore(self, caches: Sequence[Iterable[Sequence[Any]]]) -> None:
        """Warm the replicas with a snapshot. Raises TypeError or ValueError for anything else."""
        for cache, blocks in zip(self._caches, caches, strict=True):
            cache.restore(blocks)

    def admit(self, replica: int, model: str, tokens: Sequence[Hashable]) -> int:
        """Run a prompt on a replica: return its cached tokens and remember it."""
        return self._caches[replica].admit(model, tokens)
