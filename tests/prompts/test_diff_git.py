"""Prompts of git revisions: read as objects, whatever a revision or a tree says."""

import subprocess
from pathlib import Path

import pytest

from wai_ops.prompts.errors import PromptError
from wai_ops.prompts.git_source import find_revision, load_at, read_blob
from wai_ops.prompts.lockfile import Lock
from wai_ops.prompts.sides import load_side, load_sides


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@example.com", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A project below the root of its repository, with two commits; the second is changed again."""
    folder = tmp_path / "checkout" / "service" / "prompts"
    (folder / "shared").mkdir(parents=True)
    git(tmp_path / "checkout", "init", "-q")
    for number in (1, 2):
        (folder / "shared" / "house.part").write_text(f"House {number}.\n")
        (folder / "triage.prompt").write_text(
            '{% role system %}\n{% include "shared/house.part" %}\n{% role user %}\n{{ t }}\n'
        )
        git(folder, "add", "-A")
        git(folder, "commit", "-q", "-m", f"number {number}")
    (folder / "shared" / "house.part").write_text("House 3.\n")
    return folder


def test_a_prompt_is_read_with_its_parts_as_the_commit_has_them(repository: Path) -> None:
    texts = [
        load_at(find_revision(repository, text), "triage").sections[0].text
        for text in ("HEAD~1", "HEAD", git(repository, "rev-parse", "HEAD")[:9])
    ]
    assert texts == ["House 1.", "House 2.", "House 2."]
    before, after = load_sides(repository, Lock(), "triage@git:HEAD~1", "@work")
    assert before.version == f"git-{git(repository, 'rev-parse', 'HEAD~1')[:12]}"
    assert after.source.sections[0].text == "House 3."
    # Records name it as the working tree of that day would have.
    assert before.recorded_version.startswith("work-")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-n",
        "--output=x",
        "--help",
        "HEAD:prompts/triage.prompt",
        "HEAD~1..HEAD",
        "HEAD --help",
        "HEAD\n",
        "HEAD\0x",
        "$(touch owned)",
        "`touch owned`",
        ";touch owned",
        "|touch owned",
        ":/number",
        "^HEAD",
        "\x1b[31mHEAD",
        "H" * 300,
    ],
)
def test_what_is_no_plain_revision_never_reaches_git(
    repository: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("git was called")

    monkeypatch.setattr(subprocess, "run", refuse)
    with pytest.raises(PromptError, match="is no git revision") as caught:
        find_revision(repository, text)
    assert "\x1b" not in caught.value.message


@pytest.mark.parametrize("text", ["no-such-branch", "HEAD~99", "0123456", "HEAD^{tree}"])
def test_a_revision_that_is_no_commit_is_told(repository: Path, text: str) -> None:
    with pytest.raises(PromptError, match="git knows no revision"):
        find_revision(repository, text)


def test_a_folder_outside_of_any_repository_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    (tmp_path / "prompts").mkdir()
    with pytest.raises(PromptError, match="git knows no revision 'HEAD'"):
        find_revision(tmp_path / "prompts", "HEAD")


def test_without_git_the_message_says_so(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(repository))
    with pytest.raises(PromptError, match="git is not installed"):
        find_revision(repository, "HEAD")


def test_links_and_folders_in_a_commit_are_refused(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (repository / "link.prompt").symlink_to(tmp_path / "secret")
    (repository / "folder.prompt").mkdir()
    (repository / "folder.prompt" / "x").write_text("x")
    (repository / "linked").symlink_to(tmp_path)
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", "links")
    revision = find_revision(repository, "HEAD")
    for path in ("link.prompt", "folder.prompt"):
        with pytest.raises(PromptError, match="is not a regular file"):
            read_blob(revision, path)
    with pytest.raises(PromptError, match="is not in that revision"):
        read_blob(revision, "linked/secret")
    for path in ("../wai.yaml", "/etc/passwd", "a/../../x", "", "./triage.prompt"):
        with pytest.raises(PromptError, match="leads out of prompts/"):
            read_blob(revision, path)


def test_a_large_file_of_a_commit_is_refused_before_it_is_read(repository: Path) -> None:
    (repository / "large.prompt").write_text("x" * 2_000_000)
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", "large")
    with pytest.raises(PromptError, match="is larger than 1048576 bytes"):
        load_at(find_revision(repository, "HEAD"), "large")


def test_patterns_and_filters_of_the_repository_change_nothing(repository: Path) -> None:
    """A name is a name, and what was committed is what is read, whatever the attributes say."""
    (repository / ".gitattributes").write_text("*.prompt filter=evil diff=evil text eol=crlf\n")
    marker = repository.parent / "owned"
    for key in ("filter.evil.smudge", "filter.evil.clean", "diff.evil.textconv"):
        git(repository, "config", key, f"touch {marker} && cat")
    revision = find_revision(repository, "HEAD")
    assert b"role system" in read_blob(revision, "triage.prompt")
    with pytest.raises(PromptError, match="is not in that revision"):
        read_blob(revision, "tri*.prompt")
    assert not marker.exists()


def test_a_replaced_object_is_not_what_was_committed(repository: Path) -> None:
    other = git(repository, "rev-parse", "HEAD~1")
    git(repository, "replace", "HEAD", other)
    text = load_at(find_revision(repository, "HEAD"), "triage").sections[0].text
    assert text == "House 2."


@pytest.mark.parametrize("name", ["../triage", "a//b", "-x", "triage\n", ".versions/x"])
def test_a_name_that_is_none_is_refused_at_every_revision(repository: Path, name: str) -> None:
    with pytest.raises(PromptError, match="is not a name of a prompt"):
        load_side(repository, Lock(), f"{name}@git:HEAD")


def test_nothing_is_written_into_the_repository(repository: Path) -> None:
    def listing() -> list[tuple[str, float]]:
        root = repository.parents[1]
        return sorted((str(path), path.stat().st_mtime_ns) for path in root.rglob("*"))

    before = listing()
    load_at(find_revision(repository, "HEAD~1"), "triage")
    assert listing() == before
