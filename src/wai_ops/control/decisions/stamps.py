"""Time stamps that are kept beside checkpoints, as `checkpoints/<size>.tsr`."""

from collections.abc import Iterator
from pathlib import Path

from wai_ops.control.decisions.checkpoint import checkpoint_files
from wai_ops.control.decisions.timestamp import Stamp, read_response

SUFFIX = ".tsr"


def kept_stamps(folder: Path) -> Iterator[tuple[Path, Stamp | str]]:
    """The checkpoints that have a time stamp, and it, or why it is none of theirs.

    Raises DataError when the folder cannot be read.
    """
    for path in checkpoint_files(folder):
        answer = path.with_suffix(SUFFIX)
        if answer.exists():
            yield path, read_kept(answer, path.read_bytes())


def read_kept(path: Path, note: bytes) -> Stamp | str:
    """A kept answer about a checkpoint, or why it is none."""
    try:
        return read_response(path.read_bytes(), note, None)
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    except ValueError as error:
        return str(error)
