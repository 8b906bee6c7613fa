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

_BlockKey = tuple[Hashable, tuple[Hashable, ...]]


class PrefixCache:
    """The prompts one replica remembers, as a tree of blocks; the least recently used go first."""

    def __init__(
        self, *, block_tokens: int = BLOCK_TOKENS, capacity_blocks: int = CAPACITY_BLOCKS
    ) -> None:
        """Start cold."""
        self.block_tokens = block_tokens
        self.capacity_blocks = capacity_blocks
        self.idle_s: float | None = None
        """Blocks that were not used for so long are forgotten; None: never."""
        # (parent, tokens of the block) -> the block's own number, and when it was last used.
        # Numbers are never used twice, so a path through the tree stands for exactly one sequence
        # of tokens.
        self._blocks: OrderedDict[_BlockKey, tuple[int, float]] = OrderedDict()
        self._next = 0

    def __len__(self) -> int:
        """Blocks held."""
        return len(self._blocks)

    def admit(self, root: str, tokens: Sequence[Hashable], *, now: float = 0.0) -> int:
        """Return how many leading tokens were cached under `root`, and remember all whole blocks.

        `root` keeps models apart: equal text of two models shares nothing. `now` is in seconds on
        any clock that does not go back.
        """
        self.evict(now)
        size = self.block_tokens
        shared = 0
        parent: Hashable = root
        path = []
        for start in range(0, len(tokens) - size + 1, size):
            key = (parent, tuple(tokens[start : start + size]))
            found = self._blocks.get(key)
            if found is None:
                parent = self._next
                self._next += 1
            else:
                parent = found[0]
                shared += size
            self._blocks[key] = (parent, now)
            path.append(key)
        # Deepest first, so that a block is always older than the one it hangs on and eviction
        # shortens a prefix from its end.
        for key in reversed(path):
            self._blocks.move_to_end(key)
        self.evict(now)
        return shared

    def evict(self, now: float) -> None:
        """Forget what is too much and what was not used for too long, the oldest first."""
        while len(self._blocks) > self.capacity_blocks:
            self._blocks.popitem(last=False)
        if self.idle_s is None:
            return
        while self._blocks:
            _, used_at = next(iter(self._blocks.values()))
            if now - used_at < self.idle_s:
                return
            self._blocks.popitem(last=False)

    def clear(self) -> None:
        """Forget everything. Numbers go on, so that nothing old can be mistaken for new."""
        self._blocks.clear()

    def snapshot(self, limit: int) -> list[list[Any]]:
        """Return the most recently used blocks as `[parent, tokens, number]`, oldest first.

        A block is always older than the one it hangs on, so what is kept hangs together.
        """
        newest = islice(self._blocks.items(), max(0, len(self._blocks) - limit), None)
        return [[parent, list(tokens), number] for (parent, tokens), (number, _) in newest]

    def restore(self, blocks: Iterable[Sequence[Any]], *, now: float = 0.0) -> None:
        """Take over what `snapshot` returned, as if it had been used just now.

        Raises TypeError or ValueError for anything else.
        """
        self._blocks = OrderedDict(
            ((parent, tuple(tokens)), (int(number), now)) for parent, tokens, number in blocks
        )
        self._next = max((number for number, _ in self._blocks.values()), default=-1) + 1


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

    def restore(self, caches: Sequence[Iterable[Sequence[Any]]], *, now: float = 0.0) -> None:
        """Warm the replicas with a snapshot. Raises TypeError or ValueError for anything else."""
        for cache, blocks in zip(self._caches, caches, strict=True):
            cache.restore(blocks, now=now)

    def admit(
        self, replica: int, model: str, tokens: Sequence[Hashable], *, now: float = 0.0
    ) -> int:
        """Run a prompt on a replica: return its cached tokens and remember it."""
        return self._caches[replica].admit(model, tokens, now=now)

    def restart(self, replica: int) -> None:
        """Let one replica forget everything."""
        self._caches[replica].clear()

    def adjust(self, *, block_tokens: int, capacity_blocks: int, idle_s: float | None) -> None:
        """Change all caches; other block sizes cannot use the old blocks, so these go."""
        for cache in self._caches:
            if cache.block_tokens != block_tokens:
                cache.clear()
            cache.block_tokens = block_tokens
            cache.capacity_blocks = capacity_blocks
            cache.idle_s = idle_s

    def held_blocks(self) -> list[int]:
        """How many blocks each replica holds."""
        return [len(cache) for cache in self._caches]
