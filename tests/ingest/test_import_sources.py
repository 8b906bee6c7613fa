"""What an import reads: a fixed order, regular files only, nothing followed out of a folder."""

import os
import socket
from pathlib import Path

import pytest

from wai_ops.core.errors import UsageError
from wai_ops.observe.ingest.sources import find_sources


def names(found: object) -> list[str]:
    return [source.name for source in found.sources]  # type: ignore[attr-defined]


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    for name in ("b.ndjson", "a.ndjson", "deep/er/c.ndjson", "deep/[1].ndjson"):
        path = tmp_path / "logs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path / "logs"


def test_a_folder_gives_everything_below_it_by_name(logs: Path) -> None:
    assert names(find_sources(["logs"], logs.parent)) == [
        "logs/a.ndjson",
        "logs/b.ndjson",
        "logs/deep/[1].ndjson",
        "logs/deep/er/c.ndjson",
    ]


def test_a_glob_gives_its_matches_by_name_and_each_file_once(logs: Path) -> None:
    found = find_sources(["logs/*.ndjson", "logs/b.ndjson", "logs/**/*.ndjson"], logs.parent)
    assert names(found) == [
        "logs/a.ndjson",
        "logs/b.ndjson",
        "logs/deep/[1].ndjson",
        "logs/deep/er/c.ndjson",
    ]


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(logs: Path) -> None:
    assert names(find_sources(["deep/[1].ndjson"], logs)) == ["deep/[1].ndjson"]


def test_links_pipes_and_hidden_files_in_a_folder_are_left_alone_and_said(
    logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (logs / "loop").symlink_to(logs)
    (logs / "out").symlink_to("/etc/hostname")
    (logs / ".hidden").write_text("x")
    (logs / ".git").mkdir()
    (logs / ".git" / "config").write_text("x")
    os.mkfifo(logs / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        monkeypatch.chdir(logs)  # a socket's whole path has few characters
        server.bind("sock")
        found = find_sources(["logs"], logs.parent)
    assert len(found.sources) == 4
    assert sorted(found.left) == [
        "logs/.hidden: hidden",
        "logs/loop: a link",
        "logs/out: a link",
        "logs/pipe: a pipe",
        "logs/sock: a socket",
    ]


def test_a_pipe_or_a_device_that_is_named_is_refused_without_being_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="pipe is a pipe, not a file"):
        find_sources(["pipe"], tmp_path)
    with pytest.raises(UsageError, match="/dev/zero is a device, not a file"):
        find_sources(["/dev/zero"], tmp_path)


def test_a_link_that_is_named_is_the_file_behind_it(logs: Path) -> None:
    (logs / "link").symlink_to(logs / "a.ndjson")
    assert names(find_sources(["link", "a.ndjson"], logs)) == ["link"]


@pytest.mark.parametrize("name", ["gone", "gone/*.gz", "\0", "x" * 5000])
def test_what_is_not_there_is_said(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"does not exist|matches no file"):
        find_sources([name], tmp_path)


def test_a_link_to_nowhere_is_said(tmp_path: Path) -> None:
    (tmp_path / "dangling").symlink_to("nowhere")
    with pytest.raises(UsageError, match="cannot read dangling: No such file"):
        find_sources(["dangling"], tmp_path)
