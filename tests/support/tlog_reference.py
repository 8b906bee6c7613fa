"""A second implementation of the transparency log, from RFC 6962 section 2.1 alone.

It shares no code with the package: trees are lists that are halved again and again, notes and tiles
are taken apart with string operations. Slow, short, and easy to compare with the text of the RFC.
"""

import base64
import hashlib
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def largest_power_below(n: int) -> int:
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def mth(d: list[bytes]) -> bytes:
    """MTH(D[n]), section 2.1."""
    if not d:
        return sha256(b"")
    if len(d) == 1:
        return sha256(b"\x00" + d[0])
    k = largest_power_below(len(d))
    return sha256(b"\x01" + mth(d[:k]) + mth(d[k:]))


def path(m: int, d: list[bytes]) -> list[bytes]:
    """PATH(m, D[n]), section 2.1.1."""
    if len(d) == 1:
        return []
    k = largest_power_below(len(d))
    if m < k:
        return [*path(m, d[:k]), mth(d[k:])]
    return [*path(m - k, d[k:]), mth(d[:k])]


def proof(m: int, d: list[bytes]) -> list[bytes]:
    """PROOF(m, D[n]), section 2.1.2."""
    return subproof(m, d, b=True)


def subproof(m: int, d: list[bytes], *, b: bool) -> list[bytes]:
    if m == len(d):
        return [] if b else [mth(d)]
    k = largest_power_below(len(d))
    if m <= k:
        return [*subproof(m, d[:k], b=b), mth(d[k:])]
    return [*subproof(m - k, d[k:], b=False), mth(d[:k])]


def root_from_path(index: int, size: int, leaf: bytes, audit_path: list[bytes]) -> bytes:
    """The root that an audit path gives, as RFC 9162, 2.1.3.2 computes it: bit by bit."""
    fn, sn, r = index, size - 1, leaf
    for p in audit_path:
        assert sn > 0, "the path is too long"
        if fn & 1 or fn == sn:
            r = sha256(b"\x01" + p + r)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = sha256(b"\x01" + r + p)
        fn, sn = fn >> 1, sn >> 1
    assert sn == 0, "the path is too short"
    return r


def consistent(first: int, second: int, old: bytes, new: bytes, nodes: list[bytes]) -> bool:
    """Whether a consistency proof holds, as RFC 9162, 2.1.4.2 checks it."""
    if first == second:
        return not nodes and old == new
    if not nodes:
        return False
    if first & (first - 1) == 0:
        nodes = [old, *nodes]
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = nodes[0]
    for c in nodes[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = sha256(b"\x01" + c + fr), sha256(b"\x01" + c + sr)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = sha256(b"\x01" + sr + c)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and fr == old and sr == new


def open_note(note: bytes, vkey: str) -> list[str]:
    """The lines of a note's text, after checking its signature with `name+hash+key`."""
    name, digest, encoded = vkey.split("+", 2)
    key = base64.b64decode(encoded)
    assert key[0] == 1
    assert sha256(name.encode() + b"\n" + key)[:4].hex() == digest
    cut = note.rindex(b"\n\n")
    text, signatures = note[: cut + 1], note[cut + 2 :].decode().splitlines()
    for line in signatures:
        dash, signer, value = line.split(" ")
        content = base64.b64decode(value)
        if (dash, signer, content[:4].hex()) == ("\N{EM DASH}", name, digest):
            Ed25519PublicKey.from_public_bytes(key[1:]).verify(content[4:], text)
            return text.decode().splitlines()
    raise AssertionError("not signed with this key")


def read_tiles(folder: Path, vkey: str) -> list[bytes]:
    """All entries of an export, after checking every file that it must have."""
    origin, size_text, root = open_note((folder / "checkpoint").read_bytes(), vkey)[:3]
    size = int(size_text)
    assert origin == vkey.split("+", maxsplit=1)[0]
    entries: list[bytes] = []
    for name, width in tile_names("entries", size):
        data = (folder / name).read_bytes()
        for _ in range(width):
            length = data[0] * 256 + data[1]
            entries.append(data[2 : 2 + length])
            data = data[2 + length :]
        assert data == b"", name
    assert base64.b64decode(root) == mth(entries)
    level, span = 0, 1
    while size // span:
        for place, (name, width) in enumerate(tile_names(str(level), size // span)):
            wanted = b"".join(
                mth(entries[i * span : (i + 1) * span])
                for i in range(place * 256, place * 256 + width)
            )
            assert (folder / name).read_bytes() == wanted, name
        level, span = level + 1, span * 256
    return entries


def tile_names(level: str, count: int) -> list[tuple[str, int]]:
    """The files of a level with `count` hashes, and how many are in each."""
    found = []
    for n in range((count + 255) // 256):
        width = min(256, count - n * 256)
        digits = str(n).rjust((len(str(n)) + 2) // 3 * 3, "0")
        groups = [digits[i : i + 3] for i in range(0, len(digits), 3)]
        name = "/".join(["x" + g for g in groups[:-1]] + groups[-1:])
        found.append((f"tile/{level}/{name}" + ("" if width == 256 else f".p/{width}"), width))
    return found
