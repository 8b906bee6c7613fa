"""Bad input and bad places: one clear line with the next step, the right code, nothing lost."""

import ctypes
import json
import os
import resource
import subprocess
from pathlib import Path

import pytest

from support.cli import Ran, Wai

MODEL = "@cf/zai-org/glm-5.3-flash"


def refused(ran: Ran, code: int, *words: str) -> None:
    """The shape of every refusal: no data, one error line, a hint, no traceback."""
    lines = ran.stderr.splitlines()
    assert (ran.exit_code, ran.stdout) == (code, ""), ran.stderr
    assert lines[0].startswith("wai: error: "), ran.stderr
    assert all(line.startswith("wai: ") for line in lines), ran.stderr
    for word in words:
        assert word in ran.stderr
    assert "Traceback" not in ran.stderr


def test_no_credentials(wai: Wai) -> None:
    refused(wai("run", "hello"), 4, "CLOUDFLARE_ACCOUNT_ID", "--local")


def test_an_account_but_no_token(wai: Wai) -> None:
    wai.environ["CLOUDFLARE_ACCOUNT_ID"] = "0" * 32
    refused(wai("run", "hello"), 4, "CLOUDFLARE_API_TOKEN", "--local")


def test_a_wrong_token(online: Wai) -> None:
    online.environ["CLOUDFLARE_API_TOKEN"] = "wrong-token-0123456789abcdef"
    ran = online("run", "-m", MODEL, "hello")
    refused(ran, 4, "auth", "wai doctor")
    assert "wrong-token" not in ran.stderr


def test_the_operator_token_is_no_fallback(online: Wai) -> None:
    del online.environ["CLOUDFLARE_API_TOKEN"]
    refused(online("run", "hello"), 4, "CLOUDFLARE_API_TOKEN")


def test_an_unknown_model(online: Wai) -> None:
    refused(online("run", "-m", "@cf/nobody/nothing", "hello"), 2, "not_found", "wai models list")


def test_a_model_that_takes_no_prompt(online: Wai) -> None:
    refused(online("run", "-m", "@cf/baai/bge-m3", "hello"), 2, "Text Embeddings")


def test_a_model_id_cannot_leave_its_path(online: Wai) -> None:
    refused(online("run", "-m", "@cf/../../x", "hello"), 2, "is not a model id")


def test_a_prompt_longer_than_the_context(online: Wai) -> None:
    ran = online("run", "-m", "@cf/meta/llama-3.1-8b-instruct-fp8", "-", stdin="word " * 60000)
    refused(ran, 2, "context_too_long")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), ["no prompt"]),
        (("  \n",), ["the prompt is empty"]),
        (("--var", "a=b", "text"), ["--var needs a --prompt"]),
        (("--prompt", "missing.prompt"), ["cannot read prompt file"]),
        (("--prompt", "triage.prompt", "--var", "ticket=1", "x"), ["give either TEXT or --prompt"]),
        (("--prompt", "."), ["not a regular file"]),
        (("--prompt", "triage.prompt"), ["the prompt needs ticket", "--var ticket="]),
        (
            ("--prompt", "triage.prompt", "--var", "ticket=1", "--var", "x=2"),
            ["does not use x", "it takes: ticket"],
        ),
        (("--json-schema", "bad.json", "x"), ["not JSON", "bad.json:1:"]),
        (("--json-schema", "wrong-schema.json", "x"), ["not a valid JSON Schema"]),
        (("--tools", "wrong-schema.json", "x"), ["JSON list of tool definitions"]),
        (("--tenant", "a:b", "x"), ["--tenant 'a:b' is not a usable name"]),
        (("--conversation", "x\x1b[2J", "x"), ["is not a usable name"]),
        (("--max-tokens", "0", "x"), ["--max-tokens"]),
        (("--nonsense", "x"), ["--nonsense"]),
    ],
)
def test_a_wrong_argument_is_refused_before_anything_is_written(
    wai: Wai, project: Path, arguments: tuple[str, ...], words: list[str]
) -> None:
    (project / "triage.prompt").write_text("Classify: {{ ticket }}")
    (project / "bad.json").write_text("{nope")
    (project / "wrong-schema.json").write_text('{"type": "nonsense"}')
    refused(wai("run", *arguments), 2, *words)
    assert not (project / ".wai" / "state.sqlite").exists()


def test_every_problem_of_the_configuration_is_listed_with_its_place(
    wai: Wai, project: Path
) -> None:
    (project / "wai.yaml").write_text('version: 1\ntarget: mars\ndefautls: {}\n"gateway": no\n')
    ran = wai("run", "hello")
    assert ran.exit_code == 2
    for place in ("wai.yaml:1:", "wai.yaml:2:", "wai.yaml:3:"):
        assert place in ran.stderr
    assert "defaults" in ran.stderr  # the nearest real key


@pytest.mark.parametrize("content", [b"this is no database" * 100, b"", b"SQLite format 3\0" * 9])
def test_a_damaged_live_state_sends_nothing_and_is_not_touched(
    online: Wai, project: Path, content: bytes
) -> None:
    state = project / ".wai"
    state.mkdir()
    (state / "state.sqlite").write_bytes(content)
    ran = online("run", "-m", MODEL, "hello")
    if content:
        refused(ran, 6, "state.sqlite")
        assert (state / "state.sqlite").read_bytes() == content
    else:  # an empty file is a database without tables yet
        assert ran.exit_code == 0


def test_a_foreign_file_in_place_of_the_ledger_is_refused_and_kept(
    online: Wai, project: Path
) -> None:
    assert online("run", "-q", "-m", MODEL, "hello").exit_code == 0
    ledger = project / ".wai" / "ledger.duckdb"
    ledger.write_bytes(b"somebody's holiday pictures")
    refused(online("report", "cost"), 6, "ledger.duckdb")
    assert ledger.read_bytes() == b"somebody's holiday pictures"
    ledger.unlink()
    rows = json.loads(online("report", "cost", "--format", "json").stdout)["rows"]
    assert [row["request_count"] for row in rows] == [1]


def drop_power() -> None:
    """Take root's power to write everywhere from the process about to be started."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        drop_from_bounding_set = 24
        for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
            libc.prctl(drop_from_bounding_set, capability)


def test_a_read_only_folder_sends_nothing(online: Wai, project: Path) -> None:
    project.chmod(0o555)
    try:
        process = online.start("run", "-m", MODEL, "hello", preexec_fn=drop_power)
        stdout, stderr = process.communicate(timeout=60)
    finally:
        project.chmod(0o755)
    refused(Ran(process.returncode, stdout.decode(), stderr.decode()), 6, "WAI_STATE_DIR")


def test_a_full_disk_sends_nothing_and_loses_nothing(online: Wai, project: Path) -> None:
    """The largest file size of the process stands in for the end of the disk."""
    assert online("run", "-q", "-m", MODEL, "first").exit_code == 0

    def no_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    process = online.start("run", "-m", MODEL, "second", preexec_fn=no_room)
    stdout, stderr = process.communicate(timeout=60)
    refused(Ran(process.returncode, stdout.decode(), stderr.decode()), 6, "state.sqlite")
    assert online("run", "-q", "-m", MODEL, "third").exit_code == 0
    found = json.loads(online("report", "cost", "--format", "json").stdout)["rows"]
    assert [row["request_count"] for row in found] == [2]


def test_a_full_disk_behind_stdout_is_said_and_the_call_recorded(online: Wai) -> None:
    with Path("/dev/full").open("wb") as full:
        process = online.start("run", "-m", MODEL, "hello", stdout=full)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 6
    assert b"No space left on device" in stderr
    assert b"Traceback" not in stderr
    found = json.loads(online("report", "cost", "--format", "json").stdout)["rows"]
    assert [row["request_count"] for row in found] == [1]


def test_no_terminal_no_input_no_colour(online: Wai) -> None:
    process = online.start(
        "run", "-m", MODEL, "hello", stdin=subprocess.DEVNULL, start_new_session=True
    )
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0
    assert b"\x1b" not in stdout + stderr
