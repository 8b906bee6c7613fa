"""How long one decision takes under a policy of 100 rules.

Baseline: bare `jsonschema` validating the arguments of the same tool call, and a plain loop over
100 dictionaries that compares a host, in the same run, taking turns. The actions are those that a
tool loop makes: model calls, tool calls whose arguments have a schema with a pattern and limits,
outbound requests, and refusals of each.

    python benchmarks/policy.py --decisions 20000

Promise: the median of every kind of decision is at most 30 us. Also prints how long loading takes,
against parsing the same file with bare PyYAML. Exits 1 when the promise is missed.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from wai_ops.control.policy.action import Action, ActionKind, OutboundTarget, RiskTier
from wai_ops.control.policy.registry import load_registry

MOST_US = 30.0
TOOLS = 50
HOSTS = 50
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["id", "amount"],
    "additionalProperties": False,
    "properties": {
        "id": {"type": "string", "pattern": "^[a-z]{2}-[0-9]{1,8}$"},
        "amount": {"type": "number", "minimum": 0, "maximum": 500},
        "reason": {"enum": ["broken", "late", "other"]},
    },
}
ARGUMENTS = {"id": "ab-1234", "amount": 80.5, "reason": "late"}


def policy_text() -> str:
    """A policy of 100 rules: exact names, beginnings of names, denials, exact and wide hosts."""
    tools = [
        {"name": f"crm.tool{n}", "risk": "low", "arguments": SCHEMA, "data": ["internal"]}
        for n in range(TOOLS - 4)
    ]
    tools += [
        {"name": "mail.*", "approval": "always"},
        {"name": "crm.*", "arguments": SCHEMA},
        {"name": "crm.admin.*", "effect": "deny"},
        {"name": "shell.*", "effect": "deny"},
    ]
    outbound = [
        {
            "host": f"api{n}.example.com" if n % 2 else f"*.zone{n}.example.com",
            "methods": ["GET", "POST"],
            "paths": ["/v1/", "/v2/things/"],
            "tools": ["crm.*"],
        }
        for n in range(HOSTS)
    ]
    policy = {
        "version": 1,
        "policy": "bench",
        "policy_version": "2026-11-23.1",
        "workflows": {
            "support": {
                "default_risk": "low",
                "risk": ["low", "medium"],
                "data": ["public", "internal"],
                "models": {"low": ["@cf/a/small"], "medium": ["@cf/a/large"]},
                "tools": tools,
                "outbound": outbound,
            }
        },
    }
    return json.dumps(policy, indent=1)  # which is YAML as well, and has no anchors


def action(kind: ActionKind, **more: Any) -> Action:
    """An action of the workflow."""
    return Action(kind=kind, tenant="t", workflow="support", **more)


def request(host: str, path: str) -> Action:
    """An outbound request of a tool."""
    target = OutboundTarget(scheme="https", host=host, port=443, method="GET", path=path)
    return action(ActionKind.OUTBOUND_REQUEST, tool="crm.tool7", target=target)


ACTIONS: dict[str, Action] = {
    "model call, allowed": action(ActionKind.MODEL_CALL, model="@cf/a/small"),
    "model call, denied": action(
        ActionKind.MODEL_CALL, model="@cf/a/large", risk_tier=RiskTier.LOW
    ),
    "tool call, allowed": action(
        ActionKind.TOOL_CALL,
        tool="crm.tool44",
        arguments=ARGUMENTS,
        data_classes=frozenset({"internal"}),
    ),
    "tool call, wide name": action(ActionKind.TOOL_CALL, tool="crm.other", arguments=ARGUMENTS),
    "tool call, arguments denied": action(
        ActionKind.TOOL_CALL, tool="crm.tool44", arguments={**ARGUMENTS, "amount": 501}
    ),
    "tool call, denied": action(ActionKind.TOOL_CALL, tool="crm.admin.drop", arguments={}),
    "tool call, no rule": action(ActionKind.TOOL_CALL, tool="files.read", arguments={}),
    "request, exact host": request("api49.example.com", "/v1/things/17"),
    "request, wide host": request("eu.zone48.example.com", "/v2/things/caf%C3%A9"),
    "request, path denied": request("api49.example.com", "/v3/things"),
    "request, no rule": request("stranger.example.net", "/"),
}


def micros(call: Callable[[], Any]) -> float:
    """One call, in microseconds."""
    started = time.perf_counter_ns()
    call()
    return (time.perf_counter_ns() - started) / 1000


def taking_turns(calls: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Measure all of them, round by round."""
    found: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            found[name].append(micros(call))
    return found


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--decisions", type=int, default=20_000, help="of each kind")
    rounds = parser.parse_args().decisions
    text = policy_text()
    with tempfile.TemporaryDirectory() as folder:
        policies = Path(folder) / "policies"
        policies.mkdir()
        (policies / "bench.yaml").write_text(text)
        load_registry(policies, Path(folder))  # imports
        loading = micros(lambda: load_registry(policies, Path(folder))) / 1000
        parsing = micros(lambda: yaml.safe_load(text)) / 1000
        registry = load_registry(policies, Path(folder))
    validator = jsonschema.Draft202012Validator(SCHEMA)
    hosts = [{"host": f"api{n}.example.com"} for n in range(100)]
    calls: dict[str, Callable[[], Any]] = {
        name: partial(registry.decide, item) for name, item in ACTIONS.items()
    }
    calls["baseline: bare jsonschema, same arguments"] = lambda: validator.is_valid(ARGUMENTS)
    calls["baseline: loop over 100 dictionaries"] = lambda: [
        item for item in hosts if item["host"] == "api49.example.com"
    ]
    measured = taking_turns(calls, rounds)
    missed = []
    print(f"{'100 rules, us':46}{'p50':>8}{'p99':>8}")
    for name, times in measured.items():
        p50 = statistics.median(times)
        p99 = sorted(times)[int(len(times) * 0.99)]
        print(f"{name:46}{p50:8.1f}{p99:8.1f}")
        if not name.startswith("baseline") and p50 > MOST_US:
            missed.append(name)
    print(f"loading the file: {loading:.1f} ms; bare PyYAML on it: {parsing:.1f} ms")
    print(f"{'FAIL' if missed else 'PASS'}: p50 of a decision <= {MOST_US:.0f} us")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
