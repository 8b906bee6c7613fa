"""The lines that were typed in `wai chat`, across sessions: arrow up finds them again.

The file lies beside live state, readable by its owner only. Credentials are masked before a line is
kept; deleting a conversation takes out the lines that were said in it.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

MOST_LINES = 1000


def load_history(path: Path) -> list[str]:
    """The lines that are kept; none when the file cannot be read: it is a convenience."""
    try:
        return path.read_text("utf-8", "replace").splitlines()[-MOST_LINES:]
    except OSError:
        return []


def keep_lines(path: Path, lines: Sequence[str], mask: Callable[[str], str]) -> None:
    """Add lines to the file, masked; a file that grew too long loses its oldest ones."""
    kept = [mask(line) for line in lines if line.strip()]
    if not kept:
        return
    try:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
        with os.fdopen(os.open(path, flags, 0o600), "a+", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in kept))
            file.seek(0)
            lines = file.read().splitlines()
            if len(lines) > 2 * MOST_LINES:
                file.truncate(0)
                file.write("".join(f"{line}\n" for line in lines[-MOST_LINES:]))
    except OSError:
        return  # only arrow up would have used it


def begin_editing(lines: Sequence[str], commands: Sequence[str]) -> None:
    """Switch readline on: editing, the lines before, and TAB for commands."""
    try:
        import readline
    except ImportError:  # a Python without it: plain lines then
        return
    readline.clear_history()
    for line in lines:
        readline.add_history(line)

    def complete(text: str, state: int) -> str | None:
        found = [name for name in commands if name.startswith(text)]
        return found[state] if text.startswith("/") and state < len(found) else None

    readline.set_completer(complete)
    readline.set_completer_delims(" \t\n")
    readline.parse_and_bind("tab: complete")
    readline.parse_and_bind("set enable-bracketed-paste on")


def forget_last_line() -> None:
    """Take out of readline's memory what was entered last."""
    import readline

    readline.remove_history_item(readline.get_current_history_length() - 1)
