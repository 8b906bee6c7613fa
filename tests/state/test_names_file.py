"""The names that completion offers: a cache that harms nobody when it is lost, or odd."""

import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wai_ops.core.ids import is_name
from wai_ops.state.names import FILE_NAME, MAX_BYTES, remember_names

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._@/-]{0,20}", fullmatch=True)


def lines(folder: Path) -> list[str]:
    """What the file holds."""
    return (folder / FILE_NAME).read_text("utf-8").splitlines()


def test_every_name_is_kept_once_under_its_kind(tmp_path: Path) -> None:
    remember_names(tmp_path, [("tenant", "acme"), ("workflow", "triage")])
    remember_names(tmp_path, [("tenant", "acme"), ("tenant", "umbrella"), ("workflow", "acme")])
    assert lines(tmp_path) == [
        "tenant\tacme",
        "workflow\ttriage",
        "tenant\tumbrella",
        "workflow\tacme",
    ]


def test_no_text_adds_anything_but_whole_lines_of_usable_names(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    @given(st.lists(st.one_of(NAMES, st.text(max_size=10), st.just("a\nx\tb")), max_size=6))
    def check(names: list[str]) -> None:
        folder = tmp_path_factory.mktemp("names")
        remember_names(folder, [("tenant", name) for name in names])
        expected = list(dict.fromkeys(f"tenant\t{name}" for name in names if is_name(name)))
        found = lines(folder) if (folder / FILE_NAME).exists() else []
        assert list(dict.fromkeys(found)) == expected

    check()


def test_a_full_file_starts_afresh_with_the_newest_names(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text("tenant\told\n" * (MAX_BYTES // 10))
    remember_names(tmp_path, [("tenant", "new")])
    assert lines(tmp_path) == ["tenant\tnew"]


@pytest.mark.parametrize("content", [b"\xff\xfe\0garbage", b"tenant\tacme"])
def test_an_odd_file_is_no_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    remember_names(tmp_path, [("tenant", "umbrella")])
    assert b"umbrella" in (tmp_path / FILE_NAME).read_bytes()


def test_a_folder_in_its_place_or_no_folder_at_all_is_no_error(tmp_path: Path) -> None:
    remember_names(tmp_path / "nowhere", [("tenant", "acme")])
    assert not (tmp_path / "nowhere").exists()
    (tmp_path / FILE_NAME).mkdir()
    remember_names(tmp_path, [("tenant", "acme")])
    assert list((tmp_path / FILE_NAME).iterdir()) == []


def test_it_is_for_its_owner_alone(tmp_path: Path) -> None:
    remember_names(tmp_path, [("tenant", "acme")])
    assert stat.S_IMODE((tmp_path / FILE_NAME).stat().st_mode) == 0o600


def test_names_added_by_many_at_once_are_all_there_in_whole_lines(tmp_path: Path) -> None:
    threads = [
        threading.Thread(target=remember_names, args=(tmp_path, [("tenant", f"t{number}")]))
        for number in range(32)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(lines(tmp_path)) == {f"tenant\tt{number}" for number in range(32)}
