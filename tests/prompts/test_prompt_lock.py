"""`prompts.lock`: written one way, read strictly, merged by git without a conflict."""

import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wai_ops.core.clock import SystemClock
from wai_ops.prompts import lock_read
from wai_ops.prompts.attributes import LINES, write_attributes
from wai_ops.prompts.errors import PromptError
from wai_ops.prompts.lock_read import parse_lock
from wai_ops.prompts.lock_text import to_text
from wai_ops.prompts.lockfile import (
    Approval,
    Canary,
    FrozenVersion,
    Lock,
    PromptLock,
    Release,
    lock_path,
    read_lock,
    write_lock,
)
from wai_ops.prompts.store import freeze

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
TIMES = st.integers(0, 10**9).map(lambda seconds: AT + timedelta(seconds=seconds))
EXACT = st.integers(0, 10**15).map(lambda micros: AT + timedelta(microseconds=micros))
NAMES = st.one_of(
    st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,8}(/[a-z0-9]{1,4})?", fullmatch=True),
    st.sampled_from(["true", "null", "123", "0x1f", "1e5", "no", "1.5", "NULL", "a/true"]),
)
LABELS = st.sampled_from(
    ["production", "staging", "production/acme", "true", "null", "no", "staging/0600", "a/b.c"]
)
WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
HASHES = st.text("0123456789abcdef", min_size=64, max_size=64)
NUMBERS = st.integers(1, 999)


@st.composite
def blocks(draw: st.DrawFn, name: str) -> PromptLock:
    """Anything that a block may hold."""
    count = draw(st.integers(1, 4))
    versions = [
        FrozenVersion(
            version=number,
            sha256=draw(HASHES),
            file_sha256=draw(HASHES),
            frozen_at=draw(EXACT),
            author=draw(WORDS),
            message=draw(WORDS),
        )
        for number in range(1, count + 1)
    ]
    labels = draw(st.dictionaries(LABELS, NUMBERS, max_size=3))
    canaries = [
        Canary(label=label, version=1, percent=draw(st.integers(1, 99)), started_at=AT, author="é")
        for label in sorted(draw(st.sets(LABELS, max_size=2)))
    ]
    approvals = [
        Approval(label=draw(LABELS), version=1, approved_by=draw(WORDS), approved_at=at)
        for at in sorted(draw(st.lists(TIMES, max_size=2)))
    ]
    releases = [
        Release(
            label=draw(LABELS),
            version=draw(st.one_of(st.none(), NUMBERS)),
            previous=draw(st.one_of(st.none(), NUMBERS)),
            released_at=at,
            author=draw(WORDS),
            message=draw(WORDS),
            approved_by=draw(st.one_of(st.none(), WORDS)),
        )
        for at in sorted(draw(st.lists(TIMES, max_size=2)))
    ]
    return PromptLock(
        name=name,
        versions=tuple(versions),
        labels=labels,
        canaries=tuple(canaries),
        approvals=tuple(approvals),
        releases=tuple(releases),
    )


@st.composite
def locks(draw: st.DrawFn) -> Lock:
    """Any lock."""
    names = draw(st.sets(NAMES, max_size=3))
    return Lock(prompts={name: draw(blocks(name)) for name in names})


def version(number: int, digit: str = "a", message: str = "why") -> FrozenVersion:
    """A version that was frozen on one day of November."""
    return FrozenVersion(
        version=number,
        sha256=digit * 64,
        file_sha256="b" * 64,
        frozen_at=AT,
        author="ann",
        message=message,
    )


def one(name: str = "a", **fields: object) -> Lock:
    """A lock of one prompt."""
    prompt = PromptLock(name=name, versions=(version(1),), **fields)  # type: ignore[arg-type]
    return Lock(prompts={name: prompt})


@given(locks())
def test_a_lock_is_read_as_it_was_written_and_written_as_it_was_read(lock: Lock) -> None:
    text = to_text(lock)
    again = parse_lock(text.encode(), "prompts.lock")
    assert again == lock
    assert to_text(again) == text


@given(locks())
def test_both_ways_of_reading_understand_the_same(lock: Lock) -> None:
    """The fast way must never be another format than YAML."""
    text = to_text(lock)
    reader = lock_read._Reader("prompts.lock")
    reader.strict(text.split("\n"), 1)
    slow, fast = reader.lock(), parse_lock(text.encode(), "prompts.lock")
    assert slow == fast == lock
    assert [item.line for item in slow.prompts.values()] == [
        item.line for item in fast.prompts.values()
    ]


@given(locks())
def test_what_is_written_is_read_without_a_yaml_parser(lock: Lock) -> None:
    def no_yaml(*_: object) -> None:
        raise AssertionError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lock_read._Reader, "strict", no_yaml)
        assert parse_lock(to_text(lock).encode(), "x") == lock


@given(lock=locks(), data=st.data())
def test_a_block_that_was_edited_by_hand_means_what_yaml_says(
    lock: Lock, data: st.DataObject
) -> None:
    text = to_text(lock)
    lines = text.split("\n")
    place = data.draw(st.integers(0, len(lines) - 1))
    lines[place] += data.draw(st.sampled_from(["  # a comment", " ", "   "]))
    edited = "\n".join(lines).encode()
    assert parse_lock(edited, "x") == lock
    assert parse_lock(edited.replace(b"\n", b"\r\n"), "x") == lock


def test_a_lock_reads_well() -> None:
    prompt = PromptLock(
        name="support/triage",
        versions=(version(1), version(2, "c", 'say "hi"')),
        labels={"production": 1, "staging/acme": 2},
        canaries=(Canary(label="production", version=2, percent=10, started_at=AT, author="ann"),),
        approvals=(Approval(label="production", version=1, approved_by="bob", approved_at=AT),),
        releases=(
            Release(label="production", version=1, previous=None, released_at=AT, author="ann"),
        ),
    )
    text = to_text(Lock(prompts={"support/triage": prompt, "b": PromptLock(name="b")}))
    at = "2026-11-23T12:00:00Z"
    assert text.split("\n\n")[1].splitlines() == [
        (
            f'support/triage@1: {{sha256: "{"a" * 64}", file_sha256: "{"b" * 64}", '
            f'frozen_at: {at}, author: "ann", message: "why"}}'
        ),
        (
            f'support/triage@2: {{sha256: "{"c" * 64}", file_sha256: "{"b" * 64}", '
            f'frozen_at: {at}, author: "ann", message: "say \\"hi\\""}}'
        ),
        "support/triage@production: 1  # sha256:aaaaaaaaaaaa",
        "support/triage@staging/acme: 2  # sha256:cccccccccccc",
        (
            "support/triage@production canary: "
            f'{{version: 2, percent: 10, started_at: {at}, author: "ann"}}'
        ),
        f'support/triage@production approved 1 at {at}: {{approved_by: "bob"}}',
        f'support/triage@production released 1 at {at}: {{author: "ann", message: ""}}',
    ]


def edited(old: str, new: str, lock: Lock | None = None) -> PromptError:
    """What is said about a lock in which one text was replaced."""
    text = to_text(lock or one(labels={"production": 1}))
    assert old in text
    with pytest.raises(PromptError) as caught:
        parse_lock(text.replace(old, new, 1).encode(), "prompts.lock")
    return caught.value


@pytest.mark.parametrize(
    ("old", "new", "where", "message"),
    [
        ("format: 1", "format: 2", "3:1", "is no prompts.lock of format 1"),
        ("format: 1\n", "", "1:1", "is no prompts.lock of format 1"),
        ("a@1:", "a@0:", "5:1", "`0` is not a label"),
        ("a@1:", "../a@1:", "5:1", "`../a@1` is not a line of a prompt"),
        ("a@1:", "a@1@2:", "5:1", "`a@1@2` is not a line of a prompt"),
        ("a@1:", " a@1:", "5", "is no line of a lock"),
        ("a@1:", "- a@1:", "5", "is no line of a lock"),
        ("format: 1", "---\nformat: 1", "3", "is no line of a lock"),
        ("2026-11-23T12", "2026-11-23}12", "flow", "while parsing a block mapping"),
        ("a@1:", "a:", "5:1", "`a` is not a line of a prompt"),
        ('sha256: "aa', 'sha256: "AA', "5:1", "a@1: sha256 must be 64 hex digits"),
        ("2026-11-23T12", "yesterdayT12", "5:1", "a@1: frozen_at must be a time such as"),
        ('author: "ann", ', "", "5:1", "a@1: `author` is missing"),
        ("author:", "auhtor:", "5:1", "a@1: unknown key `auhtor`"),
        ("author:", "version: 3, author:", "5:1", "a@1: unknown key `version`"),
        ("a@production: 1", "a@Production: 1", "6:1", "`Production` is not a label"),
        ("a@production: 1", "a@work: 1", "6:1", "`work` is not a label"),
        ("a@production: 1", "a@production: x", "6:1", "a@production: must be a whole number"),
        ("a@production: 1", "a@production: 0", "6:1", "a@production: must be a whole number"),
        ("a@production: 1", "a@production: [1", "6:15", "while parsing a flow sequence"),
        ("a@production: 1", "a@production: &x 1", "6:15", "anchors are not supported"),
        ("a@production: 1", "a@production canary: 1", "6:1", "a@production canary: must be a m"),
        ("a@production: 1", "a@x approved 1 at noon: {}", "6:1", "a@x approved 1 at noon: its key"),
    ],
)
def test_a_mistake_is_named_with_its_line(old: str, new: str, where: str, message: str) -> None:
    error = edited(old, new)
    assert error.message.startswith(message)
    assert error.where == f"prompts.lock:{where}" or "flow" in f"{where}{message}"


def test_what_two_branches_did_to_one_prompt_is_said_and_never_guessed() -> None:
    lock = one(labels={"production": 1})
    for line, old, new in (
        (5, 'message: "why"', 'message: "because"'),
        (6, "production: 1", "production: 2"),
    ):
        text = to_text(lock).splitlines()[line - 1]
        error = edited(text, f"{text}\n{text.replace(old, new)}")
        key = text.partition(": ")[0]
        assert error.message == f"{key} is there twice: the first is on line {line}"
        assert error.where == f"prompts.lock:{line + 1}"
        assert error.hint is not None
        # The same line twice says nothing new: merges leave such lines behind.
        twice = to_text(lock).replace(text, f"{text}\n{text}")
        assert parse_lock(twice.encode(), "x") == lock
    assert "there twice" in edited("a@production: 1", "a@production: 1\na@production: 2").message
    assert "duplicate key" in edited("a@production: 1", "a@b: [1]\n'a@c': 1\na@b: [1]").message


@pytest.mark.parametrize("mark", ["<<<<<<< HEAD", "=======", ">>>>>>> other"])
def test_a_conflict_that_is_not_resolved_is_said(mark: str) -> None:
    error = edited("a@production", f"{mark}\na@production")
    assert (error.message, error.where) == ("an unresolved merge conflict", "prompts.lock:6")


def test_releases_are_in_the_order_of_time_after_a_merge() -> None:
    late = Release(
        label="a", version=1, previous=None, released_at=AT + timedelta(days=1), author="x"
    )
    early = Release(label="a", version=1, previous=None, released_at=AT, author="y")
    text = to_text(one(releases=(early,)))
    later = to_text(one(releases=(late,))).splitlines()[-1]
    merged = parse_lock(f"{later}\n{text}".encode(), "x")
    assert merged.prompts["a"].releases == (early, late)


def test_two_events_of_one_second_are_both_kept_in_their_order() -> None:
    there = Release(label="a", version=1, previous=2, released_at=AT, author="x")
    back = Release(label="a", version=2, previous=1, released_at=AT, author="x")
    lock = one(releases=(there, back, there, there))
    assert parse_lock(to_text(lock).encode(), "x").prompts["a"].releases == (
        there,
        back,
        there,
        there,
    )


def test_a_lock_that_is_not_there_is_empty_and_a_link_is_refused(tmp_path: Path) -> None:
    assert read_lock(tmp_path / "prompts.lock") == Lock()
    write_lock(tmp_path / "other", one())
    (tmp_path / "prompts.lock").symlink_to("other")
    with pytest.raises(PromptError, match="is a link"):
        read_lock(tmp_path / "prompts.lock")


def test_a_lock_keeps_its_mode_and_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "prompts.lock"
    write_lock(path, one())
    path.chmod(0o640)
    write_lock(path, one("b"))
    assert path.stat().st_mode & 0o777 == 0o640
    assert {item.name for item in tmp_path.iterdir()} == {"home", "prompts.lock"}
    assert list(read_lock(path).prompts) == ["b"]


# Git


def git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run git with a name and nobody's configuration."""
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
    return subprocess.run(
        ["git", *identity, *arguments], cwd=folder, capture_output=True, text=True
    )


def commit(root: Path, names: Sequence[str], text: str) -> None:
    """Change some prompts, freeze each of them, and commit."""
    folder = root / "prompts"
    for name in names:
        path = folder / f"{name}.prompt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{name} {text}")
        freeze(folder, [name], text, "ann", SystemClock())
    git(root, "add", "-A")
    assert git(root, "commit", "-q", "-m", text).returncode == 0


def repository(root: Path, names: Sequence[str]) -> None:
    """A repository in which these prompts are frozen."""
    root.mkdir()
    assert git(root, "init", "-q", "-b", "main").returncode == 0
    assert write_attributes(root)
    commit(root, names, "first")


POOL = ["a", "b", "c", "d", "support/a", "support/b", "z"]


@settings(max_examples=8)
@given(data=st.data())
def test_branches_that_froze_different_prompts_merge_without_a_conflict(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(POOL))
    cut = data.draw(st.integers(1, len(POOL) - 1))
    ours, theirs = shuffled[:cut], shuffled[cut:]
    before = data.draw(st.lists(st.sampled_from(POOL), min_size=1, unique=True))
    root = tmp_path_factory.mktemp("merge") / "r"
    repository(root, before)
    git(root, "checkout", "-q", "-b", "theirs")
    commit(root, theirs, "second")
    their_lock = read_lock(lock_path(root / "prompts"))
    git(root, "checkout", "-q", "main")
    commit(root, ours, "third")
    our_lock = read_lock(lock_path(root / "prompts"))
    merged = git(root, "merge", "-q", "-m", "both", "theirs")
    assert merged.returncode == 0, merged.stdout
    lock = read_lock(lock_path(root / "prompts"))
    for name in POOL:
        side = our_lock if name in ours else their_lock
        assert lock.prompts.get(name) == side.prompts.get(name), name
    write_lock(lock_path(root / "prompts"), lock)
    assert list(read_lock(lock_path(root / "prompts")).prompts) == sorted(lock.prompts)


def test_branches_that_froze_the_same_prompt_never_merge_to_a_lock_that_is_used(
    tmp_path: Path,
) -> None:
    root = tmp_path / "r"
    repository(root, ["a"])
    git(root, "checkout", "-q", "-b", "theirs")
    commit(root, ["a"], "second")
    git(root, "checkout", "-q", "main")
    commit(root, ["a"], "third")
    git(root, "merge", "-q", "-m", "both", "theirs")
    with pytest.raises(PromptError, match=r"a@2 is there twice"):
        read_lock(lock_path(root / "prompts"))


def test_attributes_are_added_once_and_only_in_a_repository(tmp_path: Path) -> None:
    assert not write_attributes(tmp_path)
    assert git(tmp_path, "init", "-q").returncode == 0
    (tmp_path / ".gitattributes").write_text("*.png binary")
    assert write_attributes(tmp_path)
    assert not write_attributes(tmp_path)
    assert (tmp_path / ".gitattributes").read_text() == f"*.png binary\n{LINES}"
    named = git(tmp_path, "check-attr", "-a", "prompts.lock", "prompts/.versions/a/b.c")
    assert "prompts.lock: merge: union" in named.stdout
    assert "prompts/.versions/a/b.c: text: unset" in named.stdout
