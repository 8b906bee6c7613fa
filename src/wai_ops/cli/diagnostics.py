"""Every line on stderr: errors, warnings, notes. stdout belongs to data."""

import os
import sys

from wai_ops.core.errors import WaiError
from wai_ops.core.text import one_line


def message(text: str) -> None:
    """Print one line `wai: text`; control characters in it are made harmless."""
    try:
        sys.stderr.write(f"wai: {one_line(text, 2000)}\n")
        sys.stderr.flush()
    except OSError:
        pass  # stderr is closed or full: there is nowhere left to say so


def warn(text: str) -> None:
    """Print a warning: the command goes on."""
    message(f"warning: {text}")


def note(text: str) -> None:
    """Print a note about the result: its source, its completeness, what is unknown."""
    message(f"note: {text}")


def report(error: WaiError) -> None:
    """Print what happened, where, and what to do next."""
    where = f"{error.where}: " if error.where else ""
    for line in f"error: {where}{error.message}".splitlines():
        message(line)
    if error.hint:
        message(f"hint: {error.hint}")


def report_bug(error: Exception) -> None:
    """Say that this is a bug, with the traceback only when `WAI_DEBUG` asks for it."""
    message(f"internal error: {type(error).__name__}: {error}")
    if os.environ.get("WAI_DEBUG"):
        import traceback

        traceback.print_exception(error)
    else:
        message("hint: this is a bug in wai; run again with WAI_DEBUG=1 and report the traceback")
