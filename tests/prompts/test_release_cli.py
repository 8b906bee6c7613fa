"""`wai prompts promote`, `rollback`, `canary` and `label`, as they are called."""

import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.cli import Ran, Wai
from support.prompts import freeze_prompt, set_labels
from wai_ops.prompts.lockfile import read_lock

GUARDED = 'version: "1"\nprompts: {protected: {production: [ann@example.com, bob@example.com]}}\n'


@pytest.fixture
def frozen(wai: Wai, project: Path) -> Wai:
    """Three versions of one prompt, frozen by fay; the caller is ann."""
    wai.environ["GIT_AUTHOR_EMAIL"] = "ann@example.com"
    for number in range(1, 4):
        assert freeze_prompt(project, "triage", f"Version {number}.\n") == number
    return wai


def done(ran: Ran) -> str:
    assert ran.exit_code == 0, ran.stderr
    return ran.stdout


def refused(ran: Ran, code: int, *words: str) -> None:
    assert (ran.exit_code, ran.stdout) == (code, ""), ran.stderr
    assert ran.stderr.startswith("wai: error: ")
    for word in words:
        assert word in ran.stderr, ran.stderr


def labels(project: Path) -> dict[str, int]:
    return dict(read_lock(project / "prompts.lock").get("triage").labels)


def test_a_label_moves_forward_and_back_and_every_step_is_kept(frozen: Wai, project: Path) -> None:
    assert (
        done(frozen("prompts", "promote", "triage", "1", "production"))
        == "triage: production nothing -> 1\n"
    )
    done(frozen("prompts", "promote", "triage", "2", "staging"))
    moved = done(frozen("prompts", "promote", "triage", "staging", "production", "-m", "faster"))
    assert moved == "triage: production 1 -> 2\n"
    assert labels(project) == {"production": 2, "staging": 2}
    assert done(frozen("prompts", "rollback", "triage")) == "triage: production 2 -> 1\n"
    assert labels(project) == {"production": 1, "staging": 2}
    refused(frozen("prompts", "rollback", "triage"), 2, "pointed to nothing before version 1")
    history = [
        (item.label, item.previous, item.version, item.author, item.message)
        for item in read_lock(project / "prompts.lock").get("triage").releases
    ]
    assert history == [
        ("production", None, 1, "ann@example.com", ""),
        ("staging", None, 2, "ann@example.com", ""),
        ("production", 1, 2, "ann@example.com", "faster"),
        ("production", 2, 1, "ann@example.com", ""),
    ]
    assert frozen("prompts", "verify").exit_code == 0


def test_a_new_version_never_inherits_a_label(frozen: Wai, project: Path) -> None:
    done(frozen("prompts", "promote", "triage", "3", "production"))
    (project / "prompts" / "triage.prompt").write_text("Version 4.\n")
    done(frozen("prompts", "freeze", "triage", "-m", "newer"))
    assert labels(project) == {"production": 3}


def test_json_says_what_changed_and_a_dry_run_changes_nothing(frozen: Wai, project: Path) -> None:
    before = (project / "prompts.lock").read_bytes()
    arguments = ("prompts", "promote", "triage", "2", "production/acme", "--json")
    expected: dict[str, Any] = {
        "name": "triage",
        "label": "production/acme",
        "version": 2,
        "previous": None,
        "canary_version": None,
        "canary_percent": None,
        "approved_by": None,
        "is_changed": True,
        "is_dry_run": True,
    }
    assert json.loads(done(frozen(*arguments, "--dry-run"))) == expected
    assert (project / "prompts.lock").read_bytes() == before
    assert json.loads(done(frozen(*arguments))) == expected | {"is_dry_run": False}
    again = json.loads(done(frozen(*arguments)))
    assert (again["is_changed"], again["previous"]) == (False, 2)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("promote", "triage", "9", "production"), ["no version 9", "frozen: 1 to 3"]),
        (("promote", "triage", "work", "production"), ["only a frozen version"]),
        (("promote", "triage", "1", "Work"), ["is not a label"]),
        (("promote", "triage", "1", "latest"), ["reserved"]),
        (("promote", "nobody", "1", "production"), ["no version 1", "nothing is frozen"]),
        (("promote", "../x", "1", "production"), ["is not a name of a prompt"]),
        (("promote", "triage", "1", "staging", "--author", "a\x1b[2J"), ["--author"]),
        (("rollback", "triage"), ["no label production"]),
        (("canary", "triage", "2", "production", "--percent", "5"), ["no label production"]),
        (("canary", "triage", "2"), ["needs VERSION and --percent"]),
        (("canary", "triage", "--stop", "production"), ["no canary stands"]),
        (("canary", "triage", "2", "production", "--percent", "100"), ["--percent"]),
        (("label", "triage", "--remove", "staging"), ["no label staging"]),
    ],
)
def test_a_wrong_request_is_refused_and_the_lock_stays_as_it_is(
    frozen: Wai, project: Path, arguments: tuple[str, ...], words: list[str]
) -> None:
    before = (project / "prompts.lock").read_bytes()
    refused(frozen("prompts", *arguments), 2, *words)
    assert (project / "prompts.lock").read_bytes() == before


def test_a_damaged_version_is_not_released(frozen: Wai, project: Path) -> None:
    sha256 = read_lock(project / "prompts.lock").get("triage").versions[1].sha256
    path = project / "prompts" / ".versions" / "triage" / f"{sha256}.json"
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b"Version 2", b"Version 7"))
    refused(frozen("prompts", "promote", "triage", "2", "staging"), 6, "is not what was frozen")


def test_a_protected_label_needs_an_owner_who_did_not_freeze_it(frozen: Wai, project: Path) -> None:
    (project / "wai.yaml").write_text(GUARDED)
    promote = ("prompts", "promote", "triage", "1", "production")
    frozen.environ["GIT_AUTHOR_EMAIL"] = "eve@example.com"
    refused(frozen(*promote), 5, "production is protected", "eve@example.com", "ann@example.com")
    frozen.environ["GIT_AUTHOR_EMAIL"] = "ann@example.com"
    ran = frozen(*promote)
    assert done(ran) == "triage: production nothing -> 1, approved by ann@example.com\n"
    assert "nothing here proves that it was ann@example.com" in ran.stderr
    assert frozen("prompts", "verify").exit_code == 0
    freeze_prompt(project, "triage", "By ann.\n", author="ann@example.com")
    own = ("prompts", "promote", "triage", "4", "production")
    refused(frozen(*own), 5, "froze version 4", "prompts.self_approval")
    assert "approved by bob" in done(frozen(*own, "--approved-by", "bob@example.com"))
    frozen.environ["GIT_AUTHOR_EMAIL"] = "eve@example.com"
    assert "4 -> 1, approved by ann" in done(frozen("prompts", "rollback", "triage"))


def test_a_label_moved_by_hand_past_its_owners_is_found_by_verify(
    frozen: Wai, project: Path
) -> None:
    (project / "wai.yaml").write_text(GUARDED)
    done(frozen("prompts", "promote", "triage", "1", "production"))
    set_labels(project, "triage", {"production": 3})
    ran = frozen("prompts", "verify")
    assert ran.exit_code == 1
    assert "WV009" in ran.stdout
    assert "WV010" in ran.stdout


def test_the_labels_are_listed_with_owners_and_canaries(frozen: Wai, project: Path) -> None:
    done(frozen("prompts", "promote", "triage", "1", "production"))
    done(frozen("prompts", "canary", "triage", "2", "production", "--percent", "10"))
    (row,) = json.loads(done(frozen("prompts", "label", "triage", "--json")))["rows"]
    assert (row["label"], row["version"], row["author"]) == ("production", 1, "ann@example.com")
    assert (row["canary_version"], row["canary_percent"]) == (2, 10)
    stopped = done(frozen("prompts", "canary", "triage", "--stop", "production"))
    assert stopped == "triage: production is version 1\n"
    gone = done(frozen("prompts", "label", "triage", "--remove", "production"))
    assert gone == "triage: production taken away (was 1)\n"
    assert labels(project) == {}


def test_promotions_at_the_same_time_are_all_kept(frozen: Wai, project: Path) -> None:
    """Twelve processes, each with a label of its own and one that all of them move."""
    commands = [
        frozen.start("prompts", "promote", "triage", str(number % 3 + 1), label)
        for number in range(6)
        for label in (f"staging/t{number}", "shared")
    ]
    for process in commands:
        _, stderr = process.communicate(timeout=120)
        assert process.returncode == 0, stderr
    prompt = read_lock(project / "prompts.lock").get("triage")
    assert {f"staging/t{number}" for number in range(6)} <= set(prompt.labels)
    shared = [item for item in prompt.releases if item.label == "shared"]
    for one, other in itertools.pairwise(shared):
        assert other.previous == one.version
    assert prompt.labels["shared"] == shared[-1].version
    assert frozen("prompts", "verify").exit_code == 0
    status = subprocess.run(
        ["ls", "-A", str(project)], capture_output=True, text=True, check=True
    ).stdout.split()
    assert set(status) <= {"prompts", "prompts.lock", "wai.yaml", ".wai"}


CHILD = """
import sys
from pathlib import Path
from wai_ops.core.clock import SystemClock
from wai_ops.prompts.promotion import Act, Rules, promote
from wai_ops.prompts.releasing import change_label

clock, number = SystemClock(), 0
print("ready", flush=True)
while True:
    number += 1
    act = Act(author="ann@example.com", at=clock.now().replace(microsecond=0))
    change_label(
        Path("prompts"), "triage", "production",
        lambda prompt: promote(prompt, "production", number % 3 + 1, act, Rules()),
        clock, is_dry_run=False,
    )
"""


def test_a_kill_at_any_moment_leaves_a_whole_lock(frozen: Wai, project: Path) -> None:
    """Fifteen processes that promote without end, each killed somewhere in the middle."""
    for round_number in range(15):
        process = subprocess.Popen(
            [sys.executable, "-c", CHILD], cwd=project, stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        process.stdout.readline()
        before = len(read_lock(project / "prompts.lock").get("triage").releases)
        while (
            len(read_lock(project / "prompts.lock").get("triage").releases)
            < before + 1 + round_number % 4
        ):
            assert process.poll() is None
        process.kill()
        process.communicate()
        prompt = read_lock(project / "prompts.lock").get("triage")
        assert prompt.labels["production"] == prompt.releases[-1].version
        for one, other in itertools.pairwise(prompt.releases):
            assert other.previous == one.version
    done(frozen("prompts", "promote", "triage", "1", "after"))
    assert frozen("prompts", "verify").exit_code == 0
