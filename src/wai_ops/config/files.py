"""Small files: read with care, written whole."""

import contextlib
import os
import stat
from pathlib import Path

from wai_ops.core.errors import UsageError

MAX_BYTES = 256 * 1024


def read_small_file(path: Path) -> bytes:
    """Read a small regular file. Raises UsageError for anything else."""
    try:
        # O_NONBLOCK: opening a FIFO must not wait for somebody to write to it.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise UsageError("is not a regular file", where=str(path))
            content = read_up_to(descriptor, MAX_BYTES + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", where=str(path)) from error
    if len(content) > MAX_BYTES:
        raise UsageError(f"is larger than {MAX_BYTES // 1024} KiB", where=str(path))
    return content


def read_up_to(descriptor: int, limit: int) -> bytes:
    """Read a regular file from an open descriptor, at most `limit` bytes; leaves it open."""
    with open(descriptor, "rb", closefd=False) as file:
        return file.read(limit)


def make_state_folder(state_dir: Path, name: str) -> Path:
    """Create `state_dir/name`, readable by its owner only and kept out of version control."""
    if not state_dir.is_dir():
        state_dir.parent.mkdir(parents=True, exist_ok=True)
        state_dir.mkdir(mode=0o700, exist_ok=True)
        with contextlib.suppress(FileExistsError), (state_dir / ".gitignore").open("x") as file:
            file.write("*\n")
    folder = state_dir / name
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def write_atomically(path: Path, content: bytes, *, is_durable: bool = True) -> None:
    """Replace `path` by a new file of mode 0600: a reader sees the old content or the new."""
    import tempfile

    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor
            file.write(content)
            file.flush()
            if is_durable:
                os.fsync(file.fileno())
        os.replace(name, path)  # noqa: PTH105 - mkstemp gives names, not paths
    except BaseException:
        os.unlink(name)  # noqa: PTH108
        raise
