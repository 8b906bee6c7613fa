"""Proofs that can be checked without the log: a record is in it; an older log is its beginning.

A proof is plain data (`to_plain` gives JSON), and `check_proof` accepts it or says what is wrong.
Only hashes, one record and signed notes are in it.
"""

import base64
import binascii
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wai_ops.config.files import read_small_file
from wai_ops.control.decisions.audit import needed_checkpoint
from wai_ops.control.decisions.checkpoint import Checkpoint, open_checkpoint
from wai_ops.control.decisions.lines import measure, read_lines
from wai_ops.control.decisions.log import FILE_NAME
from wai_ops.control.decisions.merkle import (
    Frontier,
    Subtrees,
    consistency_ranges,
    inclusion_ranges,
    is_consistent,
    leaf_hash,
    root_from_inclusion,
)
from wai_ops.control.decisions.note import BadNoteError, VerifierKey
from wai_ops.core.errors import DataError, UsageError

_HOW = (
    "1. check the signature of `checkpoint` (a C2SP signed note) with the log's verifier key",
    "2. leaf = SHA-256(0x00 + bytes of `record` in UTF-8)",
    "3. join it with `inclusion` as RFC 9162, 2.1.3.2 says, from `index` and the checkpoint's size",
    "4. the result must be the checkpoint's third line, which is base64",
)
_HOW_CONSISTENT = (
    "5. check `against` in the same way; `consistency` joins both roots (RFC 9162, 2.1.4.2)",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """That one record is in the tree of a checkpoint; maybe also that an older one grew into it."""

    index: int
    record: bytes
    inclusion: tuple[bytes, ...]
    checkpoint: bytes
    """The signed note."""
    against: bytes | None = None
    """An older signed note."""
    consistency: tuple[bytes, ...] = ()


def make_proof(
    folder: Path,
    index: int,
    newer: tuple[Checkpoint, bytes],
    older: tuple[Checkpoint, bytes] | None,
) -> Proof:
    """Read the log once and prove. Raises DataError when the log is not what was signed."""
    at, note = newer
    path = folder / FILE_NAME
    inside = Subtrees(inclusion_ranges(index, at.size))
    since = Subtrees(consistency_ranges(older[0].size, at.size) if older else [])
    tree = Frontier()
    record = b""
    old_root = Frontier().root()
    for line in read_lines(path, measure(path).whole_bytes):
        leaf = leaf_hash(line)
        if tree.size == index:
            record = line
        for one in (tree, inside, since):
            one.add(leaf)
        if older and tree.size == older[0].size:
            old_root = tree.root()
        if tree.size == at.size:
            break
    if tree.size != at.size or tree.root() != at.root or (older and old_root != older[0].root):
        raise DataError(
            "the log is not the one that was signed: nothing can be proven",
            where=str(path),
            hint="see what is wrong: wai audit verify",
        )
    return Proof(
        index=index,
        record=record,
        inclusion=tuple(inside.roots()),
        checkpoint=note,
        against=older and older[1],
        consistency=tuple(since.roots()),
    )


def prove_record(
    folder: Path,
    index: int,
    keys: Collection[VerifierKey],
    older: tuple[Checkpoint, bytes] | None = None,
) -> Proof:
    """Prove a record against the newest checkpoint. Raises UsageError, DataError."""
    newer = needed_checkpoint(folder, keys)
    if index >= newer[0].size:
        raise UsageError(
            f"record {index} is not in the last checkpoint, which has {newer[0].size:,}",
            hint="sign a new one: wai audit checkpoint",
        )
    if older is not None and older[0].size > newer[0].size:
        raise UsageError(
            f"the checkpoint to compare with has {older[0].size:,} records, the newest here "
            f"{newer[0].size:,}",
            hint="records were lost, or this is an old copy; see: wai audit verify",
        )
    return make_proof(folder, index, newer, older)


def older_checkpoint(path: Path, keys: Collection[VerifierKey]) -> tuple[Checkpoint, bytes]:
    """Read a checkpoint that was kept. Raises UsageError for what is none."""
    note = read_small_file(path)
    try:
        return open_checkpoint(note, keys), note
    except BadNoteError as error:
        raise UsageError(f"is no checkpoint of this log: {error}", where=str(path)) from error


def to_plain(proof: Proof) -> dict[str, Any]:
    """The proof as JSON values, with words on how to check it."""
    found: dict[str, Any] = {
        "index": proof.index,
        "record": proof.record.decode("utf-8"),
        "leaf_sha256": leaf_hash(proof.record).hex(),
        "inclusion": [_encoded(one) for one in proof.inclusion],
        "checkpoint": proof.checkpoint.decode("utf-8"),
    }
    how: tuple[str, ...] = _HOW
    if proof.against is not None:
        found["consistency"] = [_encoded(one) for one in proof.consistency]
        found["against"] = proof.against.decode("utf-8")
        how += _HOW_CONSISTENT
    return found | {"how_to_check": list(how)}


def from_plain(value: Mapping[str, Any]) -> Proof:
    """Read what `to_plain` gave. Raises ValueError for what is none."""
    try:
        against = value.get("against")
        return Proof(
            index=int(value["index"]),
            record=str(value["record"]).encode(),
            inclusion=tuple(_decoded(one) for one in value["inclusion"]),
            checkpoint=str(value["checkpoint"]).encode(),
            against=None if against is None else str(against).encode(),
            consistency=tuple(_decoded(one) for one in value.get("consistency", ())),
        )
    except (KeyError, TypeError, AttributeError, binascii.Error) as error:
        raise ValueError("this is no proof of a decision log") from error


def check_proof(proof: Proof, keys: Collection[VerifierKey]) -> Checkpoint:
    """Check a proof; return the checkpoint that the record is in. Raises ValueError that says why
    it does not hold.
    """
    at = open_checkpoint(proof.checkpoint, keys)
    leaf = leaf_hash(proof.record)
    if root_from_inclusion(leaf, proof.index, at.size, proof.inclusion) != at.root:
        raise BadNoteError(f"the record is not number {proof.index} of what was signed")
    if proof.against is not None:
        old = open_checkpoint(proof.against, keys)
        if not is_consistent(old.size, old.root, at.size, at.root, proof.consistency):
            raise BadNoteError(f"the log of {old.size} records is not the beginning of this one")
    return at


def _encoded(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


def _decoded(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
