"""The files of keys: the operator's signing key, and the public keys that others check with."""

import errno
import os
import stat
from pathlib import Path

from wai_ops.config.files import read_small_file, read_up_to
from wai_ops.control.decisions.note import BadNoteError, SigningKey, VerifierKey, is_key_name
from wai_ops.core.errors import AccessError, UsageError

_MAX_BYTES = 4096
_MAKE = "make one: wai audit keygen --name example.com/wai --out FILE"


def write_new_key(name: str, path: Path) -> SigningKey:
    """Make a key and keep it in a new file of mode 0600. Raises UsageError, AccessError."""
    if not is_key_name(name) or len(name) > 128:
        raise UsageError(
            f"`{name}` cannot name a key",
            hint="take something like example.com/wai: no blanks, no plus sign",
        )
    key = SigningKey.generate(name)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError as error:
        raise UsageError("is there already", where=str(path), hint="name a new file") from error
    except OSError as error:
        raise AccessError(f"cannot be made: {error.strerror}", where=str(path)) from error
    with open(descriptor, "w", encoding="ascii" if name.isascii() else "utf-8") as file:  # noqa: PTH123 - a descriptor
        file.write(key.encoded() + "\n")
        file.flush()
        os.fsync(file.fileno())
    return key


def read_signing_key(path: Path) -> SigningKey:
    """Read the operator's key.

    Raises AccessError when it is no regular file of the user's own with mode 0600 or 0400, or no
    key. Content is never part of an error.
    """
    try:
        # O_NONBLOCK: a FIFO must be refused, not waited for.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(path, flags)
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.EMLINK}:
            raise _refused(path, "it is a symbolic link", "name the file itself") from error
        raise _refused(path, (error.strerror or "it cannot be read").lower(), _MAKE) from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise _refused(path, "it is not a regular file", "name a file")
        if status.st_uid != os.geteuid():
            raise _refused(path, "it belongs to another user", "sign as the user who owns it")
        if mode := stat.S_IMODE(status.st_mode) & 0o177:
            shown = f"its mode lets others in ({mode:03o} too much)"
            raise _refused(path, shown, f"chmod 600 {path}")
        content = read_up_to(descriptor, _MAX_BYTES)
    finally:
        os.close(descriptor)
    try:
        return SigningKey.parse(content.decode("utf-8"))
    except (BadNoteError, UnicodeDecodeError) as error:
        raise _refused(path, "it holds no signing key", _MAKE) from error


def parse_verifier_keys(text: str, where: str) -> tuple[VerifierKey, ...]:
    """Read public keys with blanks between them. Raises UsageError."""
    try:
        return tuple(VerifierKey.parse(one) for one in text.split())
    except BadNoteError as error:
        raise UsageError(
            f"{error}", where=where, hint="a verifier key is name+hash+key, as keygen printed it"
        ) from error


def find_verifier_keys(given: str | None, setting: str | None) -> tuple[VerifierKey, ...]:
    """The public keys: given as text or as a file, else those of the settings; maybe none.

    Raises UsageError.
    """
    if given is None:
        return parse_verifier_keys(setting or "", "audit.verifier_key")
    path = Path(given)
    if path.is_file():
        try:
            given = read_small_file(path).decode("utf-8")
        except UnicodeDecodeError as error:
            raise UsageError("is no text", where=str(path)) from error
        return parse_verifier_keys(given, str(path))
    return parse_verifier_keys(given, "--key")


def _refused(path: Path, why: str, hint: str) -> AccessError:
    return AccessError(f"the signing key is not used: {why}", where=str(path), hint=hint)
