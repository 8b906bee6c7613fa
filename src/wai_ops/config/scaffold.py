"""`wai init`: the first files of a project. Nothing that is there is overwritten."""

import os
from dataclasses import dataclass
from pathlib import Path

from wai_ops.config.locations import FILE_NAME, STATE_FOLDER
from wai_ops.config.settings import Target
from wai_ops.config.template import TRIAGE_PROMPT, WAI_YAML
from wai_ops.core.errors import UsageError

PROMPT = Path("prompts") / "triage.prompt"
_IGNORE_LINE = f"{STATE_FOLDER}/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaffold:
    """What was written: paths relative to the folder."""

    folder: Path
    written: tuple[str, ...]


def write_scaffold(folder: Path, *, target: Target, is_forced: bool = False) -> Scaffold:
    """Write wai.yaml and an example prompt, and keep local state out of version control.

    Raises UsageError, before anything is written, when a file is in the way; `is_forced` replaces
    wai.yaml and nothing else.
    """
    config, prompt, ignore = folder / FILE_NAME, folder / PROMPT, folder / ".gitignore"
    if os.path.lexists(config) and not (is_forced and config.is_file()):
        hint = "edit it, or replace it with --force" if config.is_file() else None
        raise UsageError("the file exists already", where=str(config), hint=hint)
    # With --force, a prompt from the first time is simply kept.
    needs_prompt = not (is_forced and prompt.is_file())
    if needs_prompt and os.path.lexists(prompt):
        hint = "rename it, or use another folder"
        raise UsageError("the file exists already", where=str(prompt), hint=hint)
    written = [FILE_NAME]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(config, WAI_YAML.format(target=target.value), is_new=not is_forced)
        if needs_prompt:
            prompt.parent.mkdir(exist_ok=True)
            _write(prompt, TRIAGE_PROMPT, is_new=True)
            written.append(str(PROMPT))
        if _ignore_state(ignore):
            written.append(ignore.name)
    except OSError as error:
        where = str(error.filename or folder)
        raise UsageError(f"cannot be written: {error.strerror}", where=where) from error
    return Scaffold(folder=folder, written=tuple(written))


def _write(path: Path, text: str, *, is_new: bool) -> None:
    with path.open("x" if is_new else "w", encoding="utf-8") as file:
        file.write(text)


def _ignore_state(path: Path) -> bool:
    """Add the state folder to .gitignore; False when it is in there already."""
    content = path.read_bytes() if path.exists() else b""
    lines = {line.strip().strip(b"/") for line in content.splitlines()}
    if STATE_FOLDER.encode() in lines:
        return False
    separator = b"" if not content or content.endswith(b"\n") else b"\n"
    with path.open("ab") as file:
        file.write(separator + _IGNORE_LINE.encode() + b"\n")
    return True
