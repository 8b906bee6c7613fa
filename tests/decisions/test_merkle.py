"""The tree of RFC 6962: published vectors, and agreement with a second implementation."""

import hashlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support import tlog_reference as reference
from wai_ops.control.decisions.merkle import (
    EMPTY_ROOT,
    Frontier,
    Subtrees,
    consistency_ranges,
    inclusion_ranges,
    is_consistent,
    leaf_hash,
    node_hash,
    root_from_inclusion,
)

LEAVES = [
    bytes.fromhex(text)
    for text in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
"""The leaves of Certificate Transparency's own tests."""
ROOTS = (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
INCLUSION = {
    (0, 1): (),
    (0, 2): ("96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",),
    (1, 2): ("6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",),
    (2, 3): ("fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",),
    (1, 5): (
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ),
    (0, 8): (
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ),
    (5, 8): (
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ),
}
CONSISTENCY = {
    (1, 1): (),
    (1, 8): INCLUSION[0, 8],
    (2, 5): INCLUSION[1, 5][1:],
    (6, 8): (
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ),
}


def root_of(leaves: list[bytes]) -> bytes:
    tree = Frontier()
    for leaf in leaves:
        tree.add(leaf_hash(leaf))
    return tree.root()


def roots_of(leaves: list[bytes], ranges: list[tuple[int, int]]) -> list[bytes]:
    subtrees = Subtrees(ranges)
    for leaf in leaves:
        subtrees.add(leaf_hash(leaf))
    return subtrees.roots()


@pytest.mark.parametrize("size", range(9))
def test_roots_are_those_that_are_published(size: int) -> None:
    assert root_of(LEAVES[:size]).hex() == ROOTS[size]


def test_the_empty_tree_is_the_hash_of_nothing() -> None:
    assert EMPTY_ROOT == hashlib.sha256().digest() == Frontier().root()


def test_a_leaf_can_never_be_taken_for_a_node() -> None:
    left, right = leaf_hash(b"a"), leaf_hash(b"b")
    assert node_hash(left, right) != leaf_hash(left + right)


@pytest.mark.parametrize(("place", "wanted"), INCLUSION.items())
def test_inclusion_proofs_are_those_that_are_published(
    place: tuple[int, int], wanted: tuple[str, ...]
) -> None:
    index, size = place
    leaves = LEAVES[:size]
    proof = roots_of(leaves, inclusion_ranges(index, size))
    assert tuple(one.hex() for one in proof) == wanted
    assert root_from_inclusion(leaf_hash(leaves[index]), index, size, proof) == root_of(leaves)


@pytest.mark.parametrize(("sizes", "wanted"), CONSISTENCY.items())
def test_consistency_proofs_are_those_that_are_published(
    sizes: tuple[int, int], wanted: tuple[str, ...]
) -> None:
    old, new = sizes
    proof = roots_of(LEAVES[:new], consistency_ranges(old, new))
    assert tuple(one.hex() for one in proof) == wanted
    assert is_consistent(old, root_of(LEAVES[:old]), new, root_of(LEAVES[:new]), proof)


def test_every_proof_of_small_trees_agrees_with_the_definition_in_the_rfc() -> None:
    for size in range(1, 34):
        leaves = [bytes([n]) * (n % 3) for n in range(size)]
        root = reference.mth(leaves)
        assert root_of(leaves) == root
        for index in range(size):
            proof = roots_of(leaves, inclusion_ranges(index, size))
            assert proof == reference.path(index, leaves)
            leaf = leaf_hash(leaves[index])
            assert reference.root_from_path(index, size, leaf, proof) == root
            assert root_from_inclusion(leaf, index, size, proof) == root
        for old in range(1, size + 1):
            proof = roots_of(leaves, consistency_ranges(old, size))
            old_root = reference.mth(leaves[:old])
            assert proof == reference.proof(old, leaves)
            assert reference.consistent(old, size, old_root, root, proof)
            assert is_consistent(old, old_root, size, root, proof)


@given(st.data())
def test_a_proof_holds_for_its_own_leaf_place_and_root_alone(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 70))
    index = data.draw(st.integers(0, size - 1))
    leaves = [str(number).encode() for number in range(size)]
    proof = roots_of(leaves, inclusion_ranges(index, size))
    leaf, root = leaf_hash(leaves[index]), root_of(leaves)
    other = data.draw(st.integers(0, size - 1).filter(lambda one: one != index))
    assert root_from_inclusion(leaf, other, size, proof) != root
    assert root_from_inclusion(leaf_hash(leaves[other]), index, size, proof) != root
    assert root_from_inclusion(leaf, index, size, [*proof, root]) is None
    assert root_from_inclusion(leaf, index, size, proof[:-1]) is None
    place = data.draw(st.integers(0, len(proof) - 1))
    bad = [*proof[:place], bytes(32), *proof[place + 1 :]]
    assert root_from_inclusion(leaf, index, size, bad) != root


@given(st.data())
def test_a_consistency_proof_holds_for_no_other_history(data: st.DataObject) -> None:
    new = data.draw(st.integers(2, 70))
    old = data.draw(st.integers(1, new - 1))
    leaves = [str(number).encode() for number in range(new)]
    proof = roots_of(leaves, consistency_ranges(old, new))
    old_root, new_root = root_of(leaves[:old]), root_of(leaves)
    changed = data.draw(st.integers(0, old - 1))
    forged = root_of([*leaves[:changed], b"forged", *leaves[changed + 1 :]])
    assert not is_consistent(old, old_root, new, forged, proof)
    assert not is_consistent(old, bytes(32), new, new_root, proof)
    assert not is_consistent(old, old_root, new, new_root, proof[:-1])
    assert not is_consistent(old, old_root, new, new_root, [*proof, bytes(32)])
    assert not is_consistent(new, new_root, old, old_root, proof)


def test_what_is_outside_of_the_tree_has_no_proof() -> None:
    for index, size in itertools.product((-1, 3, 4), (0, 3)):
        with pytest.raises(ValueError, match="has no leaf"):
            inclusion_ranges(index, size)
        assert root_from_inclusion(bytes(32), index, size, []) is None
    with pytest.raises(ValueError, match="no beginning"):
        consistency_ranges(4, 3)


def test_the_empty_log_is_the_beginning_of_every_log() -> None:
    assert consistency_ranges(0, 5) == []
    assert is_consistent(0, EMPTY_ROOT, 5, root_of(LEAVES[:5]), [])
    assert not is_consistent(0, bytes(32), 5, root_of(LEAVES[:5]), [])
