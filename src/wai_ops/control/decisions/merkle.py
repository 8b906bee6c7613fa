"""The Merkle tree of RFC 6962 over the exact bytes of the records: hashes, proofs, checks. Pure."""

import hashlib

EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(record: bytes) -> bytes:
    """The hash of a leaf: a zero byte keeps it apart from that of an inner node."""
    return hashlib.sha256(b"\0" + record).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()
