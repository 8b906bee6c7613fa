"""Every line on stderr: errors, warnings, notes. stdout belongs to data.

A credential that this process knows never gets there, in whatever form it was written: it is
masked here, at the last step.
"""

import os
import sys
from functools import cache

from wai_ops.core.errors import WaiError
from wai_ops.core.text import one_line

MASK = "[redacted]"
_SHORTEST = 8


def message(text: str) -> None:
    """Print one line `wai: text`; control characters in it are made harmless."""
    try:
        sys.stderr.write(f"wai: {one_line(hide_secrets(text), 2000)}\n")
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

        sys.stderr.write(hide_secrets("".join(traceback.format_exception(error))))
    else:
        message("hint: this is a bug in wai; run again with WAI_DEBUG=1 and report the traceback")


def hide_secrets(text: str) -> str:
    """Mask the credentials that this process knows, plain or encoded."""
    for form in secret_forms():
        if form in text:
            text = text.replace(form, MASK)
    return text


def secret_forms() -> tuple[str, ...]:
    """Every spelling of every known credential, the longest first."""
    from wai_ops.core.secret_names import is_secret_name

    values = {value for name, value in os.environ.items() if is_secret_name(name)}
    # Words and paths stay: a mask for `production` in every message would help nobody.
    values = {value for value in values if not (value.isalpha() or _is_path(value))}
    # What was never imported has made no secret.
    if credentials := sys.modules.get("wai_ops.config.credentials"):
        values |= credentials.revealed_values()
    return _forms(frozenset(value for value in values if len(value) >= _SHORTEST))


def _is_path(value: str) -> bool:
    return value.startswith(("/", "./", "~/")) and os.path.isdir(os.path.dirname(value))  # noqa: PTH112, PTH120 - pathlib costs start-up time


@cache
def _forms(values: frozenset[str]) -> tuple[str, ...]:
    if not values:
        return ()
    from wai_ops.observe.redact.forms import forms_of, searchable

    forms = {form for value in values for part in searchable(value) for form in forms_of(part)}
    return tuple(sorted((form.decode("utf-8", "replace") for form in forms), key=len, reverse=True))
