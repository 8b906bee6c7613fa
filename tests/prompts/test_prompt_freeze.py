"""Freezing: immutable, content-addressed, all or none, and `verify` proves it."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wai_ops.config.settings import PromptSettings, ReleaseControl
from wai_ops.core.clock import SystemClock
from wai_ops.core.errors import DataError, UsageError
from wai_ops.core.findings import Level
from wai_ops.prompts import store
from wai_ops.prompts.errors import PromptError
from wai_ops.prompts.lockfile import (
    Approval,
    Canary,
    PromptLock,
    Release,
    lock_path,
    read_lock,
    write_lock,
)
from wai_ops.prompts.source import load_source
from wai_ops.prompts.store import Frozen, freeze, list_names, load_version, version_path
from wai_ops.prompts.verify import verify

CLOCK = SystemClock()
AT = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """`prompts/` with two prompts that share a part."""
    root = tmp_path / "p" / "prompts"
    (root / "support").mkdir(parents=True)
    (root / "house.part").write_text("Be kind.\n")
    for name in ("triage", "support/answer"):
        (root / f"{name}.prompt").write_text(
            f'---\nmodel: a/b\n---\n{{% include "house.part" %}}\n{name} {{{{ x }}}}\n'
        )
    return root


def frozen(folder: Path, *names: str, message: str = "why") -> list[Frozen]:
    """Freeze as ann."""
    return freeze(folder, names, message, "ann", CLOCK)


def files(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Every file in the project: its bytes, and when it was last written."""
    return {
        str(path.relative_to(folder.parent)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.parent.rglob("*")
        if path.is_file()
    }


def found(folder: Path, **options: object) -> list[tuple[str, str, str]]:
    """What verify finds: rule, file, message."""
    result = verify(folder, PromptSettings(**options))  # type: ignore[arg-type]
    return [(item.rule, item.file, item.message) for item in result.findings]


def test_a_version_is_frozen_once(folder: Path) -> None:
    first = frozen(folder)
    assert [(item.name, item.version, item.is_new) for item in first] == [
        ("support/answer", 1, True),
        ("triage", 1, True),
    ]
    before = files(folder)
    again = frozen(folder, message="another reason")
    assert [(item.sha256, item.is_new) for item in again] == [
        (item.sha256, False) for item in first
    ]
    assert files(folder) == before
    assert found(folder) == []


def test_what_is_frozen_is_loaded_as_it_was_whatever_happens_to_the_files(folder: Path) -> None:
    source = load_source(folder, "triage")
    (done,) = frozen(folder, "triage")
    (folder / "house.part").write_text("Be rude.\n")
    (folder / "triage.prompt").unlink()
    version = read_lock(lock_path(folder)).get("triage").versions[0]
    assert load_version(folder, "triage", done.sha256, file_sha256=version.file_sha256) == source
    assert (version.author, version.message) == ("ann", "why")
    assert version.frozen_at - datetime.now(UTC) < timedelta(minutes=5)


def test_a_change_of_a_part_is_another_version_of_every_prompt_that_includes_it(
    folder: Path,
) -> None:
    frozen(folder)
    (folder / "house.part").write_text("Be brief.\n")
    assert [(item.version, item.is_new) for item in frozen(folder)] == [(2, True), (2, True)]
    (folder / "house.part").write_text("Be kind.\n")
    assert [(item.version, item.is_new) for item in frozen(folder)] == [(1, False), (1, False)]


CHANGES = st.lists(
    st.tuples(st.sampled_from(["triage", "support/answer"]), st.sampled_from(["a", "b", "c"])),
    max_size=6,
)


@settings(max_examples=25)
@given(CHANGES)
def test_freezing_is_idempotent_and_never_rewrites_anything(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[str, str]]
) -> None:
    root = tmp_path_factory.mktemp("f") / "prompts"
    (root / "support").mkdir(parents=True)
    for name in ("triage", "support/answer"):
        (root / f"{name}.prompt").write_text("first")
    frozen(root)
    kept = {path: entry for path, entry in files(root).items() if ".versions" in path}
    for name, text in changes:
        (root / f"{name}.prompt").write_text(text)
        done = frozen(root)
        versions = {path: entry for path, entry in files(root).items() if ".versions" in path}
        assert kept.items() <= versions.items()
        kept = versions
        assert [(item.name, item.version, item.is_new) for item in frozen(root)] == [
            (item.name, item.version, False) for item in done
        ]
        lock = read_lock(lock_path(root))
        for prompt in lock.prompts.values():
            assert [item.version for item in prompt.versions] == list(
                range(1, len(prompt.versions) + 1)
            )
            assert len({item.sha256 for item in prompt.versions}) == len(prompt.versions)
        assert verify(root, PromptSettings()).findings == ()


def test_prompts_are_frozen_all_or_none(folder: Path) -> None:
    (folder / "zebra.prompt").write_text("{{ broken")
    with pytest.raises(PromptError):
        frozen(folder)
    assert not lock_path(folder).exists()
    assert [path for path in files(folder) if ".versions" in path] == []
    with pytest.raises(PromptError, match="there is no prompt trige") as caught:
        frozen(folder, "triage", "trige")
    assert caught.value.hint == "did you mean triage?"


@pytest.mark.parametrize(
    ("message", "said"),
    [("", "the message is empty"), (" \n", "the message is empty"), ("\ud800", "not valid Uni")],
)
def test_a_message_is_one_line_that_says_something(folder: Path, message: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        frozen(folder, message=message)


def test_a_message_of_several_lines_becomes_one(folder: Path) -> None:
    frozen(folder, "triage", message=' first\nsecond\t"third" \u2028# - {[ é \x1b')
    (version,) = read_lock(lock_path(folder)).get("triage").versions
    assert version.message == 'first second "third" # - {[ é \x1b'
    assert "\x1b" not in lock_path(folder).read_text()


def test_a_folder_without_prompts_is_left_as_it_is(tmp_path: Path) -> None:
    assert freeze(tmp_path / "prompts", [], "why", "ann", CLOCK) == []
    assert not (tmp_path / "prompts").exists()


def test_comments_of_the_front_matter_are_kept_as_they_were_frozen_first(folder: Path) -> None:
    frozen(folder, "triage")
    before = files(folder)
    path = folder / "triage.prompt"
    path.write_text(path.read_text().replace("model:", "# why\nmodel:"))
    assert [item.is_new for item in frozen(folder, "triage")] == [False]
    assert {path for path, entry in files(folder).items() if before.get(path) != entry} == {
        "prompts/triage.prompt"
    }
    assert [item for item in found(folder) if "triage" in item[1]] == []


def test_a_freeze_that_was_cut_short_is_finished_by_the_next_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is there and the lock does not name it: as after a crash between the two."""

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(store, "write_lock", crash)
        with pytest.raises(KeyboardInterrupt):
            frozen(folder, "triage")
    left = [rule for rule, _, _ in found(folder)]
    assert "WV004" in left
    before = files(folder)
    assert [item.is_new for item in frozen(folder)] == [True, True]
    assert all(files(folder)[path] == entry for path, entry in before.items())
    assert found(folder) == []


def test_a_file_in_the_way_is_never_overwritten(folder: Path) -> None:
    (done,) = frozen(folder, "triage")
    lock_path(folder).unlink()
    path = folder / version_path("triage", done.sha256)
    path.chmod(0o600)
    path.write_text("something else")
    with pytest.raises(DataError, match="is in the way and is not this version"):
        frozen(folder, "triage")
    assert path.read_text() == "something else"


def test_links_among_the_versions_lead_nowhere(folder: Path) -> None:
    outside = folder.parent / "outside"
    outside.mkdir()
    (folder / ".versions").mkdir()
    (folder / ".versions" / "triage").symlink_to(outside)
    with pytest.raises(PromptError, match="a part of the path is a link"):
        frozen(folder, "triage")
    (folder / ".versions" / "triage").unlink()
    (folder / ".versions").rmdir()
    (folder / ".versions").symlink_to(outside)
    with pytest.raises(PromptError, match="a part of the path is a link"):
        frozen(folder, "triage")
    assert list(outside.iterdir()) == []


def test_a_version_that_was_written_to_is_not_loaded(folder: Path) -> None:
    (done,) = frozen(folder, "triage")
    path = folder / version_path("triage", done.sha256)
    file_sha256 = read_lock(lock_path(folder)).get("triage").versions[0].file_sha256
    path.chmod(0o600)
    content = path.read_bytes()
    for changed in (
        content.replace(b"Be kind", b"Be rude", 1),
        content[:-3] + b" }\n",
        b"",
        content + b"\n",
    ):
        path.write_bytes(changed)
        with pytest.raises(DataError, match="is not what was frozen"):
            load_version(folder, "triage", done.sha256, file_sha256=file_sha256)
    path.unlink()
    with pytest.raises(DataError, match="the frozen version cannot be read"):
        load_version(folder, "triage", done.sha256)


FREEZER = """
import sys
from pathlib import Path
from wai_ops.core.clock import SystemClock
from wai_ops.prompts.store import freeze
print(freeze(Path(sys.argv[1]), sys.argv[2:], "together", "ann", SystemClock())[0].version)
"""


def test_processes_that_freeze_at_once_lose_nothing(folder: Path) -> None:
    names = [f"p{number}" for number in range(8)]
    for name in names:
        (folder / f"{name}.prompt").write_text(name)
    running = [
        subprocess.Popen([sys.executable, "-c", FREEZER, str(folder), name, "triage"])
        for name in names
    ]
    assert [process.wait(60) for process in running] == [0] * len(names)
    lock = read_lock(lock_path(folder))
    assert sorted(lock.prompts) == [*names, "triage"]
    assert all(len(prompt.versions) == 1 for prompt in lock.prompts.values())
    assert {rule for rule, _, _ in found(folder)} == {"WV005"}  # support/answer alone
    assert not [path for path in files(folder) if path.endswith(".tmp")]


def test_the_lock_of_another_process_is_waited_for_and_then_named(folder: Path) -> None:
    class Hurried(SystemClock):
        """A clock on which ten seconds pass with every look."""

        def __init__(self) -> None:
            self.now_s = 0.0

        def monotonic(self) -> float:
            self.now_s += 6
            return self.now_s

        def sleep(self, seconds: float) -> None:
            del seconds

    with (
        store.locked(folder, CLOCK),
        pytest.raises(DataError, match="another process is changing the prompts"),
    ):
        freeze(folder, ["triage"], "why", "ann", Hurried())
    frozen(folder, "triage")


# verify


def changed(folder: Path, change: Callable[[PromptLock], PromptLock]) -> None:
    """Change the block of triage in the lock."""
    lock = read_lock(lock_path(folder))
    write_lock(lock_path(folder), lock.with_prompt(change(lock.get("triage"))))


@settings(max_examples=30)
@given(data=st.data())
def test_any_changed_byte_of_a_frozen_file_is_found(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    root = tmp_path_factory.mktemp("f") / "prompts"
    root.mkdir()
    (root / "triage.prompt").write_text("---\n# é\nmodel: a/b\n---\nHello {{ x }}\n")
    (done,) = frozen(root)
    path = root / version_path("triage", done.sha256)
    content = path.read_bytes()
    place = data.draw(st.integers(0, len(content) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda byte: byte != content[place]))
    path.chmod(0o600)
    path.write_bytes(content[:place] + bytes([byte]) + content[place + 1 :])
    assert [rule for rule, _, _ in found(root)] == ["WV003"]


def test_versions_that_are_missing_changed_or_unknown_are_found(folder: Path) -> None:
    frozen(folder)
    lock = read_lock(lock_path(folder))
    triage, answer = (lock.get(name).versions[0].sha256 for name in ("triage", "support/answer"))
    versions = folder / ".versions"
    (folder / version_path("triage", triage)).unlink()
    path = folder / version_path("support/answer", answer)
    path.unlink()
    os.mkfifo(path)
    (versions / "triage" / f"{'0' * 64}.json").write_text("{}")
    (versions / "triage" / ".x.json.7.tmp").write_text("")
    (versions / "other").mkdir()
    (versions / "other" / "readme").write_text("")
    (versions / "link").symlink_to(versions)
    assert found(folder) == [
        (
            "WV002",
            "prompts.lock",
            f"version 1 of triage has no file .versions/triage/{triage}.json",
        ),
        ("WV004", "prompts/.versions/link", "belongs to no version of the lock"),
        ("WV004", "prompts/.versions/other/readme", "belongs to no version of the lock"),
        ("WV003", f"prompts/.versions/support/answer/{answer}.json", "is not a regular file"),
        ("WV004", "prompts/.versions/triage/.x.json.7.tmp", "belongs to no version of the lock"),
        (
            "WV004",
            f"prompts/.versions/triage/{'0' * 64}.json",
            "belongs to no version of the lock",
        ),
    ]


def test_folders_deeper_than_any_name_are_not_gone_into(folder: Path) -> None:
    frozen(folder)
    deep = folder / ".versions"
    for _ in range(100):
        deep /= "a"
        deep.mkdir()
    (item,) = verify(folder, PromptSettings()).findings
    assert (item.rule, item.file) == ("WV004", "prompts/.versions" + "/a" * 65)


def test_a_file_that_holds_another_version_is_found(folder: Path) -> None:
    """The hash of the file is right, that of what it says is not what the name says."""
    frozen(folder)
    content = next((folder / ".versions/triage").glob("*.json")).read_bytes()
    wrong = "f" * 64
    (folder / version_path("triage", wrong)).write_bytes(content)

    def renamed(prompt: PromptLock) -> PromptLock:
        (version,) = prompt.versions
        digest = hashlib.sha256(content).hexdigest()
        second = replace(version, version=2, sha256=wrong, file_sha256=digest)
        return replace(prompt, versions=(version, second))

    changed(folder, renamed)
    assert [(rule, message) for rule, _, message in found(folder)] == [
        ("WV003", "does not hold what its name says (triage)")
    ]


def test_what_is_not_frozen_is_found_and_how_bad_that_is_depends_on_the_config(
    folder: Path,
) -> None:
    frozen(folder, "triage")
    (folder / "triage.prompt").write_text("Hello")
    expected = [
        ("WV005", "prompts/support/answer.prompt", "support/answer was never frozen"),
        ("WV005", "prompts/triage.prompt", "triage differs from version 1"),
    ]
    assert found(folder) == expected
    for options, level in (
        ({}, Level.ERROR),
        ({"allow_work_in_ci": True}, Level.WARNING),
        (
            {"allow_work_in_ci": True, "release_control": ReleaseControl.STRICT},
            Level.ERROR,
        ),
    ):
        result = verify(folder, PromptSettings(**options))
        assert {item.level for item in result.findings} == {level}


def test_a_prompt_that_cannot_be_loaded_is_found_with_its_line(folder: Path) -> None:
    frozen(folder)
    (folder / "triage.prompt").write_text("---\nmodel: a/b\nmodl: x\n---\nHello")
    (folder / "support" / "answer.prompt").unlink()
    (folder / "support" / "answer.prompt").symlink_to("/etc/passwd")
    (folder / "a b.prompt").write_text("x")
    result = verify(folder, PromptSettings())
    assert [(item.rule, item.place) for item in result.findings] == [
        ("WV006", "prompts/a b.prompt"),
        ("WV006", "prompts/support/answer.prompt"),
        ("WV006", "prompts/triage.prompt:3"),
    ]


def test_labels_that_point_nowhere_and_numbers_with_gaps_are_found(folder: Path) -> None:
    frozen(folder)
    canary = Canary(label="staging", version=7, percent=5, started_at=AT, author="ann")
    changed(
        folder,
        lambda prompt: replace(
            prompt,
            versions=(replace(prompt.versions[0], version=2),),
            labels={"production": 1},
            canaries=(canary,),
            releases=(
                Release(label="production", version=1, previous=None, released_at=AT, author="ann"),
            ),
        ),
    )
    assert [(rule, message) for rule, _, message in found(folder)] == [
        ("WV007", "triage: the canary of staging belongs to a label that is not there"),
        ("WV007", "triage: the canary of staging is version 7: not frozen"),
        ("WV007", "triage: the label production points at version 1, which is not frozen"),
        ("WV008", "triage: version 1 is missing"),
    ]


def test_a_protected_label_needs_the_approval_of_an_owner(folder: Path) -> None:
    frozen(folder)
    release = Release(
        label="production/acme", version=1, previous=None, released_at=AT, author="ann"
    )
    labels = {"production/acme": 1}
    changed(folder, lambda prompt: replace(prompt, labels=labels, releases=(release,)))
    protected = {"production": ("bob", "eve")}
    missing = ("WV009", "triage: nobody of bob, eve approved version 1 for production/acme")
    assert [(rule, message) for rule, _, message in found(folder, protected=protected)] == [missing]
    assert found(folder, protected={"staging": ("bob",)}) == []
    for label, who, is_enough in (
        ("production/acme", "ann", False),
        ("staging", "bob", False),
        ("production", "bob", True),
        ("production/acme", "eve", True),
    ):
        approval = Approval(label=label, version=1, approved_by=who, approved_at=AT)
        changed(folder, lambda prompt, item=approval: replace(prompt, approvals=(item,)))  # type: ignore[misc]
        assert (found(folder, protected=protected) == []) == is_enough


def test_a_label_that_was_moved_by_hand_is_a_warning(folder: Path) -> None:
    text = lock_path(folder)
    frozen(folder)
    text.write_text(text.read_text() + "triage@production: 1\n")
    result = verify(folder, PromptSettings())
    assert [(item.rule, item.level) for item in result.findings] == [("WV010", Level.WARNING)]


def test_a_canary_that_a_merge_brought_back_is_a_warning(folder: Path) -> None:
    frozen(folder)
    (folder / "triage.prompt").write_text("second")
    frozen(folder)
    release = Release(label="production", version=2, previous=1, released_at=AT, author="ann")
    for hours, rules in ((-1, ["WV010"]), (1, [])):
        started = AT + timedelta(hours=hours)
        canary = Canary(label="production", version=1, percent=5, started_at=started, author="a")
        changed(
            folder,
            lambda prompt, item=canary: replace(  # type: ignore[misc]
                prompt, labels={"production": 2}, canaries=(item,), releases=(release,)
            ),
        )
        assert [rule for rule, _, _ in found(folder)] == rules


def test_a_lock_that_cannot_be_read_is_one_finding(folder: Path) -> None:
    frozen(folder)
    path = lock_path(folder)
    path.write_text(path.read_text().replace("triage@1:", "<<<<<<< HEAD\ntriage@1:"))
    (finding,) = verify(folder, PromptSettings()).findings
    assert (finding.rule, finding.message) == ("WV001", "an unresolved merge conflict")
    assert finding.place.startswith("prompts.lock:")


def test_verify_decodes_nothing_that_did_not_change(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What makes a thousand prompts fast: unchanged texts are compared, not taken apart."""
    frozen(folder)

    def never(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("wai_ops.prompts.verify.load_source", never)
    assert verify(folder, PromptSettings()).findings == ()
    assert list_names(folder) == ["support/answer", "triage"]
