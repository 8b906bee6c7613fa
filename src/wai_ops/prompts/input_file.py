"""Reading the text files that a user names on the command line."""

import os
import stat
from pathlib import Path

from wai_ops.core.errors import UsageError

MAX_BYTES = 1024 * 1024
SUFFIXES = (".prompt", ".j2", ".jinja", ".txt", ".md")
"""Of files that may be given as a prompt."""


def read_input(path: Path, what: str, *, limit: int = MAX_BYTES) -> str:
    """Read a regular UTF-8 file of bounded size. Raises UsageError with the reason."""
    try:
        # O_NONBLOCK so that opening a FIFO cannot wait for a writer that never comes.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise UsageError(f"cannot read {what} {path}: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UsageError(f"{what} {path} is not a regular file")
    with os.fdopen(descriptor, "rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise UsageError(f"{what} {path} is larger than {limit} bytes")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"{what} {path} is not UTF-8 (byte {error.start})") from error
