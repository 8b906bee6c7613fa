"""Write, sync, connect: in this order, as the kernel saw it."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from support.cli import Wai
from support.outside import outside_host
from support.tool_project import http_tool, outbound_to, write_project

STRACE = shutil.which("strace")


def traced(wai: Wai, trace: Path, *arguments: str) -> list[str]:
    """Run `wai` under strace; its calls, in order."""
    assert STRACE is not None
    command = [STRACE, "-f", "-o", str(trace), "-s", "20000"]
    command += ["-e", "trace=openat,close,write,pwrite64,fsync,fdatasync,connect"]
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
    descriptor: str | None = None
    written: list[str] = []
    synced: set[str] = set()
    connects = 0
    for call in calls:
        if found := re.search(r'openat\(.*decisions\.jsonl".* = (\d+)$', call):
            descriptor = found[1]
        elif descriptor and re.search(rf"(?:p?write(?:64)?)\({descriptor}, ", call):
            written += [
                decision
                for decision in arrived
                if '\\"type\\":\\"action_start\\"' in call and decision in call
            ]
        elif descriptor and re.search(rf"f(?:data)?sync\({descriptor}\) += 0", call):
            synced |= set(written)
        elif "connect(" in call and "sa_family=AF_INET" in call:
            assert arrived[connects] in synced, f"connect {connects} came first"
            connects += 1
            assert not synced & set(arrived[connects:])
    assert connects == len(arrived) == 6
