"""A Worker in workerd whose env.AI is answered by the emulator."""

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from house.project import ROOT
from wai_ops.emulator.testing import WaiEmulator


@pytest.fixture(scope="module")
def worker(
    node_modules: Path, node_environ: dict[str, str], wai_emulator: WaiEmulator
) -> Iterator[httpx.Client]:
    """The example's own script, and a client of its Worker."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    process = subprocess.Popen(
        ["sh", str(ROOT / "examples/worker/run.sh")],
        env={
            **node_environ,
            **wai_emulator.environ,
            "LISTEN": address,
            "WORKERD": str(node_modules / ".bin" / "workerd"),
        },
        start_new_session=True,
    )
    try:
        # Retries are of the connection alone: workerd takes half a second to listen.
        transport = httpx.HTTPTransport(retries=8)
        with httpx.Client(base_url=f"http://{address}", transport=transport, timeout=30) as client:
            yield client
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)


def test_it_runs_rates_and_reads_its_log_row(
    worker: httpx.Client, wai_emulator: WaiEmulator
) -> None:
    told = worker.get("/", params={"prompt": "Hello", "tenant": "zürich"}).json()
    assert "Hello" in told["answer"]["response"]
    assert told["log"]["metadata"] == {"tenant": "zürich", "workflow": "worker"}
    assert told["log"]["feedback"] == 1
    (row,) = (row for row in wai_emulator.logs() if row["id"] == told["log"]["id"])
    assert row["tokens_out"] == told["answer"]["usage"]["completion_tokens"]


def test_it_streams(worker: httpx.Client) -> None:
    with worker.stream("GET", "/stream", params={"prompt": "Write 20 words"}) as answer:
        lines = [line for line in answer.iter_lines() if line]
    assert lines[-1] == "data: [DONE]"
    events: list[Any] = [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]
    assert len("".join(event["response"] for event in events).split()) == 20
    assert events[-1]["usage"]["completion_tokens"] > 0


def test_a_session_keeps_its_prefix_warm(worker: httpx.Client) -> None:
    params = {"prompt": "The same long text. " * 60, "tenant": "warm"}
    cached = [
        worker.get("/", params=params).json()["answer"]["usage"]["prompt_tokens_details"]
        for _ in range(2)
    ]
    assert cached[0]["cached_tokens"] == 0
    assert cached[1]["cached_tokens"] > 100


def test_a_refusal_is_the_error_of_production(
    worker: httpx.Client, wai_emulator: WaiEmulator
) -> None:
    rule = {"kind": "status", "stage": "model", "status": 429, "code": 3040, "message": "Busy"}
    with wai_emulator.knobs.changed({"faults": [rule]}):
        answer = worker.get("/")
    assert answer.status_code == 502
    assert answer.json()["message"].startswith("3040: ")
