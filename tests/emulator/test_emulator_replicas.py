"""Replicas and their prefix caches: the pure module."""

import itertools
import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wai_ops.emulator.replicas import PrefixCache, Replicas
from wai_ops.emulator.warmth import FILE_NAME, load_warmth, save_warmth

BLOCK = 4
prompts = st.lists(
    st.tuples(
        st.sampled_from(["model-a", "model-b"]), st.lists(st.sampled_from("xy"), max_size=24)
    ),
    max_size=12,
)


def shared(first: list[str], second: list[str]) -> int:
    """The length of the common prefix, in whole blocks."""
    same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False))
    return len(list(same)) // BLOCK * BLOCK


@given(prompts)
def test_cached_tokens_are_exactly_the_longest_shared_prefix_in_whole_blocks(
    sequence: list[tuple[str, list[str]]],
) -> None:
    cache = PrefixCache(block_tokens=BLOCK, capacity_blocks=10_000)
    seen: list[tuple[str, list[str]]] = []
    for model, tokens in sequence:
        expected = max((shared(tokens, t) for m, t in seen if m == model), default=0)
        assert cache.admit(model, tokens) == expected
        seen.append((model, tokens))


@given(prompts, st.integers(min_value=1, max_value=6))
def test_a_full_cache_forgets_but_never_invents(
    sequence: list[tuple[str, list[str]]], capacity: int
) -> None:
    cache = PrefixCache(block_tokens=BLOCK, capacity_blocks=capacity)
    seen: list[tuple[str, list[str]]] = []
    for model, tokens in sequence:
        ceiling = max((shared(tokens, t) for m, t in seen if m == model), default=0)
        assert cache.admit(model, tokens) <= min(ceiling, capacity * BLOCK)
        assert len(cache) <= capacity
        # What has just been used stays as far as there is room.
        room = min(len(tokens) // BLOCK, capacity) * BLOCK
        assert cache.admit(model, tokens) == room
        seen.append((model, tokens))


def test_eviction_takes_the_least_recently_used_prompt() -> None:
    cache = PrefixCache(block_tokens=1, capacity_blocks=4)
    for prompt in ("ab", "cd", "ab"):
        cache.admit("m", prompt)
    cache.admit("m", "ef")
    assert cache.admit("m", "ab") == 2
    assert cache.admit("m", "cd") == 0


@given(st.text(max_size=40))
def test_an_affinity_value_always_selects_the_same_replica(value: str) -> None:
    first, second = Replicas(rng=random.Random(1)), Replicas(rng=random.Random(2))
    assert first.select(value) == second.select(value) == first.select(value)


def test_affinity_values_spread_over_all_replicas() -> None:
    replicas = Replicas(rng=random.Random(0), count=4)
    assert {replicas.select(f"session-{n}") for n in range(100)} == {0, 1, 2, 3}


def test_without_affinity_the_choice_is_random_and_repeats_with_its_seed() -> None:
    def choices(seed: int) -> list[int]:
        replicas = Replicas(rng=random.Random(seed))
        return [replicas.select(None) for _ in range(50)]

    assert choices(7) == choices(7)
    assert choices(7) != choices(8)
    assert set(choices(7)) == {0, 1, 2, 3}


def test_replicas_share_nothing() -> None:
    replicas = Replicas(rng=random.Random(0), block_tokens=1)
    assert replicas.admit(0, "m", "abc") == 0
    assert replicas.admit(1, "m", "abc") == 0
    assert replicas.admit(0, "m", "abd") == 2


@given(
    prompts=st.lists(st.lists(st.sampled_from("abc"), max_size=40), max_size=8),
    limit=st.integers(0, 40),
)
def test_a_restored_cache_knows_at_most_what_was_saved_and_extends_it_truly(
    prompts: list[list[str]], limit: int
) -> None:
    """What survives a restart is a part of what was known: never more, and still whole prefixes."""
    before = PrefixCache(block_tokens=4)
    for prompt in prompts:
        before.admit("m", prompt)
    after = PrefixCache(block_tokens=4)
    after.restore(json.loads(json.dumps(before.snapshot(limit))))
    assert len(after) == min(limit, len(before))
    for prompt in prompts:
        known = after.admit("m", prompt)
        assert known <= before.admit("m", prompt)
        assert after.admit("m", prompt) == len(prompt) // 4 * 4


def test_a_snapshot_of_everything_loses_nothing() -> None:
    replicas = Replicas(rng=random.Random(1))
    replicas.admit(2, "m", ["x"] * 64)
    warm = Replicas(rng=random.Random(1))
    warm.restore(json.loads(json.dumps(replicas.snapshot())))
    assert warm.admit(2, "m", ["x"] * 64) == 64
    assert warm.admit(1, "m", ["x"] * 64) == 0


@pytest.mark.parametrize("content", ["", "{", "[]", "[[1],[],[],[]]", '[[["m",[[]],0]],[],[],[]]'])
def test_a_file_that_is_no_snapshot_leaves_the_replicas_usable(
    tmp_path: Path, content: str
) -> None:
    (tmp_path / FILE_NAME).write_text(content)
    replicas = Replicas(rng=random.Random(1))
    load_warmth(tmp_path, replicas)
    assert replicas.admit(0, "m", ["x"] * 32) == 0
    save_warmth(tmp_path, replicas)
    warm = Replicas(rng=random.Random(1))
    load_warmth(tmp_path, warm)
    assert warm.admit(0, "m", ["x"] * 32) == 32
