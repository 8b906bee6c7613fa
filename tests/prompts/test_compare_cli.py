"""`wai prompts compare` against an emulator over a socket, held against its own meter."""

import json
import os
import pty
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from support.cli import Ran, Wai
from support.emulator import Emulator, start_emulator
from support.prompts import freeze_prompt, write_prompt

MODEL = "@cf/meta/llama-3.1-8b-instruct-fp8"
TRIAGE = f"""---
model: "{MODEL}"
parameters: {{max_output_tokens: 120}}
variables: {{ticket: string}}
---
{{% role system %}}
You sort tickets.
{{% role user %}}
Ticket: {{{{ ticket }}}}
"""
GRADER = f"""---
model: "{MODEL}"
variables: {{answer: string, ticket: string}}
output_schema:
  type: object
  properties: {{pass: {{type: boolean, const: PASS}}, reason: {{type: string, const: so}}}}
  required: [pass, reason]
---
Is this good for {{{{ ticket }}}}? {{{{ answer }}}}
"""


def cases(count: int, *checks: dict[str, Any], first: int = 0) -> list[dict[str, Any]]:
    return [
        {"id": f"c{n}", "vars": {"ticket": f"parcel {n} is late"}, "assert": list(checks)}
        for n in range(first, first + count)
    ]


def write_cases(project: Path, lines: Sequence[dict[str, Any]]) -> Path:
    path = project / "cases.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return path


@pytest.fixture
def frozen(wai: Wai, project: Path) -> Wai:
    """Version 2 shouts, so that it loses what is asserted; version 3 is 1 with other words."""
    freeze_prompt(project, "triage", TRIAGE)
    freeze_prompt(project, "triage", TRIAGE.replace("{{ ticket }}", "{{ ticket | upper }}"))
    freeze_prompt(project, "triage", TRIAGE.replace("You sort", "You gladly sort"))
    return wai


@contextmanager
def serving(wai: Wai, folder: Path, knobs: str = "{}") -> Iterator[Emulator]:
    """An emulator of its own, with nothing served yet."""
    config = folder / "emulator.yaml"
    config.write_text(knobs)
    state = folder / "state"
    state.mkdir()
    with start_emulator(state, "--config", str(config)) as emulator:
        wai.environ.update(emulator.environ)
        yield emulator


@pytest.fixture
def served(frozen: Wai, tmp_path: Path) -> Iterator[Emulator]:
    with serving(frozen, tmp_path) as emulator:
        yield emulator


def truth(wai: Wai, emulator: Emulator, by: str = "prompt") -> dict[str, dict[str, Any]]:
    """What the emulator says it served, by prompt or another dimension."""
    ran = wai("emulator", "truth", "--state", str(emulator.state_dir), "--json")
    assert ran.exit_code == 0, ran.stderr
    return {row[by]: row for row in json.loads(ran.stdout)["by"][by]}


def served_usd(wai: Wai, emulator: Emulator) -> Decimal:
    return sum((Decimal(row["cost_usd"]) for row in truth(wai, emulator).values()), Decimal(0))


def compare(wai: Wai, *arguments: str) -> Ran:
    return wai("prompts", "compare", "triage@1", *arguments, "-d", "cases.jsonl")


def result(ran: Ran, code: int = 0) -> dict[str, Any]:
    assert ran.exit_code == code, ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def refused(ran: Ran, code: int, *words: str) -> None:
    assert (ran.exit_code, ran.stdout) == (code, ""), ran.stderr
    assert "Traceback" not in ran.stderr
    for word in words:
        assert word in ran.stderr, ran.stderr


def test_equal_versions_pass_and_every_call_is_recorded_with_its_version(
    frozen: Wai, served: Emulator, project: Path
) -> None:
    write_cases(project, cases(8, {"contains": "parcel"}, {"regex": r"parcel \d+"}))
    found = result(compare(frozen, "@3", "--yes", "--json"))
    assert (found["verdict"], found["compared_count"], found["sent_count"]) == ("pass", 8, 16)
    assert (found["a"]["passed_count"], found["b"]["passed_count"]) == (8, 8)
    told = truth(frozen, served)
    assert {name: row["requests"] for name, row in told.items()} == {"triage@1": 8, "triage@3": 8}
    for side in ("a", "b"):
        prompt = found[side]["prompt"]
        assert Decimal(found[side]["cost_usd"]) == Decimal(told[prompt]["cost_usd"])
    assert (
        Decimal(found["spent_usd"]) == served_usd(frozen, served) <= Decimal(found["ceiling_usd"])
    )
    ran = frozen(
        "ledger",
        "sql",
        "select workflow, prompt_version, count(*) as n, count(distinct conversation_id) as c, "
        "sum(cost_usd) as cost from attempt group by all order by 2",
        "--format",
        "json",
    )
    rows = json.loads(ran.stdout)["rows"]
    assert [(row["workflow"], row["prompt_version"], row["n"], row["c"]) for row in rows] == [
        ("compare", "1", 8, 8),
        ("compare", "3", 8, 8),
    ]


def test_a_regression_exits_1_and_names_its_cases(
    frozen: Wai, served: Emulator, project: Path
) -> None:
    lost = cases(9, {"contains": "parcel"})
    write_cases(project, [*lost, *cases(3, {"not_contains": "nothing of the kind"}, first=9)])
    found = result(compare(frozen, "@2", "--yes", "--json"), 1)
    assert found["verdict"] == "fail"
    assert [item["id"] for item in found["cases"] if item["change"] == "regressed"] == [
        item["id"] for item in lost
    ]
    (rate,) = (item for item in found["metrics"] if item["metric"] == "pass rate")
    assert (rate["a"], rate["b"], rate["n"], rate["is_regression"]) == (1.0, 0.25, 12, True)
    assert rate["p_value"] == pytest.approx(2 / 2**9)
    assert rate["low"] < rate["difference"] < rate["high"] < 0
    assert found["cases"][0]["b"]["failed"] == [
        {"assertion": "contains: parcel", "passed": False, "reason": None}
    ]
    table = compare(frozen, "@2", "--yes")
    assert table.exit_code == 1
    assert "regression" in table.stdout
    assert "pass with A alone: c0, c1" in table.stderr
    del served


def test_github_gets_an_annotation_on_the_line_of_every_lost_case(
    frozen: Wai, served: Emulator, project: Path, tmp_path: Path
) -> None:
    write_cases(project, cases(7, {"contains": "parcel"}))
    summary = tmp_path / "summary.md"
    frozen.environ["GITHUB_STEP_SUMMARY"] = str(summary)
    ran = compare(frozen, "@2", "--yes", "--format", "github")
    assert ran.exit_code == 1
    lines = ran.stdout.splitlines()
    assert lines[0].startswith("::error file=cases.jsonl,line=1,title=WC001::case c0 passes with")
    assert len([line for line in lines if "WC001" in line]) == 7
    assert "**FAIL** · triage@1 against triage@2" in summary.read_text()
    assert "| pass rate | 100.0% | 0.0% |" in summary.read_text()
    del served


def test_few_lost_cases_may_be_chance_unless_a_limit_says_otherwise(
    frozen: Wai, served: Emulator, project: Path
) -> None:
    write_cases(project, [*cases(2, {"contains": "parcel"}), *cases(8, first=2)])
    found = result(compare(frozen, "@2", "--yes", "--json"))
    assert found["verdict"] == "warn"
    assert "may be chance" in found["reasons"][0]
    strict = result(compare(frozen, "@2", "--yes", "--json", "--max-pass-drop", "0.1"), 1)
    assert strict["reasons"] == ["regression: the pass rate fell by 20.0%"]
    assert strict["sent_count"] == 0
    dear = result(compare(frozen, "@3", "--yes", "--json", "--max-cost-rise", "0.000001"), 1)
    assert "regression: cost rose by" in dear["reasons"][0]
    del served


def test_nothing_is_sent_before_a_ceiling_is_named(
    frozen: Wai, served: Emulator, project: Path
) -> None:
    write_cases(project, cases(3))
    refused(compare(frozen, "@2"), 2, "needs a ceiling", "6 calls", "--max-cost")
    shown = result(compare(frozen, "@2", "--dry-run", "--json"))
    assert (shown["call_count"], shown["spent_usd"]) == (6, "0")
    assert truth(frozen, served) == {}
    done = result(compare(frozen, "@2", "--yes", "--json"))
    assert (
        Decimal(done["spent_usd"])
        <= Decimal(shown["remaining_usd"])
        == Decimal(done["ceiling_usd"])
    )


@pytest.mark.parametrize(
    ("typed", "code", "requests"), [(b"n\n", 1, 0), (b"\n", 1, 0), (b"y\n", 0, 6)]
)
def test_on_a_terminal_the_ceiling_is_asked_for(
    frozen: Wai, served: Emulator, project: Path, typed: bytes, code: int, requests: int
) -> None:
    write_cases(project, cases(3))
    main, terminal = pty.openpty()
    with os.fdopen(main, "r+b", buffering=0) as keyboard:
        process = frozen.start(
            *("prompts", "compare", "triage@1", "@3", "-d", "cases.jsonl"),
            stdin=terminal,
            stderr=terminal,
        )
        os.close(terminal)
        said = b""
        while b"go on?" not in said:
            said += keyboard.read(4096)
        keyboard.write(typed)
        stdout, _ = process.communicate(timeout=60)
    assert b"6 calls, at most $" in said
    assert process.returncode == code
    assert (b"pass rate" in stdout) is (code == 0)
    assert sum(row["requests"] for row in truth(frozen, served).values()) == requests


@pytest.mark.parametrize("parallel", ["1", "8"])
def test_the_ceiling_is_never_passed_by_the_emulators_own_meter(
    frozen: Wai, served: Emulator, project: Path, parallel: str
) -> None:
    write_cases(project, cases(30))
    shown = result(compare(frozen, "@3", "--dry-run", "--json"))
    ceiling = Decimal(shown["remaining_usd"]) / 7
    arguments = ("@3", "--max-cost", format(ceiling, "f"), "--parallel", parallel, "--json")
    stopped = compare(frozen, *arguments)
    assert stopped.exit_code == 5
    assert "stopped before the ceiling" in stopped.stderr
    found = json.loads(stopped.stdout)
    assert found["is_complete"] is False
    assert 0 < found["compared_count"] < 30
    spent = served_usd(frozen, served)
    assert 0 < spent == Decimal(found["spent_usd"]) <= ceiling
    # Again with the same ceiling: it holds for all runs of the comparison together.
    assert compare(frozen, *arguments).exit_code == 5
    assert served_usd(frozen, served) <= ceiling
    whole = result(compare(frozen, "@3", "--yes", "--json", "--parallel", parallel))
    assert whole["compared_count"] == 30
    assert sum(row["requests"] for row in truth(frozen, served).values()) == 60


class TestKilled:
    """Killed at any moment, it goes on where it was."""

    COUNT = 40
    PARALLEL = 4

    @pytest.fixture
    def slow(self, frozen: Wai, tmp_path: Path, project: Path) -> Iterator[Emulator]:
        write_cases(project, cases(self.COUNT, {"contains": "parcel"}))
        with serving(frozen, tmp_path, "latency: {overhead_ms: 60}\n") as emulator:
            yield emulator

    def start(self, wai: Wai, *arguments: str) -> "subprocess.Popen[bytes]":
        return wai.start(
            *("prompts", "compare", "triage@1", "@3", "-d", "cases.jsonl", "--json"),
            *("--parallel", str(self.PARALLEL), *arguments),
        )

    def answered(self, project: Path) -> int:
        files = list((project / ".wai" / "compare").glob("*.jsonl"))
        return sum(path.read_bytes().count(b'{"end"') for path in files)

    def wait_for(self, project: Path, count: int, process: "subprocess.Popen[bytes]") -> None:
        end = time.monotonic() + 60
        while self.answered(project) < count:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < end
            os.sched_yield()

    def test_a_kill_loses_at_most_what_was_in_flight(
        self, frozen: Wai, slow: Emulator, project: Path
    ) -> None:
        kills = (3, 17, 31, 56)
        for count in kills:
            process = self.start(frozen, "--yes")
            self.wait_for(project, count, process)
            process.kill()
            process.communicate()
            assert self.answered(project) >= count
        found = result(compare(frozen, "@3", "--yes", "--json"))
        assert (found["compared_count"], found["verdict"]) == (self.COUNT, "pass")
        told = truth(frozen, slow)
        sent = sum(row["requests"] for row in told.values())
        assert 2 * self.COUNT <= sent <= 2 * self.COUNT + len(kills) * self.PARALLEL
        # What was lost counts with its worst case, so the count is never below the meter's.
        assert Decimal(found["spent_usd"]) >= served_usd(frozen, slow)

    def test_the_ceiling_holds_over_all_kills(
        self, frozen: Wai, slow: Emulator, project: Path
    ) -> None:
        shown = result(compare(frozen, "@3", "--dry-run", "--json"))
        ceiling = Decimal(shown["remaining_usd"]) / 3
        most = format(ceiling, "f")
        for count in (2, 9, 16):
            process = self.start(frozen, "--max-cost", most)
            self.wait_for(project, count, process)
            process.kill()
            process.communicate()
        ran = compare(frozen, "@3", "--max-cost", most, "--json")
        assert ran.exit_code == 5
        assert served_usd(frozen, slow) <= ceiling

    def test_a_torn_line_is_forgotten_and_a_damaged_one_is_told(
        self, frozen: Wai, slow: Emulator, project: Path
    ) -> None:
        write_cases(project, cases(2))
        result(compare(frozen, "@3", "--yes", "--json"))
        (path,) = (project / ".wai" / "compare").glob("*.jsonl")
        whole = path.read_bytes()
        path.write_bytes(whole + b'{"end":"1-1-x","answer":{"key":"')
        assert result(compare(frozen, "@3", "--yes", "--json"))["sent_count"] == 0
        assert path.read_bytes() == whole
        path.write_bytes(b"nonsense\n" + whole)
        refused(compare(frozen, "@3", "--yes"), 6, ".jsonl:1", "--fresh")
        fresh = result(compare(frozen, "@3", "--yes", "--fresh", "--json"))
        assert fresh["sent_count"] == 4
        del slow

    def test_ctrl_c_waits_for_what_is_in_flight_and_keeps_it(
        self, frozen: Wai, slow: Emulator, project: Path
    ) -> None:
        process = self.start(frozen, "--yes")
        self.wait_for(project, 5, process)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
        assert process.returncode == 130, stderr
        assert b"what was answered is kept" in stderr
        found = json.loads(stdout)
        assert found["is_complete"] is False
        (path,) = (project / ".wai" / "compare").glob("*.jsonl")
        content = path.read_bytes()
        assert content.count(b'{"begin"') == content.count(b'{"end"') == found["sent_count"]
        sent = sum(row["requests"] for row in truth(frozen, slow).values())
        assert sent == found["sent_count"] < 2 * self.COUNT

    def test_two_at_once_do_not_pay_twice(self, frozen: Wai, slow: Emulator, project: Path) -> None:
        process = self.start(frozen, "--yes")
        self.wait_for(project, 1, process)
        refused(compare(frozen, "@3", "--yes"), 6, "another process is comparing")
        _, stderr = process.communicate(timeout=120)
        assert process.returncode == 0, stderr
        assert sum(row["requests"] for row in truth(frozen, slow).values()) == 2 * self.COUNT


def test_new_cases_and_new_assertions_ask_only_for_what_is_new(
    frozen: Wai, served: Emulator, project: Path
) -> None:
    write_cases(project, cases(3))
    assert result(compare(frozen, "@2", "--yes", "--json"))["sent_count"] == 6
    write_cases(project, cases(4, {"contains": "parcel"}))
    found = result(compare(frozen, "@2", "--yes", "--json"))
    assert (found["sent_count"], found["a"]["passed_count"], found["b"]["passed_count"]) == (
        2,
        4,
        0,
    )
    lines = cases(4)
    lines[1]["vars"]["ticket"] = "another one"
    write_cases(project, lines)
    assert result(compare(frozen, "@2", "--yes", "--json"))["sent_count"] == 2
    del served


def test_one_version_against_itself_is_asked_once_and_that_is_said(
    frozen: Wai, served: Emulator, project: Path
) -> None:
    write_cases(project, cases(5, {"contains": "parcel"}))
    found = result(compare(frozen, "@1", "--yes", "--json"))
    assert (found["sent_count"], found["compared_count"], found["verdict"]) == (5, 5, "pass")
    assert "A and B are the same version" in found["notes"][0]
    del served


def test_a_tool_call_is_an_answer_like_any_other(
    frozen: Wai, served: Emulator, project: Path
) -> None:
    tools = (
        "tools: [{name: look_up, description: d, parameters: {type: object, "
        "properties: {number: {type: integer, const: 7}}, required: [number]}}]\n"
    )
    with_tools = TRIAGE.replace("variables:", f"{tools}variables:")
    with_tools = with_tools.replace("Ticket:", "Use look_up for")
    freeze_prompt(project, "triage", with_tools)
    checks = {"regex": r'"name":"look_up"'}, {"contains": '{\\"number\\": 7}'}
    write_cases(project, cases(2, *checks))
    found = result(compare(frozen, "@4", "--yes", "--json"))
    assert (found["a"]["passed_count"], found["b"]["passed_count"]) == (0, 2)
    del served


class TestJudges:
    """A model grades the answers, by a prompt that is named and versioned like any other."""

    def test_verdicts_count_and_cost_apart(
        self, frozen: Wai, served: Emulator, project: Path
    ) -> None:
        freeze_prompt(project, "yes", GRADER.replace("PASS", "true"))
        freeze_prompt(project, "no", GRADER.replace("PASS", "false"))
        write_cases(project, cases(3, {"judge": "yes@1"}))
        found = result(compare(frozen, "@3", "--yes", "--json"))
        assert (found["a"]["passed_count"], found["b"]["passed_count"]) == (3, 3)
        told = truth(frozen, served)
        assert told["yes@1"]["requests"] == 6
        judged = sum(
            Decimal(item[side]["judge_cost_usd"]) for item in found["cases"] for side in ("a", "b")
        )
        assert judged == Decimal(told["yes@1"]["cost_usd"])
        assert Decimal(found["a"]["cost_usd"]) == Decimal(told["triage@1"]["cost_usd"])
        write_cases(project, cases(3, {"judge": "yes@1"}, {"judge": "no@1"}))
        again = result(compare(frozen, "@3", "--yes", "--json"))
        assert (again["sent_count"], again["a"]["passed_count"]) == (6, 0)
        assert again["cases"][0]["a"]["failed"] == [
            {"assertion": "judge: no@1", "passed": False, "reason": "so"}
        ]

    def test_no_judge_is_paid_for_a_case_that_fails_without_one(
        self, frozen: Wai, served: Emulator, project: Path
    ) -> None:
        freeze_prompt(project, "yes", GRADER.replace("PASS", "true"))
        write_cases(project, cases(3, {"judge": "yes@1"}, {"contains": "parcel"}))
        found = result(compare(frozen, "@2", "--yes", "--json"))
        assert (found["a"]["passed_count"], found["b"]["passed_count"]) == (3, 0)
        assert truth(frozen, served)["yes@1"]["requests"] == 3
        # Nothing is left to be asked, so nobody is asked for a ceiling.
        assert compare(frozen, "@2").exit_code == 0

    def test_a_judge_without_a_verdict_in_its_schema_is_refused_before_anything_is_sent(
        self, frozen: Wai, served: Emulator, project: Path
    ) -> None:
        freeze_prompt(project, "vague", "Is {{ answer }} good?\n")
        write_cases(project, cases(2, {"judge": "vague@1"}))
        refused(compare(frozen, "@3", "--yes"), 2, "cases.jsonl:1", "boolean `pass`")
        write_cases(project, cases(2, {"judge": "nobody@1"}))
        refused(compare(frozen, "@3", "--yes"), 2, "cases.jsonl:1", "nobody has no version 1")
        assert truth(frozen, served) == {}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"id": "x", "vars": {}}', ["cases.jsonl:2", "the prompt needs ticket"]),
        ('{"id": "x", "vars": {"ticket": 7}}', ["cases.jsonl:2", "ticket must be text"]),
        ('{"id": "x", "vars": {"ticket": "a", "b": 1}}', ["cases.jsonl:2", "does not use b"]),
        ('{"id": "c0", "vars": {"ticket": "a"}}', ["cases.jsonl:2", "on line 1 already"]),
        ("{", ["cases.jsonl:2:2", "not JSON"]),
        (
            '{"vars": {"ticket": "a"}, "assert": [{"json_schema": {"type": "nonsense"}}]}',
            ["cases.jsonl:2", "not a valid JSON Schema"],
        ),
    ],
)
def test_a_case_that_does_not_fit_is_told_with_its_line_and_nothing_is_sent(
    frozen: Wai, served: Emulator, project: Path, line: str, words: list[str]
) -> None:
    path = write_cases(project, cases(1))
    path.write_text(f"{path.read_text()}{line}\n")
    refused(compare(frozen, "@2", "--yes"), 2, *words)
    assert truth(frozen, served) == {}


def test_a_model_without_a_price_is_refused_because_no_ceiling_could_be_kept(
    frozen: Wai, project: Path
) -> None:
    write_cases(project, cases(1))
    refused(
        compare(frozen, "@2", "--yes", "-m", "@cf/nobody/nothing"),
        2,
        "no price is known",
        "wai.yaml",
    )


def test_the_working_tree_can_be_compared_but_not_in_ci(
    frozen: Wai, served: Emulator, project: Path
) -> None:
    write_prompt(project, "triage", TRIAGE.replace("Ticket:", "The ticket:"))
    write_cases(project, cases(2))
    found = result(compare(frozen, "@work", "--yes", "--json"))
    assert found["b"]["prompt"] == f"triage@work-{found['b']['sha256'][:12]}"
    frozen.environ["CI"] = "true"
    refused(compare(frozen, "@work", "--yes"), 5, "CI")
    assert compare(frozen, "@work", "--yes", "--allow-work").exit_code == 0
    del served


def test_calls_that_fail_are_no_loss_of_the_version_and_are_asked_for_again(
    frozen: Wai, project: Path, tmp_path: Path
) -> None:
    (project / "wai.yaml").write_text('version: "1"\nretry: {max_attempts: 1}\n')
    write_cases(project, cases(6, {"contains": "parcel"}))
    knobs = "faults: [{kind: status, status: 500, code: 3043, count: 3}]\n"
    with serving(frozen, tmp_path, knobs) as emulator:
        ran = compare(frozen, "@3", "--yes", "--json", "--parallel", "1")
        found = result(ran, 3)
        assert found["verdict"] == "warn"
        assert found["compared_count"] == 4
        assert "run it again" in ran.stderr
        assert any(note.startswith("3 calls failed with server_error") for note in found["notes"])
        again = result(compare(frozen, "@3", "--yes", "--json"))
        assert (again["sent_count"], again["compared_count"], again["verdict"]) == (3, 6, "pass")
        assert Decimal(again["spent_usd"]) >= served_usd(frozen, emulator)


CHAOS = """
faults:
  - {kind: truncate, path: "*/ai/v1/*", probability: 0.15, after_bytes: 200, seed: 1}
  - {kind: reset, path: "*/ai/v1/*", probability: 0.15, after_bytes: 0, seed: 2}
  - {kind: status, path: "*/ai/v1/*", status: 500, code: 3043, probability: 0.1, seed: 3}
  - {kind: status, path: "*/ai/v1/*", status: 429, code: 3040, probability: 0.1, seed: 4}
"""


def test_in_the_worst_of_networks_the_ceiling_holds_and_it_gets_there(
    frozen: Wai, project: Path, tmp_path: Path
) -> None:
    """Cut, reset and refused calls: what may have been billed counts, and is never sent twice."""
    (project / "wai.yaml").write_text(
        'version: "1"\nretry: {max_attempts: 3, base_delay_s: 0.01, max_delay_s: 0.02}\n'
    )
    write_cases(project, cases(15, {"contains": "parcel"}))
    with serving(frozen, tmp_path, CHAOS) as emulator:
        shown = result(compare(frozen, "@3", "--dry-run", "--json"))
        ceiling = Decimal(shown["remaining_usd"]) * 2
        for _ in range(12):
            ran = compare(frozen, "@3", "--max-cost", format(ceiling, "f"), "--json")
            assert ran.exit_code in (0, 3, 5), ran.stderr
            found = json.loads(ran.stdout)
            spent = served_usd(frozen, emulator)
            assert spent <= Decimal(found["spent_usd"]) <= ceiling
            if ran.exit_code != 3:
                break
        assert ran.exit_code == 0
        assert (found["compared_count"], found["verdict"]) == (15, "pass")


def test_a_wrong_token_stops_it_at_the_first_call(
    frozen: Wai, served: Emulator, project: Path
) -> None:
    frozen.environ["CLOUDFLARE_API_TOKEN"] = "wrong-token-0123456789abcdef"
    write_cases(project, cases(20))
    ran = compare(frozen, "@3", "--yes", "--parallel", "1")
    refused(ran, 4, "auth", "wai doctor")
    (path,) = (project / ".wai" / "compare").glob("*.jsonl")
    assert path.read_bytes().count(b'{"end"') == 1
    del served
