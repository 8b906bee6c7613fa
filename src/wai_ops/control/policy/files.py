"""The files of a policy folder: `*.yaml` in it, never a link, never out of it, never too many."""

import errno
import os
import stat
from pathlib import Path

from wai_ops.core.errors import UsageError
from wai_ops.core.text import one_line

SUFFIX = ".yaml"
TESTS = "tests"
"""The folder below that holds table tests, and no policies."""
MAX_BYTES = 256 * 1024
MOST_FILES = 200
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC

Problems = list[str]
Contents = dict[str, bytes]
"""Name of a file -> its bytes."""


def read_folder(folder: Path, label: str) -> tuple[Contents, Problems]:
    """Read the policy files of a folder; what is wrong with single files is in the problems.

    `label` is how messages name the folder. Raises UsageError when it cannot be read.
    """
    try:
        descriptor = os.open(folder, _FOLDER)
    except OSError as error:
        raise UsageError(_folder_reason(error), where=label) from error
    try:
        names = sorted(os.listdir(descriptor))  # noqa: PTH208 - a descriptor, not a path
        return _read(descriptor, names, label)
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", where=label) from error
    finally:
        os.close(descriptor)


def _read(descriptor: int, names: list[str], label: str) -> tuple[Contents, Problems]:
    contents: Contents = {}
    problems: Problems = []
    for name in names:
        if name.startswith(".") or not name.endswith((SUFFIX, ".yml")):
            continue
        where = f"{label}/{one_line(name, 200)}"
        if name.endswith(".yml"):
            problems.append(f"{where}: is not read: policies end in .yaml")
        elif len(contents) >= MOST_FILES:
            raise UsageError(f"holds more than {MOST_FILES} policies", where=label)
        else:
            try:
                contents[name] = _content(descriptor, name)
            except (OSError, ValueError) as error:
                problems.append(f"{where}: {_reason(error)}")
    return contents, problems


def _content(descriptor: int, name: str) -> bytes:
    file = os.open(name, _FILE, dir_fd=descriptor)
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("is not a regular file")
        content = os.read(file, MAX_BYTES + 1)
    finally:
        os.close(file)
    if len(content) > MAX_BYTES:
        raise ValueError(f"is larger than {MAX_BYTES // 1024} KiB")
    return content


def _reason(error: OSError | ValueError) -> str:
    if not isinstance(error, OSError):
        return str(error)
    if error.errno in (errno.ELOOP, errno.EMLINK):
        return "is a link: links are not followed"
    if error.errno == errno.ENXIO:
        return "is not a regular file"
    return f"cannot be read: {error.strerror}"


def _folder_reason(error: OSError) -> str:
    if error.errno == errno.ENOENT:
        return "there is no such folder"
    if error.errno == errno.ENOTDIR:
        return "is no folder"
    return f"cannot be read: {error.strerror}"


def line_at(root: Path, where: str) -> str:
    """The text of the line that `file:line` names; empty when it cannot be read any more."""
    name, _, number = where.rpartition(":")
    path = root / name
    try:
        descriptor = os.open(path.parent, _FOLDER)
        try:
            content = _content(descriptor, path.name)
        finally:
            os.close(descriptor)
        return content.decode("utf-8", "replace").split("\n")[int(number) - 1].strip()
    except (OSError, ValueError, IndexError):
        return ""
