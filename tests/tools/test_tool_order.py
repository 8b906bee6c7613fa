"""Write, sync, connect: in this order, as the kernel saw it."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from support.cli import Wai
from support.outside import outside_host
from support.tool_project import (
    an_object,
    http_tool,
    outbound_to,
    records_of,
    write_project,
)
from support.tool_runs import compare

STRACE = shutil.which("strace")


def traced(wai: Wai, trace: Path, *arguments: str) -> list[str]:
    """Run `wai` under strace; its calls, in order."""
    assert STRACE is not None
    command = [STRACE, "-f", "-o", str(trace), "-s", "20000"]
    command += ["-e", "trace=openat,close,write,pwrite64,fsync,fdatasync,connect,execve"]
    done = subprocess.run(
        [*command, *wai.command(*arguments)],
        cwd=wai.folder,
        env=wai.environment(),
        capture_output=True,
        timeout=120,
    )
    if b"ptrace" in done.stderr and not trace.exists():
        pytest.skip(f"strace may not trace here: {done.stderr.decode()[:100]}")
    assert done.returncode == 0, done.stderr
    return trace.read_text(errors="replace").splitlines()


@pytest.mark.skipif(STRACE is None, reason="strace is not installed")
def test_every_connect_comes_after_the_sync_of_its_own_decision(wai: Wai, tmp_path: Path) -> None:
    """Three attempts with a redirect each: six requests, and each has its sync before."""
    with outside_host(tmp_path) as outside:
        url = f"http://tools.test:{outside.port}/redirect/flaky/2/x"
        tool = http_tool("web.get", url, http={"max_redirects": 1})
        write_project(wai.folder, [tool], [{"name": "web.get"}], [outbound_to(outside.port)])
        calls = traced(wai, tmp_path / "trace", "tools", "call", "web.get", "-w", "support")
        arrived = [line["decision"] for line in outside.requests]
    ready = synced_before(calls, arrived, lambda call: "connect(" in call and "AF_INET" in call)
    assert len(ready) == len(arrived) == 6
    for number, synced in enumerate(ready):
        assert arrived[number] in synced, f"connect {number} came first"
        assert not synced & set(arrived[number + 1 :])


@pytest.mark.skipif(STRACE is None, reason="strace is not installed")
def test_a_program_is_started_after_the_sync_of_its_decision(wai: Wai, tmp_path: Path) -> None:
    tool = {
        "name": "files.count",
        "description": "Counts.",
        "parameters": an_object(),
        "command": {"argv": ["/usr/bin/wc", "-c"]},
    }
    write_project(wai.folder, [tool], [{"name": "files.count"}])
    calls = traced(wai, tmp_path / "trace", "tools", "call", "files.count", "-w", "support")
    (decision,) = [r["decision_id"] for r in records_of(wai.folder) if r["type"] == "decision"]
    begun = re.compile(r"execve\(.*(?:supervise\.py|/wc)")
    ready = synced_before(calls, [decision], lambda call: begun.search(call) is not None)
    assert ready == [{decision}, {decision}]


def synced_before(
    calls: list[str], decisions: list[str], is_act: Callable[[str], bool]
) -> list[set[str]]:
    """Before each act: the decisions whose start was written, and then synced."""
    descriptor: str | None = None
    written: set[str] = set()
    synced: set[str] = set()
    found: list[set[str]] = []
    for call in calls:
        if opened := re.search(r'openat\(.*decisions\.jsonl".* = (\d+)$', call):
            descriptor = opened[1]
        elif descriptor and re.search(rf"(?:p?write(?:64)?)\({descriptor}, ", call):
            if r"\"type\":\"action_start\"" in call:
                written |= {decision for decision in decisions if decision in call}
        elif descriptor and re.search(rf"f(?:data)?sync\({descriptor}\) += 0", call):
            synced |= written
        elif is_act(call):
            found.append(set(synced))
    return found


@pytest.mark.skipif(STRACE is None, reason="strace is not installed")
@pytest.mark.parametrize("call", ["fsync", "connect", "sendto", "recvfrom"])
def test_a_kill_at_any_step_leaves_two_logs_that_agree(wai: Wai, tmp_path: Path, call: str) -> None:
    """Killed by the kernel at the first, second, ... call of a kind, until one run gets through."""
    assert STRACE is not None
    with outside_host(tmp_path) as outside:
        tool = http_tool("web.get", f"http://tools.test:{outside.port}/ok/x")
        write_project(wai.folder, [tool], [{"name": "web.get"}], [outbound_to(outside.port)])
        assert wai("tools", "call", "web.get", "-w", "support").exit_code == 0
        command = wai.command("tools", "call", "web.get", "-w", "support")
        kills = 0
        for number in range(1, 40):
            inject = f"inject={call}:signal=SIGKILL:when={number}"
            done = subprocess.run(
                [STRACE, "-f", "-o", "/dev/null", "-e", f"trace={call}", "-e", inject, *command],
                cwd=wai.folder,
                env=wai.environment(),
                capture_output=True,
                timeout=120,
            )
            if b"ptrace" in done.stderr:
                pytest.skip("strace may not trace here")
            found = compare(records_of(wai.folder), outside.requests)
            assert found.is_bijection, (number, found)
            if done.returncode == 0:
                break
            kills += 1
        assert kills > 0
        assert found.arrived >= 2
        assert found.open_ended <= kills
