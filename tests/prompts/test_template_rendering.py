"""Files that a user names: read whole, or refused with a reason."""

import os
from pathlib import Path

import pytest

from wai_ops.core.errors import UsageError
from wai_ops.prompts.input_file import MAX_BYTES, read_input


def said(path: Path) -> str:
    """Why a file is refused."""
    with pytest.raises(UsageError) as caught:
        read_input(path, "prompt file")
    return caught.value.message


def test_what_is_no_regular_readable_text_is_refused_with_its_reason(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.prompt")
    (tmp_path / "folder.prompt").mkdir()
    (tmp_path / "huge.prompt").write_bytes(b"x" * (MAX_BYTES + 1))
    (tmp_path / "bytes.prompt").write_bytes(b"abc\xff")
    (tmp_path / "loop.prompt").symlink_to("loop.prompt")
    assert {
        path.name: said(path).replace(f"{path} ", "") for path in tmp_path.glob("*.prompt")
    } == {
        "fifo.prompt": "prompt file is not a regular file",
        "folder.prompt": "prompt file is not a regular file",
        "huge.prompt": f"prompt file is larger than {MAX_BYTES} bytes",
        "bytes.prompt": "prompt file is not UTF-8 (byte 3)",
        "loop.prompt": f"cannot read prompt file {tmp_path}/loop.prompt: "
        "Too many levels of symbolic links",
    }
    assert said(tmp_path / "none") == (
        f"cannot read prompt file {tmp_path}/none: No such file or directory"
    )
    assert said(Path("/dev/null")) == "prompt file /dev/null is not a regular file"


def test_a_file_of_exactly_the_limit_is_read(tmp_path: Path) -> None:
    (tmp_path / "full").write_bytes(b"x" * MAX_BYTES)
    assert len(read_input(tmp_path / "full", "prompt file")) == MAX_BYTES
