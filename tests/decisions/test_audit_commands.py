"""`wai audit` in real processes: exit codes, formats, keys, and what goes where."""

import json
import os
import socket
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from support.cli import Ran, Wai
from support.decisions import KEY, Ledgered, SteppingClock, action, asked, target
from support.facts import attempt, record_attempts
from wai_ops.control.policy.action import ActionKind, Mode
from wai_ops.core.errors import DeniedError, ExitCode
from wai_ops.state.live import LiveState


@pytest.fixture
def key_file(tmp_path: Path, wai: Wai) -> Path:
    path = tmp_path / "audit.key"
    path.write_text(KEY.encoded())
    path.chmod(0o600)
    wai.environ["WAI_AUDIT_VERIFIER_KEY"] = str(KEY.verifier)
    return path


@pytest.fixture
def made(project: Path) -> Ledgered:
    return Ledgered(project / ".wai")


def findings(ran: Ran) -> list[tuple[str, int, int]]:
    rows = json.loads(ran.stdout)["rows"]
    return [(row["finding"], row["first"], row["last"]) for row in rows]


def test_from_key_to_proof_by_commands_alone(
    wai: Wai, made: Ledgered, project: Path, tmp_path: Path
) -> None:
    """What a first user does, in order; nothing but `wai` and the printed key is used."""
    made.many(4)
    keys = wai("audit", "keygen", "--name", "example.com/first", "--out", "operator.key")
    assert keys.exit_code == 0
    assert "PRIVATE" not in keys.stdout + keys.stderr
    wai.environ["WAI_AUDIT_VERIFIER_KEY"] = keys.stdout.strip()
    signed = wai("audit", "checkpoint", "--key-file", "operator.key", "--json")
    assert json.loads(signed.stdout)["size"] == len(made.lines())
    made.many(4)
    wai.environ["WAI_AUDIT_KEY_FILE"] = "operator.key"
    text = wai("audit", "checkpoint")
    assert "signed by example.com/first" in text.stdout
    checked = wai("audit", "verify", "--anchored")
    assert (checked.exit_code, checked.stdout.splitlines()[-1]) == (0, "verdict: pass")
    first = min((made.folder / "checkpoints").iterdir())
    proof = wai("audit", "prove", "5", "--against", str(first))
    (project / "proof.json").write_text(proof.stdout)
    made.file.unlink()  # the proof stands alone
    holds = wai("audit", "prove", "--check", "proof.json")
    assert holds.stdout.startswith("holds: record 5 of the ")
    changed = json.loads(proof.stdout) | {"record": "{}"}
    (project / "proof.json").write_text(json.dumps(changed))
    fails = wai("audit", "prove", "--check", "proof.json")
    assert (fails.exit_code, fails.stdout) == (ExitCode.VERDICT_NO, "")
    assert "the proof does not hold: the record is not number 5" in fails.stderr


def test_a_sound_log_passes_and_says_what_is_not_known(wai: Wai, made: Ledgered) -> None:
    made.act()
    made.act(end=False)
    ran = wai("audit", "verify", "--json")
    assert ran.exit_code == 0
    assert findings(ran) == [("outcome unknown", 3, 3), ("unanchored", 0, 4)]
    assert {row["is_alarm"] for row in json.loads(ran.stdout)["rows"]} == {False}
    assert "there is no checkpoint" in ran.stderr
    assert wai("audit", "verify", "--anchored").exit_code == ExitCode.VERDICT_NO


@pytest.mark.parametrize(
    ("harm", "code", "finding"),
    [
        (lambda lines: [lines[0], lines[1] + b" ", *lines[2:]], 1, ("tampered", 1, 1)),
        (lambda lines: [*lines[:2], *lines[3:]], 1, ("incomplete", 2, 2)),
        (lambda lines: [*lines[:2], b"?", *lines[3:]], 6, ("unreadable", 2, 2)),
    ],
)
def test_exit_codes_tell_the_kinds_of_damage_apart(
    wai: Wai, made: Ledgered, harm: Any, code: int, finding: tuple[str, int, int]
) -> None:
    made.act()
    made.act()
    lines = harm([line.rstrip(b"\n") for line in made.lines()])
    made.file.write_bytes(b"".join(line + b"\n" for line in lines))
    ran = wai("audit", "verify", "--json")
    assert ran.exit_code == code
    assert finding in findings(ran)


def test_where_there_is_no_log_nothing_is_said_to_be_sound(wai: Wai, project: Path) -> None:
    ran = wai("audit", "verify")
    assert (ran.exit_code, ran.stdout) == (ExitCode.USAGE, "")
    assert "there is no decision log" in ran.stderr
    assert not (project / ".wai" / "decisions").exists()


def test_verifying_opens_no_connection_and_needs_no_signing_key(
    wai: Wai, made: Ledgered, key_file: Path, project: Path
) -> None:
    made.many(6)
    made.sign()
    wai("audit", "export-tiles", "tiles")
    code = """
import socket, sys
class Refused(socket.socket):
    def __init__(self, *_, **__):
        raise AssertionError("a socket was opened")
socket.socket = Refused
from wai_ops.__main__ import main
sys.argv = ["wai", "audit", "verify", "--anchored", *sys.argv[1:]]
main()
"""
    environ = wai.environment() | {"WAI_AUDIT_KEY_FILE": "/nowhere/at/all"}
    for place in ([], ["tiles"]):
        done = subprocess.run(
            [sys.executable, "-c", code, *place],
            cwd=project,
            env=environ,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert "verdict: pass" in done.stdout


def test_tiles_are_verified_as_the_log_is(
    wai: Wai, made: Ledgered, key_file: Path, project: Path
) -> None:
    made.many(6)
    made.sign()
    assert wai("audit", "export-tiles", "tiles").stdout == "tiles\n"
    bundle = next((project / "tiles" / "tile" / "entries").rglob("[0-9]*"))
    while bundle.is_dir():
        bundle = next(bundle.iterdir())
    bundle.write_bytes(bundle.read_bytes().replace(b"os:tester", b"os:tesler", 1))
    ran = wai("audit", "verify", "tiles", "--json")
    assert ran.exit_code == 1
    assert findings(ran)[0][0] == "tampered"


def test_an_anchor_in_a_file_sees_what_was_taken_back(
    wai: Wai, made: Ledgered, key_file: Path, project: Path
) -> None:
    made.many(4)
    made.sign()
    older = made.file.read_bytes()
    made.many(4)
    made.sign()
    kept = wai("audit", "anchor", "--to", "file:kept/anchor")
    assert (kept.exit_code, "No such file" in kept.stderr) == (ExitCode.DATA, True)
    (project / "kept").mkdir()
    assert wai("audit", "anchor", "--to", "file:kept/anchor").exit_code == 0
    assert "it was there already" in wai("audit", "anchor", "--to", "file:kept/anchor").stderr
    made.file.write_bytes(older)
    max((made.folder / "checkpoints").iterdir()).unlink()
    assert wai("audit", "verify").exit_code == 0
    ran = wai("audit", "verify", "--anchor", "file:kept/anchor", "--json")
    assert ran.exit_code == 1
    assert "incomplete" in {row[0] for row in findings(ran)}
    refused = wai("audit", "anchor", "--to", "file:kept/anchor")
    assert refused.exit_code == ExitCode.DATA
    assert "records were lost, or this is an old copy" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["anchor", "--to", "file:x"], "no verifier key is known"),
        (["prove", "1"], "no verifier key is known"),
        (["export-tiles", "t"], "no verifier key is known"),
        (["checkpoint"], "no signing key is named"),
        (["verify", "--anchor", "file:x"], "--anchor needs a verifier key"),
        (["verify", "--key", "nonsense"], "this is no verifier key"),
        (["show", "--since", "soon"], "is not a time"),
        (["show", "0190b2c4-7e1a-7c3d-9a52-3f6e1d2c4b5a"], "there is no decision"),
        (["show", "999"], "no record 999 is about a decision"),
        (["reconstruct", "nobody"], "no decision is about a conversation nobody"),
        (["keygen", "--name", "a b", "--out", "k"], "cannot name a key"),
    ],
)
def test_what_is_missing_or_wrong_is_said_with_a_way_on(
    wai: Wai, made: Ledgered, arguments: list[str], said: str
) -> None:
    made.act()
    ran = wai("audit", *arguments)
    assert (ran.exit_code, ran.stdout) == (ExitCode.USAGE, "")
    assert said in ran.stderr
    assert "hint:" in ran.stderr


def test_a_signing_key_that_others_may_read_signs_nothing(
    wai: Wai, made: Ledgered, key_file: Path
) -> None:
    made.act()
    key_file.chmod(0o644)
    ran = wai("audit", "checkpoint", "--key-file", str(key_file))
    assert (ran.exit_code, ran.stdout) == (ExitCode.ACCESS, "")
    assert not (made.folder / "checkpoints").exists()


def test_a_damaged_log_is_not_signed(wai: Wai, made: Ledgered, key_file: Path) -> None:
    made.act()
    made.file.write_bytes(made.file.read_bytes().replace(b"os:tester", b"os:tesler"))
    ran = wai("audit", "checkpoint", "--key-file", str(key_file))
    assert ran.exit_code == ExitCode.DATA
    assert "the log is not signed: record 0 is not the one" in ran.stderr


def several(made: Ledgered) -> None:
    made.act(conversation_id="c1", turn_index=0)
    made.act("bad.tool", conversation_id="c1", turn_index=1)
    made.act("ask.refund", conversation_id="c2", turn_index=0)
    made.act("ok.other", conversation_id="c1", turn_index=2, end=False)


@pytest.mark.parametrize(
    ("arguments", "outcomes"),
    [
        ([], ["ok", "refused", "refused", "unknown"]),
        (["--conversation", "c1"], ["ok", "refused", "unknown"]),
        (["--verdict", "needs_approval"], ["refused"]),
        (["--kind", "model_call"], []),
        (["--workflow", "support", "--tenant", "acme", "--limit", "2"], ["refused", "unknown"]),
        (["--until", "2020-01-01"], []),
        (["--since", "2020-01-01", "--verdict", "allow"], ["ok", "unknown"]),
    ],
)
def test_decisions_are_listed_as_they_are_asked_for(
    wai: Wai, made: Ledgered, arguments: list[str], outcomes: list[str]
) -> None:
    several(made)
    ran = wai("audit", "show", *arguments, "--format", "jsonl")
    assert ran.exit_code == 0
    assert [json.loads(line)["outcome"] for line in ran.stdout.splitlines()] == outcomes


def test_one_action_is_shown_whole_with_its_parts(wai: Wai, made: Ledgered) -> None:
    turn = made.act("ok.turn")
    part = made.act("ok.part", parent_id=turn)
    assert turn is not None
    shown = json.loads(wai("audit", "show", turn, "--json").stdout)
    assert shown["decision"]["tool"] == "ok.turn"
    assert (shown["start"]["seq"], shown["end"]["outcome"], shown["outcome"]) == (1, "ok", "ok")
    assert shown["parts"] == [f"{part} tool_call ok.part: ok"]
    text = wai("audit", "show", "2").stdout  # the end of the first action
    assert text.startswith(f"tool_call {turn}: ok\n\ndecision (record 0)\n")


def test_what_others_wrote_reaches_no_terminal_as_it_is(wai: Wai, made: Ledgered) -> None:
    name = made.act(justification="\x1b[2J\x9b31m\u202eevil")
    assert name is not None
    made.act(conversation_id="c1", justification="\x1b]0;title\x07")
    for arguments in (["show", name], ["show"], ["reconstruct", "c1"]):
        ran = wai("audit", *arguments)
        assert ran.exit_code == 0
        assert not {"\x1b", "\x9b", "\u202e", "\x07"} & set(ran.stdout + ran.stderr)


def test_a_conversation_is_put_together_from_both_sides(
    wai: Wai, project: Path, key_file: Path
) -> None:
    """A model call with its cost from the ledger, a tool, a refusal, and an end that never came."""
    clock = SteppingClock()
    state = project / ".wai"
    with LiveState.open(state, clock=clock) as live:
        made = Ledgered(state, clock, live)
        model = replace(action("@cf/x"), kind=ActionKind.MODEL_CALL, tool=None, model="@cf/meta/x")
        about: dict[str, Any] = {"conversation_id": "c9", "run_id": "run-1"}
        call = made.gate.decide(model, **asked(turn_index=0, **about))
        call.end("ok")
        made.act("ok.lookup", turn_index=0, parent_id=call.decision_id, **about)
        with pytest.raises(DeniedError):
            made.gate.decide(action("bad.tool", target=target()), **asked(turn_index=1, **about))
        made.act("ok.refund", end=False, turn_index=1, **about)
        made.act("ok.lookup", conversation_id="c10")
    record_attempts(
        state,
        [
            attempt(1, workflow="support", conversation_id="c9", cost_usd=Decimal("0.002")),
            attempt(2, workflow="support", conversation_id="c9", turn_index=1, run_id="run-2"),
        ],
    )
    made.sign()
    ran = wai("audit", "reconstruct", "acme:support:c9", "--json")
    assert ran.exit_code == 0, ran.stderr
    document = json.loads(ran.stdout)
    rows = [
        (row["kind"], row["what"], row["verdict"], row["outcome"], row["cost_usd"])
        for row in document["rows"]
    ]
    fallen = [
        ("model_call", "@cf/meta/x", "allow", "ok", "0.002000000000"),
        ("tool_call", "ok.lookup", "allow", "ok", "0.001"),
        ("tool_call", "GET https://api.example.com:443/v1/items", "deny", "refused", None),
        ("tool_call", "ok.refund", "allow", "unknown", None),
    ]
    assert [row for row in rows if row[2] != "no decision"] == fallen
    (other,) = [row for row in rows if row[2] == "no decision"]
    assert other[:2] == ("model_call", "@cf/meta/llama-3.1-8b-instruct")
    assert document["notes"][0] == "completeness: outcome unknown for 1 action"
    assert any("1 call without a decision" in note for note in document["notes"])
    for fmt in ("table", "md"):
        brief = wai("audit", "reconstruct", "c9", "--format", fmt)
        assert (brief.exit_code, "the user asked for it" in brief.stdout) == (0, True)
    only = json.loads(wai("audit", "reconstruct", "c9", "--run", "run-1", "--json").stdout)
    assert [row["run_id"] for row in only["rows"]] == ["run-1"] * 4
    timeline = json.loads(wai("report", "timeline", "acme:support:c9", "--json").stdout)
    decided = [row["result"] for row in timeline["rows"] if row["event"] == "decision"]
    assert decided == ["allow", "allow", "deny", "allow"]


def test_the_levels_of_completeness(wai: Wai, made: Ledgered, key_file: Path) -> None:
    def level(*more: str) -> tuple[int, str]:
        ran = wai("audit", "reconstruct", "c1", "--no-ledger", "--json", *more)
        return ran.exit_code, json.loads(ran.stdout)["notes"][0]

    made.act(conversation_id="c1")
    assert level() == (0, "completeness: unanchored")
    made.sign()
    assert level() == (0, "completeness: complete")
    made.act(conversation_id="c1", end=False)
    assert level() == (0, "completeness: outcome unknown for 1 action")
    made.file.write_bytes(made.file.read_bytes().replace(b"os:tester", b"os:tesler", 1))
    assert level() == (1, "completeness: damaged")


def test_a_decision_that_only_the_ledger_knows_is_damage(
    wai: Wai, project: Path, key_file: Path
) -> None:
    """The end of the log was cut beyond every checkpoint; live state had been told before."""
    clock = SteppingClock()
    with LiveState.open(project / ".wai", clock=clock) as live:
        made = Ledgered(project / ".wai", clock, live)
        made.act(conversation_id="c1")
        lost = made.act(conversation_id="c1")
    made.file.write_bytes(b"".join(made.lines()[:3]))
    assert wai("audit", "verify").exit_code == 0
    ran = wai("audit", "reconstruct", "c1", "--json")
    assert ran.exit_code == 1
    notes = json.loads(ran.stdout)["notes"]
    assert notes[0] == "completeness: damaged"
    assert any("1 decision known to the ledger and not in the log" in one for one in notes)
    assert any(str(lost) in one for one in notes)


def test_two_conversations_of_one_name_must_be_told_apart(wai: Wai, made: Ledgered) -> None:
    made.act(conversation_id="c1")
    made.gate.decide(replace(action(), tenant="globex"), **asked(conversation_id="c1"))
    ran = wai("audit", "reconstruct", "c1", "--no-ledger")
    assert ran.exit_code == ExitCode.USAGE
    assert "acme:support:c1, globex:support:c1" in ran.stderr
    assert wai("audit", "reconstruct", "c1", "-t", "globex", "--no-ledger").exit_code == 0


def test_shadow_mode_is_marked(wai: Wai, project: Path) -> None:
    made = Ledgered(project / ".wai", mode=Mode.OBSERVE)
    made.act("bad.tool", conversation_id="c1")
    ran = wai("audit", "show", "--format", "jsonl")
    assert json.loads(ran.stdout)["verdict"] == "deny (shadow)"


def test_a_time_stamp_is_asked_for_over_http(wai: Wai, made: Ledgered, key_file: Path) -> None:
    """Nobody answers there: the command says so and keeps nothing."""
    made.act()
    made.sign()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ran = wai("audit", "anchor", "--to", f"rfc3161:http://127.0.0.1:{port}/")
    assert (ran.exit_code, ran.stdout) == (ExitCode.REMOTE, "")
    assert len(os.listdir(made.folder / "checkpoints")) == 1  # noqa: PTH208 - a count
