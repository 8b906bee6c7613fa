"""References: which version is meant, who may use it, and how it is named."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wai_ops.config.settings import PromptSettings, ReleaseControl
from wai_ops.core.clock import SystemClock
from wai_ops.core.errors import DeniedError
from wai_ops.prompts.errors import PromptError
from wai_ops.prompts.lockfile import Canary, Lock, PromptLock, lock_path, read_lock
from wai_ops.prompts.reference import Kind, Reference, in_canary, parse_reference, resolve
from wai_ops.prompts.release import Policy, policy_of
from wai_ops.prompts.store import freeze
from wai_ops.prompts.version import digest

AT = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A prompt with three versions and a fourth in the working tree."""
    root = tmp_path / "prompts"
    root.mkdir()
    for text in ("one", "two", "three"):
        (root / "triage.prompt").write_text(text)
        freeze(root, [], text, "ann", SystemClock())
    (root / "triage.prompt").write_text("four")
    return root


def lock_of(folder: Path, labels: dict[str, int], *canaries: Canary) -> Lock:
    """The lock with these labels."""
    lock = read_lock(lock_path(folder))
    return lock.with_prompt(replace(lock.get("triage"), labels=labels, canaries=canaries))


def meant(
    folder: Path, text: str, labels: dict[str, int] | None = None, **options: str
) -> tuple[str, str, str | None]:
    """What a reference leads to: the text of the prompt, its version, its label."""
    lock = lock_of(folder, labels or {})
    found = resolve(lock, folder, parse_reference(text), **options)  # type: ignore[arg-type]
    return found.source.sections[0].text, found.version_text, found.label


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("a", Reference(name="a")),
        ("a/b.c@12", Reference(name="a/b.c", kind=Kind.VERSION, value="12")),
        ("a@work", Reference(name="a", kind=Kind.WORK, value="work")),
        ("a@production", Reference(name="a", kind=Kind.LABEL, value="production")),
        ("a@staging/acme", Reference(name="a", kind=Kind.LABEL, value="staging/acme")),
        ("a@sha256:0123abcd", Reference(name="a", kind=Kind.SHA256, value="0123abcd")),
    ],
)
def test_a_reference_is_taken_apart_and_put_together(text: str, reference: Reference) -> None:
    assert parse_reference(text) == reference
    assert str(reference) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "@3", "a@", "a@0", "a@03", "a@-1", "a@1.5", "a@sha256:0123", "a@sha256:0123ABCD"),
        *("a@latest", "a@Production", "a@prod uction", "a@b/c/d", "a@../b", "a@1@2", "../a@1"),
        *("a@٣", "a@work ", "a@staging/", "a@sha256:", "a\n@1", "a@1\n"),
    ],
)
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(PromptError):
        parse_reference(text)


@given(st.text(max_size=20))
def test_any_text_is_a_reference_or_refused_and_reads_back(text: str) -> None:
    try:
        reference = parse_reference(text)
    except PromptError:
        return
    assert str(reference) == text
    assert ".." not in reference.name.split("/")


def test_every_way_to_name_a_version_leads_to_it(folder: Path) -> None:
    second = read_lock(lock_path(folder)).get("triage").versions[1]
    assert meant(folder, "triage@2") == ("two", "2", None)
    assert meant(folder, f"triage@sha256:{second.sha256[:8]}") == ("two", "2", None)
    assert meant(folder, f"triage@sha256:{second.sha256}") == ("two", "2", None)
    assert meant(folder, "triage@staging", {"staging": 3}) == ("three", "3", "staging")
    text, version, label = meant(folder, "triage@work")
    assert (text, label) == ("four", None)
    assert version.startswith("work-")
    found = resolve(Lock(), folder, parse_reference("triage@work"))
    assert version == f"work-{digest(found.source)[:12]}"


def test_a_bare_name_is_production_or_else_the_working_tree(folder: Path) -> None:
    assert meant(folder, "triage", {"production": 1}) == ("one", "1", "production")
    assert meant(folder, "triage", {"staging": 1})[0] == "four"


def test_a_label_of_the_tenant_comes_first(folder: Path) -> None:
    labels = {"production": 1, "production/acme": 2, "staging/beta": 3}
    assert meant(folder, "triage", labels, tenant="acme") == ("two", "2", "production/acme")
    assert meant(folder, "triage@production", labels, tenant="acme")[1] == "2"
    assert meant(folder, "triage@production", labels, tenant="beta")[1] == "1"
    assert meant(folder, "triage@production/acme", labels, tenant="beta")[1] == "2"
    assert meant(folder, "triage@staging", labels, tenant="beta")[1] == "3"
    with pytest.raises(PromptError, match="has no label staging"):
        meant(folder, "triage@staging", labels, tenant="acme")


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("triage@9", "triage has no version 9", "frozen: 1 to 3; labels: staging (2)"),
        ("triage@sha256:00000000", "triage has no version sha256:00000000", "frozen: 1 to 3"),
        ("triage@beta", "triage has no label beta", "frozen: 1 to 3; labels: staging (2)"),
        ("other@1", "other has no version 1", "nothing is frozen: wai prompts freeze other"),
        ("other@work", "cannot be read: No such file or directory", None),
    ],
)
def test_what_is_not_there_is_named_with_what_is(
    folder: Path, text: str, message: str, hint: str | None
) -> None:
    with pytest.raises(PromptError) as caught:
        meant(folder, text, {"staging": 2})
    assert caught.value.message == message
    assert (caught.value.hint or "").startswith(hint or "")


def test_the_beginning_of_two_hashes_is_refused(folder: Path) -> None:
    lock = read_lock(lock_path(folder))
    known = lock.get("triage")
    twins = tuple(replace(item, sha256="ab" * 31 + f"{item.version:02}") for item in known.versions)
    lock = lock.with_prompt(PromptLock(name="triage", versions=twins))
    with pytest.raises(PromptError, match="is the beginning of versions 1, 2, 3"):
        resolve(lock, folder, parse_reference("triage@sha256:abababab"))


def test_a_label_without_its_version_is_refused(folder: Path) -> None:
    with pytest.raises(PromptError, match="triage@production is version 9, which is not frozen"):
        meant(folder, "triage@production", {"production": 9})


@pytest.mark.parametrize(
    ("control", "environ", "allowed", "may"),
    [
        ("open", {}, False, True),
        ("open", {"CI": "true"}, False, False),
        ("open", {"CI": "1"}, True, True),
        ("open", {"CI": "false"}, False, True),
        ("open", {"CI": ""}, False, True),
        ("strict", {}, True, False),
        ("strict", {"CI": "true"}, True, False),
    ],
)
def test_the_working_tree_is_used_only_where_that_is_allowed(
    folder: Path, control: str, environ: dict[str, str], allowed: bool, may: bool
) -> None:
    settings = PromptSettings(release_control=ReleaseControl(control), allow_work_in_ci=allowed)
    policy = policy_of(settings, environ)
    frozen_lock = lock_of(folder, {"production": 1})
    assert resolve(frozen_lock, folder, parse_reference("triage"), policy=policy).label
    for reference, lock in (("triage@work", frozen_lock), ("triage", lock_of(folder, {}))):
        if may:
            assert resolve(lock, folder, parse_reference(reference), policy=policy).frozen is None
        else:
            with pytest.raises(DeniedError, match="unfrozen prompts are not used") as caught:
                resolve(lock, folder, parse_reference(reference), policy=policy)
            assert caught.value.hint is not None
            assert "wai prompts freeze triage" in caught.value.hint


def test_a_canary_gets_its_share_of_the_conversations_and_keeps_them(folder: Path) -> None:
    canary = Canary(label="production", version=2, percent=10, started_at=AT, author="ann")
    lock = lock_of(folder, {"production": 1, "staging": 1}, canary)
    reference = parse_reference("triage")

    def version(text: str, conversation: str | None) -> str:
        found = resolve(lock, folder, parse_reference(text), conversation_id=conversation)
        assert found.is_canary == (found.version_text == "2")
        return found.version_text

    ids = [f"c{number}" for number in range(2000)]
    chosen = {name for name in ids if in_canary("triage", canary, name)}
    assert 150 < len(chosen) < 250
    for name in ids[:50]:
        assert version(str(reference), name) == ("2" if name in chosen else "1")
        assert version("triage@staging", name) == "1"
        assert version("triage@1", name) == "1"
    assert version("triage", None) == "1"
    more = replace(canary, percent=30)
    assert chosen < {name for name in ids if in_canary("triage", more, name)}
    another = {name for name in ids if in_canary("triage", replace(canary, version=3), name)}
    assert len(chosen & another) < len(chosen) / 2


def test_without_a_policy_nothing_is_refused(folder: Path) -> None:
    assert resolve(Lock(), folder, parse_reference("triage"), policy=None).frozen is None
    strict = Policy(release_control=ReleaseControl.STRICT)
    with pytest.raises(DeniedError):
        resolve(Lock(), folder, parse_reference("triage"), policy=strict)
