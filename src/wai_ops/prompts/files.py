"""Reading below one folder, never out of it; writing whole files.

Every part of a path is opened by itself and without following links, so neither `..`, nor a link,
nor a folder that is swapped for one in between leads anywhere else. FIFOs and devices are opened
without waiting and refused by what they are.
"""

import contextlib
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from wai_ops.core.text import one_line
from wai_ops.prompts.errors import PromptError

MAX_BYTES = 1024 * 1024
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NOT_PLAIN = frozenset({"", ".", ".."})


def read_below(folder: Path, relative: str, *, limit: int = MAX_BYTES) -> bytes:
    """Read the regular file `relative` (parts separated by `/`) below `folder`.

    Raises PromptError for a path that leads out, a link, anything but a file, or too many bytes.
    """
    where = f"{folder.name}/{one_line(relative)}"
    *parents, name = check_relative(relative, where)
    try:
        descriptor = open_below(folder, parents)
        try:
            return read_in(descriptor, name, limit=limit, where=where)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise PromptError(_reason(error), where=where) from error


def open_below(folder: Path, parts: Sequence[str]) -> int:
    """Open a folder below `folder`, part by part, following no link. Raises OSError."""
    descriptor = os.open(folder, _FOLDER)
    for part in parts:
        try:
            inner = os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=descriptor)
        finally:
            os.close(descriptor)
        descriptor = inner
    return descriptor


def read_in(descriptor: int, name: str, *, limit: int = MAX_BYTES, where: str) -> bytes:
    """Read the regular file `name` in an open folder. Raises PromptError and OSError."""
    file = os.open(name, _FILE, dir_fd=descriptor)
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise PromptError("is not a regular file", where=where)
        if status.st_size > limit:
            raise PromptError(f"is larger than {limit} bytes", where=where)
        # One byte more than there should be: the end is known without asking again.
        content = os.read(file, status.st_size + 1)
    finally:
        os.close(file)
    if len(content) != status.st_size:
        raise PromptError("changed while it was read", where=where)
    return content


def check_relative(relative: str, where: str) -> list[str]:
    """Return the parts of a path below a folder. Raises PromptError for one that leads out."""
    parts = relative.split("/")
    if _NOT_PLAIN & set(parts) or "\0" in relative or "\\" in relative:
        raise PromptError(
            f"{one_line(relative, 80)!r} leads out of prompts/",
            where=where,
            hint="paths are relative to prompts/, without . and ..",
        )
    return parts


def _reason(error: OSError) -> str:
    import errno

    if error.errno in (errno.ELOOP, errno.EMLINK):
        return "is a link: links are not followed"
    if error.errno == errno.ENOTDIR:
        return "cannot be read: a part of the path is a link or no folder"
    if error.errno == errno.ENXIO:
        return "is not a regular file"
    return f"cannot be read: {error.strerror}"


def walk(folder: Path, suffix: str, prefix: str = "") -> Iterator[str]:
    """Every path below `folder` that ends in `suffix`, sorted; links and hidden folders stay shut.

    A folder that is not there holds nothing. Raises PromptError when one cannot be read.
    """
    try:
        with os.scandir(folder / prefix) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    except OSError as error:
        where = f"{folder.name}/{one_line(prefix)}"
        raise PromptError(f"cannot be read: {error.strerror}", where=where) from error
    for entry in found:
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from walk(folder, suffix, f"{prefix}{entry.name}/")
        elif entry.name.endswith(suffix):
            yield f"{prefix}{entry.name}"


def make_below(folder: Path, parts: Sequence[str]) -> int:
    """Open a folder below `folder`, making what is missing and following no link.

    Raises PromptError when a part is a link or no folder.
    """
    shown = folder.name
    try:
        descriptor = os.open(folder, _FOLDER)
    except OSError as error:
        raise PromptError(_reason(error), where=f"{shown}/") from error
    for part in parts:
        shown = f"{shown}/{part}"
        try:
            with contextlib.suppress(FileExistsError):
                os.mkdir(part, dir_fd=descriptor)
            inner = os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=descriptor)
        except OSError as error:
            raise PromptError(_reason(error), where=shown) from error
        finally:
            os.close(descriptor)
        descriptor = inner
    return descriptor


def write_whole(path: Path, content: bytes) -> None:
    """Put a file in place; it keeps its mode, and a new one gets what the umask leaves."""
    mode = None
    with contextlib.suppress(FileNotFoundError):
        mode = stat.S_IMODE(path.stat().st_mode)
    descriptor = os.open(path.parent, _FOLDER)
    try:
        write_in(descriptor, path.name, content, mode=mode)
    finally:
        os.close(descriptor)


def write_in(descriptor: int, name: str, content: bytes, *, mode: int | None) -> None:
    """Put a file in place in an open folder: a reader sees the old content or the new.

    That holds after a power cut as well. Raises PromptError when the disk is full or read-only.
    """
    temporary = f".{name}.{os.getpid()}.tmp"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        file = os.open(temporary, flags, 0o666, dir_fd=descriptor)
        try:
            with open(file, "wb") as stream:  # noqa: PTH123 - a descriptor
                stream.write(content)
                stream.flush()
                if mode is not None:
                    os.fchmod(stream.fileno(), mode)
                os.fsync(stream.fileno())
            os.rename(temporary, name, src_dir_fd=descriptor, dst_dir_fd=descriptor)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=descriptor)
            raise
        os.fsync(descriptor)
    except OSError as error:
        raise PromptError(f"cannot be written: {error.strerror}", where=name) from error
