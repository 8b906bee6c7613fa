"""Every error that a user is expected to meet, and the exit code each one means.

    WaiError
    ├── UsageError    2   a flag, a config file or another input is wrong
    ├── RemoteError   3   the remote side failed, was unreachable or did not answer in time
    ├── AccessError   4   not authenticated, or the token lacks a permission
    ├── DeniedError   5   policy or budget refused to run this
    └── DataError     6   ledger, live state or an import is damaged, locked or unusable

An error says what happened, where, and what to do next. Anything else that escapes is a bug (70).
A verdict of "no" is not an error: the command worked, and exits 1.
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """The process exit codes of `wai`, the same for every command."""

    OK = 0
    """Done, and the verdict, if any, is yes."""
    VERDICT_NO = 1
    """Done, and the verdict is no: drift, over budget, gate shut, output against its schema."""
    USAGE = 2
    REMOTE = 3
    ACCESS = 4
    DENIED = 5
    DATA = 6
    BUG = 70
    INTERRUPTED = 130
    """Ctrl-C (128 + SIGINT)."""
    BROKEN_PIPE = 141
    """The reader of stdout went away (128 + SIGPIPE)."""
    TERMINATED = 143
    """SIGTERM (128 + SIGTERM)."""


class WaiError(Exception):
    """Base of all expected errors: `message` says what happened, `hint` what to do next."""

    exit_code: ExitCode = ExitCode.BUG

    def __init__(self, message: str, *, hint: str | None = None, where: str | None = None) -> None:
        """Keep the message, the place (`file:line:column` or an endpoint) and the next step."""
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.where = where


class UsageError(WaiError):
    """A flag, a config file or another input is wrong."""

    exit_code = ExitCode.USAGE


class RemoteError(WaiError):
    """The remote side failed, could not be reached, or did not answer in time."""

    exit_code = ExitCode.REMOTE


class AccessError(WaiError):
    """Not authenticated, or the token lacks a permission."""

    exit_code = ExitCode.ACCESS


class DeniedError(WaiError):
    """Policy or budget refused to run this request."""

    exit_code = ExitCode.DENIED


class DataError(WaiError):
    """The ledger, live state or an import is damaged, locked or unusable."""

    exit_code = ExitCode.DATA
