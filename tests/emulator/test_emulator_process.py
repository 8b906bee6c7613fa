"""Real processes: `wai emulator serve` and `env`, restarts, kills, many at once."""

import json
import os
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.cli import Wai
from wai_ops.core.errors import DataError
from wai_ops.emulator.server import embedded, running_endpoint

MODEL = "@cf/google/gemma-4-26b-a4b-it"


@contextmanager
def serving(wai: Wai, state: Path, *options: str) -> Iterator[tuple[subprocess.Popen[bytes], Any]]:
    """A server, and its first line of output, decoded. It is killed if the block leaves it."""
    process = wai.start("emulator", "serve", "--json", "--state", str(state), *options)
    assert process.stdout is not None
    try:
        yield process, json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


def ask(server: Any) -> httpx.Response:
    return httpx.post(
        f"{server['base_url']}/accounts/{server['account_id']}/ai/v1/chat/completions",
        json={"model": MODEL, "messages": [{"role": "user", "content": "Hi"}]},
        headers={
            "authorization": f"Bearer {server['tokens']['runtime']}",
            "cf-aig-gateway-id": server["gateway_id"],
        },
    )


def rows_of(server: Any) -> list[Any]:
    url = f"{server['base_url']}/accounts/{server['account_id']}/ai-gateway/gateways/default/logs"
    headers = {"authorization": f"Bearer {server['tokens']['reader']}"}
    rows: list[Any] = httpx.get(url, headers=headers, params={"per_page": 50}).json()["result"]
    return rows


def logged(server: Any) -> list[str]:
    return [row["id"] for row in rows_of(server)]


def test_serve_prints_one_json_line_and_stops_cleanly_on_sigterm(wai: Wai, tmp_path: Path) -> None:
    state = tmp_path / "cf"
    with serving(wai, state) as (process, server):
        assert set(server) == {
            *("base_url", "gateway_base_url", "account_id", "gateway_id", "tokens"),
        }
        assert set(server["tokens"]) == {"runtime", "operator", "reader"}
        assert ask(server).status_code == 200
        found = running_endpoint(state)
        assert found is not None
        assert (found.base_url, found.pid) == (server["base_url"], process.pid)
        for name in ("endpoint.json", "emulator.sqlite"):
            assert stat.S_IMODE((state / name).stat().st_mode) == 0o600
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out, err) == (0, b"", b"")
    assert running_endpoint(state) is None
    assert not (state / "endpoint.json").exists()


def test_an_idle_connection_does_not_delay_the_end(wai: Wai, tmp_path: Path) -> None:
    with serving(wai, tmp_path / "cf") as (process, server), httpx.Client() as kept:
        url = f"{server['base_url']}/user/tokens/verify"
        headers = {"authorization": f"Bearer {server['tokens']['reader']}"}
        assert kept.get(url, headers=headers).status_code == 200
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)  # the connection would be kept for longer than that
        assert process.returncode == 0


def test_a_reader_that_has_stalled_does_not_hold_the_server(wai: Wai, tmp_path: Path) -> None:
    """Its stream is cut after the grace, and recorded as one that the client did not finish."""
    state = tmp_path / "cf"
    with (
        serving(wai, state) as (process, server),
        httpx.stream(
            "POST",
            f"{server['base_url']}/accounts/{server['account_id']}/ai/v1/chat/completions",
            json={
                "model": MODEL,
                "stream": True,
                "messages": [{"role": "user", "content": "Write 900000 words"}],
            },
            headers={
                "authorization": f"Bearer {server['tokens']['runtime']}",
                "cf-aig-gateway-id": "default",
            },
        ) as answer,
    ):
        assert answer.status_code == 200
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out, err) == (0, b"", b"")
    with serving(wai, state) as (_, again):
        (row,) = rows_of(again)
        assert (row["id"], row["status_code"]) == (answer.headers["cf-aig-log-id"], 499)


def test_lost_log_rows_are_never_kept_quiet(tmp_path: Path) -> None:
    """Whatever keeps the rows from the disk: reading them fails, and so does the whole block."""
    state = tmp_path / "cf"

    def lose_a_row() -> None:
        with embedded(state) as endpoint:
            server = {
                "base_url": endpoint.base_url,
                "account_id": endpoint.account_id,
                "gateway_id": "default",
                "tokens": endpoint.tokens,
            }
            with sqlite3.connect(state / "emulator.sqlite") as other:
                other.execute("drop table log")
            other.close()
            assert ask(server).status_code == 200
            read = httpx.get(
                f"{endpoint.base_url}/accounts/{endpoint.account_id}/ai-gateway/gateways",
                headers={"authorization": f"Bearer {endpoint.tokens['reader']}"},
            )
            assert read.status_code == 500
            assert "could not write its log" in read.json()["errors"][0]["message"]

    with pytest.raises(DataError, match="could not write its log: no such table: log"):
        lose_a_row()


def test_identity_and_logs_survive_a_restart_and_a_kill(wai: Wai, tmp_path: Path) -> None:
    state = tmp_path / "cf"
    with serving(wai, state) as (process, first):
        ids = [ask(first).headers["cf-aig-log-id"] for _ in range(5)]
        assert sorted(logged(first)) == sorted(ids)
        process.kill()
        process.communicate()
    assert running_endpoint(state) is None  # its file is still there, its process is not
    with serving(wai, state) as (_, second):
        assert second["account_id"] == first["account_id"]
        assert second["tokens"] == first["tokens"]
        assert sorted(logged(second)) == sorted(ids)


def test_a_folder_has_one_server(wai: Wai, tmp_path: Path) -> None:
    state = tmp_path / "cf"
    with serving(wai, state) as (process, server):
        second = wai("emulator", "serve", "--state", str(state))
        assert (second.exit_code, second.stdout) == (6, "")
        assert f"already served by process {process.pid} at {server['base_url']}" in second.stderr
        assert ask(server).status_code == 200  # the first one is none the worse
        assert running_endpoint(state) is not None


def test_a_port_in_use_is_said_in_one_line(wai: Wai, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        r = wai("emulator", "serve", "--port", str(port), "--state", str(tmp_path / "cf"))
    assert (r.exit_code, r.stdout) == (2, "")
    assert r.stderr.splitlines() == [
        f"wai: error: cannot listen on port {port} of 127.0.0.1: Address already in use",
        "wai: hint: choose another with --port, or 0 for any free one",
    ]


def test_an_unknown_backend_is_a_usage_error(wai: Wai, tmp_path: Path) -> None:
    for name, words in (
        ("magic", "there is no backend 'magic'"),
        ("no.gguf", "no such model file"),
    ):
        r = wai("emulator", "serve", "--backend", name, "--state", str(tmp_path / "cf"))
        assert (r.exit_code, r.stdout) == (2, "")
        assert words in r.stderr


def test_a_foreign_or_damaged_state_file_is_left_alone(wai: Wai, tmp_path: Path) -> None:
    state = tmp_path / "cf"
    state.mkdir()
    (state / "emulator.sqlite").write_bytes(b"not a database, " * 100)
    r = wai("emulator", "serve", "--state", str(state))
    assert (r.exit_code, r.stdout) == (6, "")
    assert "damaged or not its own" in r.stderr
    assert (state / "emulator.sqlite").read_bytes() == b"not a database, " * 100
    (tmp_path / "file").write_text("")
    r = wai("emulator", "serve", "--state", str(tmp_path / "file"))
    assert (r.exit_code, r.stdout) == (6, "")


def test_env_is_shell_that_any_client_can_use(wai: Wai, tmp_path: Path) -> None:
    state = tmp_path / "it's a folder"
    with serving(wai, state) as (_, server):
        lines = wai("emulator", "env", "--state", str(state))
        assert lines.exit_code == 0
        script = lines.stdout + (
            'printf "%s\\n" "$CLOUDFLARE_ACCOUNT_ID" "$CLOUDFLARE_API_TOKEN" "$WAI_OPERATOR_TOKEN"'
            ' "$CLOUDFLARE_BASE_URL" "$CLOUDFLARE_AI_GATEWAY_BASE_URL" "$WAI_GATEWAY"'
        )
        shell = subprocess.run(["sh", "-euc", script], capture_output=True, text=True, check=True)
        assert shell.stdout.splitlines() == [
            server["account_id"],
            server["tokens"]["runtime"],
            server["tokens"]["operator"],
            server["base_url"],
            server["gateway_base_url"],
            "default",
        ]


def test_env_without_a_server_says_what_to_do(wai: Wai, tmp_path: Path) -> None:
    r = wai("emulator", "env", "--state", str(tmp_path))
    assert (r.exit_code, r.stdout) == (6, "")
    assert r.stderr.endswith("hint: start one in another shell: wai emulator serve\n")


def test_without_json_serve_says_how_to_use_it(wai: Wai, tmp_path: Path) -> None:
    process = wai.start("emulator", "serve", "--state", str(tmp_path / "cf"))
    assert process.stdout is not None
    try:
        said = [process.stdout.readline().decode() for _ in range(6)]
    finally:
        process.terminate()
        process.communicate(timeout=30)
    assert said[0].startswith("A local Cloudflare answers at http://127.0.0.1:")
    assert said[3] == f'  eval "$(wai emulator env --state {tmp_path / "cf"})"\n'
    assert said[5] == "Stop it with Ctrl-C.\n"


EMBED = """
import sys
from pathlib import Path

import httpx
from wai_ops.emulator.server import embedded

with embedded(Path(sys.argv[1])) as endpoint:
    url = f"{endpoint.base_url}/accounts/{endpoint.account_id}/ai/v1/chat/completions"
    model = "@cf/google/gemma-4-26b-a4b-it"
    body = {"model": model, "messages": [{"role": "user", "content": "Hi"}]}
    token = "Bearer " + endpoint.tokens["runtime"]
    headers = {"authorization": token, "cf-aig-gateway-id": "default"}
    for _ in range(int(sys.argv[2])):
        answer = httpx.post(url, json=body, headers=headers, trust_env=False)
        print(answer.status_code, answer.headers["cf-aig-log-id"], endpoint.account_id)
"""


def test_eight_processes_share_one_folder_and_lose_no_row(tmp_path: Path) -> None:
    """They start on an empty folder at the same moment, so they also race to create it."""
    command = [sys.executable, "-c", EMBED, str(tmp_path / "cf"), "5"]
    processes = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(8)
    ]
    outcomes = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0] * 8
    assert {err for _, err in outcomes} == {""}
    lines = [line.split() for out, _ in outcomes for line in out.splitlines()]
    assert {status for status, _, _ in lines} == {"200"}
    assert len({account for _, _, account in lines}) == 1
    with embedded(tmp_path / "cf") as endpoint:
        server = {
            "base_url": endpoint.base_url,
            "account_id": endpoint.account_id,
            "tokens": endpoint.tokens,
        }
        assert sorted(logged(server)) == sorted(log_id for _, log_id, _ in lines)
    assert len(lines) == 40


def test_embedding_leaves_nothing_running(tmp_path: Path) -> None:
    with embedded(tmp_path / "cf") as endpoint:
        assert endpoint.pid == os.getpid()
        assert running_endpoint(tmp_path / "cf") is None  # only `serve` announces itself
        url = f"{endpoint.base_url}/user/tokens/verify"
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"pid": 1}', json.dumps(dict.fromkeys(("base_url", "pid"), "x"))]
)
def test_a_broken_endpoint_file_means_that_nothing_runs(tmp_path: Path, text: str) -> None:
    (tmp_path / "endpoint.json").write_text(text)
    assert running_endpoint(tmp_path) is None


def test_importing_the_server_module_is_cheap() -> None:
    code = (
        "import sys; import wai_ops.emulator.server; "
        "heavy = {'starlette', 'uvicorn', 'asyncio', 'sqlite3', 'http.client'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_without_the_extra_the_error_names_it(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['uvicorn'] = None\n"
        "from pathlib import Path\n"
        "from wai_ops.core.errors import UsageError\n"
        "from wai_ops.emulator.server import embedded\n"
        "try:\n"
        f"    with embedded(Path({str(tmp_path)!r})): pass\n"
        "except UsageError as error: print(error.message, '|', error.hint)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == (
        "the emulator needs packages that are not installed: uvicorn"
        " | run: pip install 'wai-ops[local]'\n"
    )
