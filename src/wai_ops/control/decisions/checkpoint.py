"""Checkpoints (C2SP tlog-checkpoint): the size and the root of the log, signed by the operator.

They lie in `checkpoints/` beside the log, one file for each size, and are never changed.
"""

import base64
import binascii
import contextlib
import os
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from wai_ops.control.decisions.note import BadNoteError, SigningKey, VerifierKey, open_note
from wai_ops.core.errors import DataError

FOLDER = "checkpoints"
_NAME = re.compile(r"\d{12}\.txt\Z", re.ASCII)
_SIZE = re.compile(r"(?:0|[1-9]\d{0,17})\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The log had this root when it had this many records."""

    origin: str
    size: int
    root: bytes

    def __str__(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def parse_checkpoint(text: str) -> Checkpoint:
    """Read the text of a checkpoint; lines after the third are ignored. Raises BadNoteError."""
    lines = text.split("\n")
    if len(lines) < 4 or not all(lines[:-1]):
        raise BadNoteError("a checkpoint has an origin, a size and a root")
    origin, size, root = lines[:3]
    try:
        digest = base64.b64decode(root, validate=True)
    except binascii.Error as error:
        raise BadNoteError("the root of a checkpoint is base64") from error
    if not _SIZE.match(size) or len(digest) != 32:
        raise BadNoteError("a checkpoint has a size and a root of 32 bytes")
    return Checkpoint(origin, int(size), digest)


def size_line(note: bytes) -> int:
    """The size that stands in a note which may be anything else but a checkpoint; 0: none."""
    line = note.split(b"\n", 2)[1:2]
    text = b"".join(line).decode("ascii", "replace")
    return int(text) if _SIZE.match(text) else 0


def sign_checkpoint(size: int, root: bytes, key: SigningKey) -> bytes:
    """The signed note; the origin is the name of the key."""
    return key.sign(str(Checkpoint(key.name, size, root))).encode()


def open_checkpoint(note: bytes, keys: Collection[VerifierKey]) -> Checkpoint:
    """A checkpoint that a known key has signed, about its own log. Raises BadNoteError."""
    text, signer = open_note(note, keys)
    found = parse_checkpoint(text)
    if found.origin != signer.name:
        raise BadNoteError(f"this is a checkpoint of {found.origin}, signed by {signer.name}")
    return found


def checkpoint_files(folder: Path) -> list[Path]:
    """The files of the checkpoints of a log, the smallest first. Raises DataError."""
    try:
        found = sorted((folder / FOLDER).iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise DataError(
            f"cannot read the checkpoints: {error.strerror}", where=str(folder / FOLDER)
        ) from error
    return [path for path in found if _NAME.match(path.name)]


def store_checkpoint(folder: Path, size: int, note: bytes) -> Path:
    """Keep a checkpoint; what is there already stays. Raises DataError."""
    from wai_ops.config.files import write_atomically

    path = folder / FOLDER / f"{size:012}.txt"
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        write_atomically(draft, note)
        try:
            with contextlib.suppress(FileExistsError):
                os.link(draft, path)
        finally:
            draft.unlink()
        descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise DataError(
            f"cannot keep the checkpoint: {error.strerror or error}", where=str(path)
        ) from error
    return path
