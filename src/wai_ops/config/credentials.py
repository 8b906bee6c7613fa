"""API tokens: two roles, two tokens, never one in place of the other, and never on a screen.

A token comes from the environment, or from the file that `credentials_file` names; the environment
wins. The file must belong to the user and be readable by nobody else.
"""

import errno
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from wai_ops.config.files import read_up_to
from wai_ops.config.variables import ACCOUNT_VARIABLE, OPERATOR_VARIABLE, RUNTIME_VARIABLE
from wai_ops.core.errors import AccessError

_NAMES = (RUNTIME_VARIABLE, OPERATOR_VARIABLE, ACCOUNT_VARIABLE)
_MAX_BYTES = 64 * 1024
_LONGEST_TOKEN = 4096


class Role(StrEnum):
    """What a command may do, and so which of the two tokens it gets."""

    RUNTIME = "runtime"
    """Run models, read the catalogue."""
    OPERATOR = "operator"
    """Read and change gateways, guards and deployments."""

    @property
    def variable(self) -> str:
        """The environment variable of this role's token."""
        return RUNTIME_VARIABLE if self is Role.RUNTIME else OPERATOR_VARIABLE

    @property
    def permissions(self) -> str:
        """The token permissions that this role's commands need."""
        if self is Role.RUNTIME:
            return "Workers AI: Read"
        return "AI Gateway: Read (Edit for commands that change it)"


_MADE: set[str] = set()
"""Every secret that this process made, for the one place that must know what never to print."""


def revealed_values() -> frozenset[str]:
    """The values of all secrets of this process: for masking them in messages, nothing else."""
    return frozenset(_MADE)


class Secret:
    """A value that shows itself only when asked by name."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        """Keep the value."""
        self._value = value
        if value:
            _MADE.add(value)

    def reveal(self) -> str:
        """Return the value itself, for the one place that sends it."""
        return self._value

    def __repr__(self) -> str:
        """Hide the value."""
        return "Secret('***')"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        """Compare the values, in the same time whatever they are."""
        import hmac

        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        """Hash as equal values do."""
        return hash((Secret, self._value))

    def __reduce__(self) -> str:
        """Refuse to be pickled or copied to another process."""
        raise TypeError("a secret is not serialised")


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A token and where it was found: `env NAME` or `FILE:LINE`."""

    secret: Secret
    origin: str


def find_token(role: Role, environ: Mapping[str, str], file: Path | None) -> Credential | None:
    """Find the token of a role; None when there is none.

    Raises AccessError for a token that cannot be one, and for a file that others could read.
    """
    found = _find(role.variable, environ, file)
    return None if found is None else Credential(secret=_token(*found), origin=found[1])


def find_account(environ: Mapping[str, str], file: Path | None) -> tuple[str, str] | None:
    """Find an account id in the credentials file: the id and its origin."""
    from wai_ops.config.rules import ACCOUNT

    found = _find(ACCOUNT_VARIABLE, environ, file)
    if found is not None and (problem := ACCOUNT.problem(found[0])):
        raise AccessError(f"{ACCOUNT_VARIABLE} {problem}", where=found[1])
    return found


def _find(name: str, environ: Mapping[str, str], file: Path | None) -> tuple[str, str] | None:
    if text := environ.get(name, ""):
        return text, f"env {name}"
    if file is None:
        return None
    return read_credentials_file(file).get(name)


def _token(text: str, origin: str) -> Secret:
    if not text.isascii() or not text.isprintable() or " " in text or len(text) > _LONGEST_TOKEN:
        raise AccessError(
            "this is no API token: it holds blanks or characters that a token never has",
            where=origin,
            hint="copy the token again, without quotes, blanks or line breaks",
        )
    return Secret(text)


def read_credentials_file(path: Path) -> dict[str, tuple[str, str]]:
    """Read `NAME=value` lines: name -> (value, `FILE:LINE`). Content is never part of an error.

    Raises AccessError when the file is no regular file of the user's own with mode 0600 or 0400,
    or when a line is not of that form.
    """
    found: dict[str, tuple[str, str]] = {}
    for number, line in enumerate(_read_private(path).splitlines(), start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        where = f"{path}:{number}"
        name, equals, value = text.partition("=")
        name, value = name.strip(), value.strip()
        if not equals or name not in _NAMES:
            raise AccessError(
                f"a line must be NAME=value, with NAME one of {', '.join(_NAMES)}", where=where
            )
        if name in found:
            raise AccessError(f"{name} is set twice", where=where)
        if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        if value:
            found[name] = (value, where)
    return found


def _read_private(path: Path) -> str:
    try:
        # O_NONBLOCK: a FIFO must be refused, not waited for.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(path, flags)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK):
            raise _refused(path, "it is a symbolic link", "name the file itself") from error
        hint = "create it with mode 0600, or remove credentials_file from the configuration"
        raise _refused(path, (error.strerror or "it cannot be read").lower(), hint) from error
    try:
        _check_private(path, os.fstat(descriptor))
        content = read_up_to(descriptor, _MAX_BYTES + 1)
    finally:
        os.close(descriptor)
    try:
        if len(content) <= _MAX_BYTES:
            return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    raise _refused(path, "it is not a short UTF-8 text", "keep NAME=value lines in it")


def _check_private(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise _refused(path, "it is not a regular file", "name a file")
    if status.st_uid != os.geteuid():
        raise _refused(path, "it belongs to another user", f"chown {os.geteuid()} {path}")
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o177:
        raise _refused(path, f"its mode is {mode:04o}, not 0600", f"chmod 600 {path}")


def _refused(path: Path, why: str, hint: str) -> AccessError:
    return AccessError(f"the credentials file is not used: {why}", where=str(path), hint=hint)
