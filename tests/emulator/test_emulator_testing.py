"""The emulator that other projects test against, and the pytest plugin that hands it out."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from emulator.api import OPENAI_MODEL
from wai_ops.core.errors import RemoteError, UsageError
from wai_ops.emulator.testing import WaiEmulator, wai_emulator


@pytest.fixture(scope="module")
def emulator() -> Iterator[WaiEmulator]:
    with wai_emulator() as running:
        yield running


def chat(
    emulator: WaiEmulator, text: str = "Hello", *, http: Any = httpx, **metadata: str
) -> httpx.Response:
    answer: httpx.Response = http.post(
        f"{emulator.openai_base_url}/chat/completions",
        json={"model": OPENAI_MODEL, "messages": [{"role": "user", "content": text}]},
        headers={
            "authorization": f"Bearer {emulator.tokens['runtime']}",
            "cf-aig-gateway-id": emulator.gateway_id,
            "cf-aig-metadata": json.dumps(metadata),
        },
    )
    return answer


def test_logs_are_empty_before_the_first_call_and_complete_beyond_one_page(
    emulator: WaiEmulator,
) -> None:
    emulator.reset()
    assert emulator.logs() == []
    with httpx.Client() as http:
        sent = [chat(emulator, str(i), http=http).headers["cf-aig-log-id"] for i in range(100)]
    assert sorted(row["id"] for row in emulator.logs()) == sorted(sent)


def test_the_truth_is_told_whole_and_by_group(emulator: WaiEmulator) -> None:
    emulator.reset()
    answers = [chat(emulator, tenant=tenant).json() for tenant in ("a", "a", "b")]
    groups = {group["tenant"]: group for group in emulator.truth("tenant")}
    assert {name: group["requests"] for name, group in groups.items()} == {"a": 2, "b": 1}
    tokens = sum(answer["usage"]["completion_tokens"] for answer in answers)
    assert emulator.truth()["totals"]["tokens_out"] == tokens


def test_a_reset_makes_all_of_it_new_at_the_same_address(emulator: WaiEmulator) -> None:
    emulator.reset()
    before = emulator.base_url, emulator.account_id, dict(emulator.tokens), emulator.environ

    def cached_tokens() -> int:
        token = emulator.tokens["runtime"]
        answer = httpx.post(
            f"{emulator.openai_base_url}/chat/completions",
            json={"model": OPENAI_MODEL, "messages": [{"role": "user", "content": "Long. " * 99}]},
            headers={
                "authorization": f"Bearer {token}",
                "x-session-affinity": "s1",
                "cf-aig-gateway-id": "default",
            },
        )
        found: int = answer.json()["usage"]["prompt_tokens_details"]["cached_tokens"]
        return found

    assert cached_tokens() == 0
    assert cached_tokens() > 0
    emulator.knobs["latency.overhead_ms"] = 1
    emulator.reset()
    assert cached_tokens() == 0
    assert emulator.knobs["latency.overhead_ms"] == 0
    assert len(emulator.logs()) == 1
    assert before == (
        emulator.base_url,
        emulator.account_id,
        dict(emulator.tokens),
        emulator.environ,
    )


def test_calls_in_the_midst_of_resets_are_all_answered(emulator: WaiEmulator) -> None:
    stop = threading.Event()
    statuses: list[int] = []

    def keep_calling() -> None:
        while not stop.is_set():
            statuses.append(chat(emulator).status_code)  # a new connection each time

    callers = [threading.Thread(target=keep_calling) for _ in range(2)]
    for caller in callers:
        caller.start()
    for _ in range(5):
        emulator.reset()
    stop.set()
    for caller in callers:
        caller.join()
    assert set(statuses) == {200}


def test_an_answer_under_way_ends_whole_and_belongs_to_the_state_before(
    emulator: WaiEmulator,
) -> None:
    emulator.reset()
    emulator.knobs["latency.decode_tokens_per_s"] = 400
    stream = httpx.stream(
        "POST",
        f"{emulator.openai_base_url}/chat/completions",
        json={
            "model": OPENAI_MODEL,
            "messages": [{"role": "user", "content": "Write 100 words"}],
            "stream": True,
        },
        headers={
            "authorization": f"Bearer {emulator.tokens['runtime']}",
            "cf-aig-gateway-id": emulator.gateway_id,
        },
    )
    with stream as answer:
        lines = answer.iter_lines()
        assert next(lines).startswith("data: ")
        resetting = threading.Thread(target=emulator.reset)
        resetting.start()
        assert list(lines)[-2] == "data: [DONE]"
        resetting.join()
    assert emulator.logs() == []


def test_a_client_keeps_its_connections_over_a_reset(emulator: WaiEmulator) -> None:
    with httpx.Client() as http:
        for _ in range(3):
            assert chat(emulator, http=http).status_code == 200
            emulator.reset()


def test_knobs_change_at_once_and_only_as_far_as_they_make_sense(emulator: WaiEmulator) -> None:
    emulator.reset()
    with emulator.knobs.changed(
        {"faults": [{"kind": "status", "status": 503, "path": "*/chat/*"}]}
    ):
        assert chat(emulator).status_code == 503
    assert chat(emulator).status_code == 200
    with pytest.raises(UsageError, match="latency"):
        emulator.knobs["latency.overhead_ms"] = "slow"
    with pytest.raises(UsageError):
        emulator.knobs["no.such"] = 1
    with pytest.raises(UsageError, match="no knob"):
        _ = emulator.knobs["no.such"]


def test_any_endpoint_can_be_called_and_a_refusal_says_why(emulator: WaiEmulator) -> None:
    found = emulator.api("GET", "/ai/models/search?search=kimi", role="reader")
    assert OPENAI_MODEL in [model["name"] for model in found]
    with pytest.raises(RemoteError, match="403"):
        emulator.api("GET", "/ai-gateway/gateways", role="runtime")


def test_after_the_block_nothing_listens_and_nothing_is_left() -> None:
    with wai_emulator() as running:
        folder = running._folder
        address = ("127.0.0.1", int(running.base_url.split(":")[2].split("/")[0]))
        running.reset()
    assert not folder.exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)


def test_a_backend_that_is_not_there_is_a_usage_error() -> None:
    with pytest.raises(UsageError), wai_emulator(backend="/no/such.gguf"):
        pass


PROJECT = """
import json, os, urllib.request
import pytest

def call(emulator):
    request = urllib.request.Request(
        os.environ.get("CLOUDFLARE_BASE_URL", emulator.base_url)
        + f"/accounts/{emulator.account_id}/ai/run/@cf/meta/llama-3.3-70b-instruct-fp8-fast",
        data=json.dumps({"prompt": "Hello"}).encode(),
        headers={
            "authorization": "Bearer " + emulator.tokens["runtime"],
            "cf-aig-gateway-id": "default",
        },
    )
    return json.load(urllib.request.urlopen(request))["result"]["response"]

def test_session(wai_emulator):
    assert call(wai_emulator)
    assert len(wai_emulator.logs()) == 1

def test_environment(wai_environ, wai_emulator):
    assert wai_environ is wai_emulator
    assert os.environ["CLOUDFLARE_API_TOKEN"] == wai_emulator.tokens["runtime"]
    assert wai_environ.logs() == []
    assert call(wai_environ)
    assert len(wai_environ.logs()) == 1

def test_environment_is_put_back(wai_emulator):
    assert "CLOUDFLARE_API_TOKEN" not in os.environ
"""


def pytest_in(folder: Path, *options: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-W", "error", *options],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, **environ},
    )


def test_a_project_uses_the_fixtures_without_any_configuration(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(PROJECT)
    done = pytest_in(tmp_path, "-q")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout
    listed = pytest_in(tmp_path, "--fixtures", "-q").stdout
    assert "wai_emulator [session scope]" in listed
    assert "A local Workers AI and AI Gateway for the whole session" in listed


def test_a_projects_configuration_names_knobs_and_backend(tmp_path: Path) -> None:
    (tmp_path / "emulator.yaml").write_text("latency:\n  overhead_ms: 3\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\nwai_emulator_config = emulator.yaml\n")
    (tmp_path / "test_mine.py").write_text(
        "def test_it(wai_emulator):\n"
        "    assert wai_emulator.knobs['latency.overhead_ms'] == 3\n"
        "    wai_emulator.knobs['latency.overhead_ms'] = 9\n"
        "    wai_emulator.reset()\n"
        "    assert wai_emulator.knobs['latency.overhead_ms'] == 3\n"
    )
    done = pytest_in(tmp_path, "-q")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_wrong_configuration_is_one_line_and_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\nwai_emulator_backend = nonsense\n")
    (tmp_path / "test_mine.py").write_text("def test_it(wai_emulator): pass\n")
    done = pytest_in(tmp_path, "-q")
    assert done.returncode == 1
    assert "wai_emulator: " in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert "testing.py" not in done.stdout


def test_a_project_that_does_not_use_the_plugin_loads_nothing_of_the_emulator(
    tmp_path: Path,
) -> None:
    (tmp_path / "test_mine.py").write_text(
        "import sys\n"
        "def test_it():\n"
        "    own = {m for m in sys.modules if m.startswith('wai_ops.')}\n"
        "    assert own == {'wai_ops.pytest_plugin'}\n"
        "    heavy = {'starlette', 'uvicorn', 'uvloop', 'httpx', 'duckdb', 'cloudflare',\n"
        "             'pydantic', 'typer', 'rich', 'yaml', 'sqlite3', 'http.server'}\n"
        "    assert not heavy & set(sys.modules)\n"
    )
    done = pytest_in(tmp_path, "-q", PYTEST_DISABLE_PLUGIN_AUTOLOAD="")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_plugin_can_be_switched_off(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text("def test_it(wai_emulator): pass\n")
    done = pytest_in(tmp_path, "-q", "-p", "no:wai_ops")
    assert "fixture 'wai_emulator' not found" in done.stdout
