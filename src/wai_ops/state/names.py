"""The names that shell completion offers: a small text file that a shell can read by itself.

Lines are `kind<TAB>name`. It is a cache: losing it costs nothing but a completion.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from wai_ops.core.ids import is_name

FILE_NAME = "names"
MAX_BYTES = 16 * 1024
"""Beyond this the file starts afresh: completion must stay instant."""


def remember_names(state_dir: Path, names: Iterable[tuple[str, str]]) -> None:
    """Add the pairs (kind, name) that are not there yet. Failing to write is no error."""
    path = state_dir / FILE_NAME
    try:
        text = path.read_text("utf-8", "replace") if path.exists() else ""
        known = set(text.splitlines())
        lines = [f"{kind}\t{name}" for kind, name in names if is_name(name)]
        if new := [line for line in lines if line not in known]:
            mode = "a" if len(text) < MAX_BYTES else "w"
            with open(path, mode, encoding="utf-8", opener=_private) as file:
                file.write("".join(f"{line}\n" for line in new))
    except OSError:
        return  # only completion would have used it


def forget_names(state_dir: Path, names: Iterable[tuple[str, str]]) -> None:
    """Take the pairs (kind, name) out. Failing to write is no error."""
    path = state_dir / FILE_NAME
    gone = {f"{kind}\t{name}" for kind, name in names}
    try:
        lines = path.read_text("utf-8", "replace").splitlines()
        kept = [line for line in lines if line not in gone]
        if len(kept) < len(lines):
            with open(path, "w", encoding="utf-8", opener=_private) as file:
                file.write("".join(f"{line}\n" for line in kept))
    except OSError:
        return  # there is none, or only completion would have used it


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
