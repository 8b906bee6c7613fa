"""Signed notes (C2SP signed-note): a short text with Ed25519 signatures of named keys."""

import base64
import binascii
import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Self

_ED25519 = 1
_DASH = "—"
_MAX_BYTES = 256 * 1024
_MAX_SIGNATURES = 100
_PRIVATE = "PRIVATE+KEY+"


class BadNoteError(ValueError):
    """The text is no signed note, or none that a known key has signed."""


def is_key_name(name: str) -> bool:
    """Whether this may name a key: printable, without blanks and plus signs."""
    return bool(name) and name.isprintable() and "+" not in name and not any(map(str.isspace, name))


def _key_hash(name: str, public: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + bytes([_ED25519]) + public).digest()[:4]


def _parts(text: str, what: str) -> tuple[str, bytes, bytes]:
    """`name+hash+base64` taken apart: name, hash, key without its type."""
    name, _, rest = text.partition("+")
    digest, _, encoded = rest.partition("+")
    try:
        content = base64.b64decode(encoded, validate=True)
        hashed = bytes.fromhex(digest)
    except (binascii.Error, ValueError) as error:
        raise BadNoteError(f"this is no {what}") from error
    if not is_key_name(name) or len(digest) != 8 or digest != digest.lower():
        raise BadNoteError(f"this is no {what}")
    if len(content) != 33 or content[0] != _ED25519:
        raise BadNoteError(f"this is no {what} for Ed25519")
    return name, hashed, content[1:]


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """The public half of a key, with its name."""

    name: str
    public: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `name+hash+key`. Raises BadNoteError."""
        name, hashed, public = _parts(text.strip(), "verifier key")
        if hashed != _key_hash(name, public):
            raise BadNoteError("the hash in the verifier key is not that of its name and key")
        return cls(name, public)

    @property
    def key_hash(self) -> bytes:
        """Four bytes that name the key in signatures."""
        return _key_hash(self.name, self.public)

    def __str__(self) -> str:
        """Write `name+hash+key`."""
        encoded = base64.b64encode(bytes([_ED25519]) + self.public).decode()
        return f"{self.name}+{self.key_hash.hex()}+{encoded}"

    def accepts(self, text: bytes, signature: bytes) -> bool:
        """Whether this key has signed the text."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The private half of a key; only the operator's commands have one."""

    name: str
    _seed: bytes = field(repr=False)

    @classmethod
    def generate(cls, name: str) -> Self:
        """Make a new key."""
        import os

        return cls(name, os.urandom(32))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `encoded` gave. Raises BadNoteError, which quotes nothing of the key."""
        text = text.strip()
        if not text.startswith(_PRIVATE):
            raise BadNoteError("this is no signing key")
        name, hashed, seed = _parts(text.removeprefix(_PRIVATE), "signing key")
        key = cls(name, seed)
        if hashed != key.verifier.key_hash:
            raise BadNoteError("the hash in the signing key is not that of its name and key")
        return key

    def encoded(self) -> str:
        """`PRIVATE+KEY+name+hash+key`: for the one file that keeps it."""
        content = base64.b64encode(bytes([_ED25519]) + self._seed).decode()
        return f"{_PRIVATE}{self.name}+{self.verifier.key_hash.hex()}+{content}"

    @property
    def verifier(self) -> VerifierKey:
        """The public half."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        private = Ed25519PrivateKey.from_private_bytes(self._seed)
        return VerifierKey(self.name, private.public_key().public_bytes_raw())

    def sign(self, text: str) -> str:
        """The note: the text, which ends with a newline, and its signature."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        _check_text(text)
        signature = Ed25519PrivateKey.from_private_bytes(self._seed).sign(text.encode())
        encoded = base64.b64encode(self.verifier.key_hash + signature).decode()
        return f"{text}\n{_DASH} {self.name} {encoded}\n"


def open_note(note: bytes, keys: Collection[VerifierKey]) -> tuple[str, VerifierKey]:
    """The text of a note, and the key that has signed it.

    Raises BadNoteError when no known key has, or when one of them is named and has not.
    """
    text, signatures = split_note(note)
    known = {(key.name, key.key_hash): key for key in keys}
    signer = None
    for name, hashed, signature in signatures:
        key = known.get((name, hashed))
        if key is None:
            continue
        if not key.accepts(text.encode(), signature):
            raise BadNoteError(f"the signature of {name} does not fit the text")
        signer = signer or key
    if signer is None:
        raise BadNoteError("no known key has signed this")
    return text, signer


def split_note(note: bytes) -> tuple[str, list[tuple[str, bytes, bytes]]]:
    """The text, and each signature's name, key hash and bytes. Nothing is verified.

    Raises BadNoteError for what is no signed note.
    """
    if len(note) > _MAX_BYTES:
        raise BadNoteError("this is too long for a signed note")
    try:
        whole = note.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadNoteError("a signed note is UTF-8") from error
    text, blank, block = whole.rpartition("\n\n")
    text += "\n"
    if not blank or not block.endswith("\n"):
        raise BadNoteError("a signed note has a text, an empty line, and signatures")
    _check_text(text)
    lines = block[:-1].split("\n")
    if len(lines) > _MAX_SIGNATURES:
        raise BadNoteError("too many signatures")
    return text, [_signature(line) for line in lines]


def _signature(line: str) -> tuple[str, bytes, bytes]:
    parts = line.split(" ")
    if len(parts) != 3 or parts[0] != _DASH or not is_key_name(parts[1]):
        raise BadNoteError("a signature is a dash, a name, and base64")
    try:
        content = base64.b64decode(parts[2], validate=True)
    except binascii.Error as error:
        raise BadNoteError("a signature is a dash, a name, and base64") from error
    if len(content) < 5:
        raise BadNoteError("a signature is too short")
    return parts[1], content[:4], content[4:]


def _check_text(text: str) -> None:
    if not text.endswith("\n") or any(c < " " and c != "\n" for c in text):
        raise BadNoteError("the text of a note ends with a newline and has no control characters")
