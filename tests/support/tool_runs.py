"""Many tool actions by real `wai run` processes, some of them killed, and the two logs of them.

The decision log is ours; the access log is the outside host's own. `compare` joins the two by the
id that travels in `x-wai-decision`.
"""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.chat_server import Body, ChatServer, Says, chat_server
from support.outside import Outside
from support.tool_project import TEXT, an_object, http_tool, outbound_to, records_of, write_project

MODEL = "@cf/google/gemma-4-26b-a4b-it"
CALLS_A_RUN = 20
_KINDS = (
    *("ok", "ok", "ok", "post", "flaky", "again", "reset", "broken", "cut", "moved", "big", "hang"),
    *("away", "elsewhere", "unlisted", "undeclared", "wrong", "escape"),
)
"""What one action may be."""
_LATEST_KILL = 40_000
"""Bytes that the decision log grows by before a run is killed: somewhere within its work."""


@dataclass
class Comparison:
    """What the two logs say of each other."""

    started: int = 0
    """Requests that were permitted and begun, by our log."""
    arrived: int = 0
    """Requests that came whole, by the other side's log."""
    ended: int = 0
    open_ended: int = 0
    """Begun, and no end is recorded: outcome unknown."""
    refused: int = 0
    missing: list[Any] = field(default_factory=list)
    """Arrived, and our log does not know of it."""
    extra: list[Any] = field(default_factory=list)
    """Answered by our log, and never arrived; or not sent by our log, and arrived."""
    ambiguous: list[Any] = field(default_factory=list)
    """Arrived twice under one decision, without one, or as another request than was decided."""

    @property
    def is_bijection(self) -> bool:
        """Whether each request has its one decision, and each decision its one request."""
        return not (self.missing or self.extra or self.ambiguous)


def compare(records: Sequence[dict[str, Any]], lines: Sequence[dict[str, Any]]) -> Comparison:
    """Join the decision log with the access log."""
    found = Comparison()
    decisions = {
        record["decision_id"]: record
        for record in records
        if record["type"] == "decision" and record["kind"] == "outbound_request"
    }
    starts = Counter(
        record["decision_id"]
        for record in records
        if record["type"] == "action_start" and record["decision_id"] in decisions
    )
    ends: dict[str, dict[str, Any]] = {}
    for record in records:
        if record["type"] == "action_end" and record["decision_id"] in decisions:
            if record["decision_id"] in ends:
                found.ambiguous.append(("two ends", record))
            ends[record["decision_id"]] = record
    arrivals = Counter(line["decision"] for line in lines)
    found.started, found.arrived, found.ended = len(starts), len(lines), len(ends)
    found.open_ended = len(starts.keys() - ends.keys())
    found.refused = len(decisions) - len(starts)
    for line in lines:
        decision = decisions.get(line["decision"])
        if decision is None or line["decision"] not in starts:
            found.missing.append(line)
        elif not _is_same(decision["target"], line):
            found.ambiguous.append(("another request", line, decision))
    found.ambiguous += [("twice", key, n) for key, n in arrivals.items() if n > 1]
    found.ambiguous += [("started twice", key, n) for key, n in starts.items() if n > 1]
    found.extra = [end for key, end in ends.items() if not _can_be(end, arrivals[key] > 0)]
    return found


def _is_same(target: dict[str, Any], line: dict[str, Any]) -> bool:
    path = line["target"].partition("?")[0]
    return (target["method"], target["path"]) == (line["method"], path)


def _can_be(end: dict[str, Any], has_arrived: bool) -> bool:
    """Whether the end of a request agrees with its having arrived or not."""
    if end["outcome"] == "ok" or "http_status" in end:
        return has_arrived
    return end["outcome"] == "unknown" or not has_arrived


@dataclass
class Fleet:
    """`wai run` processes in one project."""

    folder: Path
    model: ChatServer
    environ: dict[str, str]
    rng: random.Random
    killed: int = 0
    finished: int = 0
    exit_codes: Counter[int] = field(default_factory=Counter)

    def run(self, actions: int, *, kill_share: float, at_once: int = 4) -> None:
        """Start processes until so many tool calls are decided; kill a share of them."""
        number = 0
        with ThreadPoolExecutor(at_once) as pool:
            while self.decided < actions:
                plans = [
                    (index, self.rng.random() < kill_share, self.rng.randint(0, _LATEST_KILL))
                    for index in range(number, number + at_once)
                ]
                number += at_once
                list(pool.map(self._one, plans))

    @property
    def decided(self) -> int:
        """Tool calls that were decided upon, one way or the other."""
        return sum(
            record["type"] == "decision" and record["kind"] == "tool_call"
            for record in records_of(self.folder)
        )

    def _one(self, plan: tuple[int, bool, int]) -> None:
        number, is_killed, after_bytes = plan
        command = [sys.executable, "-m", "wai_ops", "run", "--tools-dir", "tools", "-q"]
        command += ["-w", "support", "-c", f"talk-{number % 5}", "-m", MODEL, f"do things {number}"]
        process = subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        if is_killed and self._is_still_at_work(process, after_bytes):
            process.send_signal(signal.SIGKILL)
            process.communicate()
            self.killed += 1
            return
        process.communicate(timeout=120)
        self.finished += 1
        self.exit_codes[process.returncode] += 1

    def _is_still_at_work(self, process: "subprocess.Popen[bytes]", more: int) -> bool:
        """Wait until the decision log has grown by so many bytes; False: the run ended before."""
        log = self.folder / ".wai" / "decisions" / "decisions.jsonl"
        before = log.stat().st_size if log.exists() else 0
        while process.poll() is None:
            if log.exists() and log.stat().st_size - before > more:
                return True
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=0.002)
        return False


@contextmanager
def fleet(folder: Path, outside: Outside, seed: int) -> Iterator[tuple[Fleet, "Silent"]]:
    """A project, a model that asks for random actions, and a host that nobody may reach."""
    rng = random.Random(seed)
    lock = threading.Lock()
    count = 0

    def answer(body: Body) -> Says:
        nonlocal count
        if body["messages"][-1]["role"] == "tool":
            return Says("that is all")
        with lock:
            kinds = rng.choices(_KINDS, k=CALLS_A_RUN)
            first, count = count, count + CALLS_A_RUN
        return Says(
            "",
            tool_calls=[_call(kind, first + index) for index, kind in enumerate(kinds)],
            finish_reason="tool_calls",
        )

    with silent_host() as silent, chat_server(answer) as model:
        _write(folder, outside.port, silent.port)
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("WAI_", "CLOUDFLARE_")) and name != "CI"
        }
        yield Fleet(folder, model, inherited | model.environ, rng), silent


def _call(kind: str, number: int) -> tuple[str, Any]:
    if kind == "undeclared":
        return "shell__exec", {"cmd": f"rm {number}"}
    if kind == "wrong":
        return "web__ok", {"id": number}
    if kind == "escape":
        return "web__ok", {"id": f"../{number}"}
    return f"web__{kind}", {"id": f"a{number}"}


def _write(folder: Path, port: int, silent: int) -> None:
    here, there = f"http://tools.test:{port}", f"http://silent.test:{silent}"
    paths = {
        "ok": "/ok/{id}",
        "post": "/ok/posted/{id}",
        "flaky": "/flaky/1/{id}",
        "again": "/status/503/{id}",
        "reset": "/reset/{id}",
        "broken": "/status/500/{id}",
        "cut": "/cut/{id}",
        "hang": "/hang/{id}",
        "moved": "/redirect/ok/{id}",
        "big": "/big/{id}",
        "away": f"/redirect/{there}/{{id}}",
        "unlisted": "/forbidden/{id}",
    }
    tools = [
        http_tool(
            f"web.{kind}",
            here + path,
            parameters=an_object("id", id=TEXT),
            timeout_s=1 if kind == "hang" else 5,
            max_attempts=1 if kind in ("post", "hang") else 2,
            http={"max_redirects": 2} | ({"method": "POST"} if kind == "post" else {}),
        )
        for kind, path in paths.items()
    ]
    elsewhere = f"{there}/{{id}}"
    tools.append(http_tool("web.elsewhere", elsewhere, parameters=an_object("id", id=TEXT)))
    outbound = outbound_to(
        port, paths=["/ok", "/flaky", "/status", "/reset", "/cut", "/hang", "/redirect", "/big"]
    )
    hosts = {"tools.test": ["127.0.0.1"], "silent.test": ["127.0.0.1"]}
    settings = {"policy": {"private_hosts": hosts}, "retry": {"max_attempts": 1}}
    write_project(
        folder,
        tools,
        [{"name": "web.*"}],
        [outbound],
        settings=settings,
        models={"low": [MODEL]},
        envelope={"max_tool_calls": CALLS_A_RUN},
    )


@dataclass
class Silent:
    """A host that counts who connects."""

    port: int
    connections: int = 0


@contextmanager
def silent_host() -> Iterator[Silent]:
    """Listen, and count."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        silent = Silent(listener.getsockname()[1])

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return  # the listener was closed: the test is over
                silent.connections += 1
                connection.close()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield silent
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def summary(found: Comparison) -> str:
    """The figures on one line."""
    return json.dumps(
        {
            "started": found.started,
            "arrived": found.arrived,
            "ended": found.ended,
            "outcome_unknown": found.open_ended,
            "refused": found.refused,
            "missing": len(found.missing),
            "extra": len(found.extra),
            "ambiguous": len(found.ambiguous),
        }
    )
