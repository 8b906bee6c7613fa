"""A project with tools and policies, and calls of them in this process, over real sockets."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wai_ops.config.load import load_settings
from wai_ops.control.decisions.log import FOLDER_NAME, DecisionLog
from wai_ops.control.gate import Gate
from wai_ops.control.policy.action import RiskTier
from wai_ops.control.policy.registry import load_registry
from wai_ops.core.clock import SystemClock
from wai_ops.runtime.keeping import Keeper
from wai_ops.runtime.tools.approval import Approver, Nobody, Question
from wai_ops.runtime.tools.build import build_caller
from wai_ops.runtime.tools.calling import Called, ToolCall, ToolCaller
from wai_ops.runtime.tools.doorman import Place
from wai_ops.runtime.tools.load import Toolbox, load_tools
from wai_ops.runtime.tools.repeats import Repeats
from wai_ops.state.live import LiveState

TEXT = {"type": "string"}


def an_object(*required: str, **properties: Any) -> dict[str, Any]:
    """A JSON Schema of an object."""
    return {"type": "object", "properties": properties, "required": list(required)}


def write_project(
    folder: Path,
    tools: list[dict[str, Any]],
    rules: list[dict[str, Any]],
    outbound: list[dict[str, Any]] | None = None,
    **more: Any,
) -> None:
    """Write wai.yaml, tools and a policy for the workflow `support`. JSON is YAML."""
    settings = {"version": "1", "policy": {"private_hosts": {"tools.test": ["127.0.0.1"]}}}
    (folder / "wai.yaml").write_text(json.dumps(settings | more.pop("settings", {})))
    for name, content in {
        "tools/all.yaml": {"version": 1, "tools": tools},
        "policies/support.yaml": {
            "version": 1,
            "policy": "support",
            "policy_version": "2026-11-23.1",
            "mode": more.pop("mode", "enforce"),
            "workflows": {
                "support": {"tools": rules, "outbound": outbound or [], **more},
            },
        },
    }.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps(content))


def http_tool(name: str, url: str, **more: Any) -> dict[str, Any]:
    """A GET tool whose one argument is `path`, for the outside host."""
    http = {"url": url, **more.pop("http", {})}
    return {
        "name": name,
        "description": "Asks the outside.",
        "parameters": an_object(),
        "http": http,
        **more,
    }


def outbound_to(port: int, **more: Any) -> dict[str, Any]:
    """Leave to ask the outside host of the tests anything."""
    return {
        "host": "tools.test",
        "schemes": ["http"],
        "ports": [port],
        "methods": ["GET", "POST"],
        "paths": ["/"],
        "allow_private": True,
        **more,
    }


@dataclass
class Person:
    """Answers every question alike, and remembers them."""

    says: str | None
    asked: list[Question] = field(default_factory=list)

    def ask(self, question: Question) -> str | None:
        """Answer."""
        self.asked.append(question)
        return self.says


@dataclass
class Bench:
    """Calls tools of one project."""

    folder: Path
    toolbox: Toolbox
    caller: ToolCaller
    live: LiveState
    repeats: Repeats = field(default_factory=Repeats)
    count: int = 0

    def call(self, name: str, arguments: Any = None, **place: Any) -> Called:
        """One call, as a model would ask for it."""
        self.count += 1
        text = arguments if isinstance(arguments, str) else json.dumps(arguments or {})
        where: dict[str, Any] = {
            "tenant": "acme",
            "workflow": "support",
            "conversation_id": "c1",
            "turn_index": 0,
            "run_id": None,
            "model": "@cf/test/model",
            "risk_tier": RiskTier.LOW,
            "justification": "the test wants it",
        }
        return self.caller.call(
            ToolCall(call_id=f"call_{self.count}", name=name, arguments=text, output_tokens=12),
            Place(**(where | place)),
            self.repeats,
        )

    def told(self, name: str, arguments: Any = None, **place: Any) -> dict[str, Any]:
        """What the model is told of a call, decoded."""
        content: dict[str, Any] = json.loads(self.call(name, arguments, **place).content)
        return content

    @property
    def records(self) -> list[dict[str, Any]]:
        """The decision log."""
        return records_of(self.folder)

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        """The records of one type."""
        return [record for record in self.records if record["type"] == kind]

    @property
    def facts(self) -> list[dict[str, Any]]:
        """The tool calls in the outbox."""
        rows = self.live.sealed(after=0)
        return [json.loads(row.payload) for row in rows if row.kind == "tool_call"]


def records_of(folder: Path) -> list[dict[str, Any]]:
    """The decision log of a project; a torn last line is none."""
    path = folder / ".wai" / "decisions" / "decisions.jsonl"
    if not path.exists():
        return []
    text = path.read_bytes()
    return [json.loads(line) for line in text[: text.rfind(b"\n") + 1].splitlines()]


@contextmanager
def bench_of(
    folder: Path,
    *,
    environ: Mapping[str, str] | None = None,
    approver: Approver | None = None,
    pii: bool = False,
) -> Iterator[Bench]:
    """Everything that calls tools of the project in `folder`."""
    settings = load_settings(folder, {})
    clock = SystemClock()
    given = dict(environ or {})
    given.setdefault("PATH", os.environ["PATH"])
    registry = load_registry(folder / "policies", folder)
    keeper = Keeper(pii=pii)
    with LiveState.open(settings.state_dir, clock=clock) as live:
        log = DecisionLog(settings.state_dir / FOLDER_NAME, clock)
        gate = Gate(
            registry, log, live, clock=clock, actor="os:test", credential_id=None, keeper=keeper
        )
        toolbox = load_tools(folder / "tools", folder, settings.tools)
        caller = build_caller(
            toolbox,
            gate=gate,
            registry=registry,
            live=live,
            settings=settings,
            keeper=keeper,
            clock=clock,
            environ=given,
            approver=approver or Nobody(),
        )
        try:
            yield Bench(folder, toolbox, caller, live)
        finally:
            caller.close()
            log.close()
