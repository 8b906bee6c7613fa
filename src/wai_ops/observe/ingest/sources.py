"""What an import reads: files, folders and globs named on the command line, in a fixed order.

Only regular files are opened. What a folder holds besides (links, pipes, sockets, devices) is left
alone and said; the same named outright is an error, because somebody meant something by it.
"""

import glob
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from wai_ops.core.errors import UsageError

S3_SCHEMES = ("s3://", "r2://")
_MAGIC = "*?["


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One file. `name` is what messages and the ledger call it."""

    path: Path
    name: str
    size_bytes: int
    etag: str | None = None
    held: BinaryIO | None = field(default=None, compare=False, repr=False)
    """A file without a name, which is there as long as this is open; then `path` is its own."""

    def close(self) -> None:
        """Let go of what was fetched."""
        if self.held is not None:
            self.held.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Files in their order, and what was left alone with the reason."""

    sources: tuple[Source, ...]
    left: tuple[str, ...]


def find_sources(names: Iterable[str], cwd: Path) -> Found:
    """Resolve files, folders (all below) and globs. Raises UsageError for what cannot be read."""
    sources: dict[str, Source] = {}
    left: list[str] = []
    for name in names:
        path = cwd / name
        if _is_there(path):
            _add(path, name, sources, left)
        elif any(mark in name for mark in _MAGIC):
            # As the shell's: relative to here, hidden files only where the pattern says so.
            matches = sorted(glob.glob(name, root_dir=cwd, recursive=True))  # noqa: PTH207
            if not matches:
                raise UsageError(f"{name} matches no file", hint="quote the pattern, and look: ls")
            for match in matches:
                _add(cwd / match, match, sources, left, is_named=False)
        else:
            raise UsageError(f"{name} does not exist", hint="give a file, a folder or a glob")
    return Found(sources=tuple(sources.values()), left=tuple(left))


def _is_there(path: Path) -> bool:
    try:
        return path.exists() or path.is_symlink()
    except (OSError, ValueError):  # a name that no file can have
        return False


def _add(
    path: Path, name: str, sources: dict[str, Source], left: list[str], *, is_named: bool = True
) -> None:
    try:
        status = path.stat()
    except OSError as error:
        raise UsageError(f"cannot read {name}: {error.strerror}") from error
    if stat.S_ISDIR(status.st_mode):
        _walk(path, name, sources, left)
    elif not stat.S_ISREG(status.st_mode):
        if is_named:
            raise UsageError(
                f"{name} is {_kind(status.st_mode)}, not a file", hint="save it to a file first"
            )
        left.append(f"{name}: {_kind(status.st_mode)}")
    else:
        key = str(path.resolve())
        sources.setdefault(key, Source(path=path, name=name, size_bytes=status.st_size))


def _walk(top: Path, name: str, sources: dict[str, Source], left: list[str]) -> None:
    """Every file below, by name; links are not followed, so no loop and no way out."""

    def refuse(error: OSError) -> None:
        raise UsageError(f"cannot read {error.filename}: {error.strerror}") from error

    found: list[str] = []
    for folder, folders, files in os.walk(top, onerror=refuse):
        for entry in folders:
            below = (Path(folder) / entry).relative_to(top)
            if (top / below).is_symlink():
                left.append(f"{Path(name) / below}: a link")
        found += [str((Path(folder) / file).relative_to(top)) for file in files]
        folders[:] = [entry for entry in folders if not entry.startswith(".")]
    for relative in sorted(found):
        path, shown = top / relative, str(Path(name) / relative)
        mode = path.lstat().st_mode
        if Path(relative).name.startswith("."):
            left.append(f"{shown}: hidden")
        elif stat.S_ISREG(mode):
            _add(path, shown, sources, left)
        else:
            left.append(f"{shown}: {_kind(mode)}")


def _kind(mode: int) -> str:
    kinds = {
        stat.S_IFLNK: "a link",
        stat.S_IFIFO: "a pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    return kinds.get(stat.S_IFMT(mode), "a special file")
