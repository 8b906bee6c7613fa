"""What git must know about frozen prompts: two branches that froze different ones always merge."""

import os
from pathlib import Path

from wai_ops.prompts.errors import PromptError
from wai_ops.prompts.lockfile import FILE_NAME

NAME = ".gitattributes"
LINES = f"""\
# Blocks of the lock stand for themselves; wai refuses one that two branches changed.
{FILE_NAME} merge=union
# What is frozen stays the same byte for byte.
prompts/.versions/** -text
"""


def write_attributes(root: Path) -> bool:
    """Add to `.gitattributes` beside the lock, in a git repository; True when it was written.

    A file that says anything about the lock is left alone. Raises PromptError.
    """
    if not any(os.path.lexists(folder / ".git") for folder in (root, *root.parents)):
        return False
    path = root / NAME
    try:
        content = path.read_bytes() if path.is_file() else b""
        if FILE_NAME.encode() in content or (os.path.lexists(path) and not path.is_file()):
            return False
        separator = b"" if not content or content.endswith(b"\n") else b"\n"
        with path.open("ab") as file:
            file.write(separator + LINES.encode())
    except OSError as error:
        raise PromptError(f"cannot be written: {error.strerror}", where=NAME) from error
    return True
