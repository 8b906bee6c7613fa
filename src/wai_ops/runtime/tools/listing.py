"""What is declared, and whether it can work: `wai tools list` and `wai tools check`."""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from wai_ops.control.policy.action import (
    Action,
    ActionKind,
    OutboundTarget,
    RiskTier,
    VerdictWord,
)
from wai_ops.control.policy.compiled import RANKS, WorkflowPolicy
from wai_ops.control.policy.model import Effect
from wai_ops.control.policy.registry import Registry
from wai_ops.core.table import Table, Unit, Verdict, col
from wai_ops.core.text import counted
from wai_ops.runtime.tools.child import program
from wai_ops.runtime.tools.load import Tool, Toolbox
from wai_ops.runtime.tools.mcp import McpServers
from wai_ops.runtime.tools.model import HttpTool
from wai_ops.runtime.tools.outcome import ToolFailed
from wai_ops.runtime.tools.template import VARIABLE, split_url

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolListRow:
    """One declared tool."""

    tool: str = col("Tool")
    family: str = col("Family")
    kind: str = col("Kind")
    risk: str = col("Risk")
    reaches: str = col("Reaches")
    workflows: str | None = col("Workflows")
    """Whose policies name it; null without policies."""
    max_tokens: int = col("Result at most", Unit.TOKENS)
    where: str = col("Declared")


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolProblemRow:
    """One thing that keeps a tool from working."""

    tool: str = col("Tool")
    problem: str = col("Problem")
    where: str = col("Declared")


def list_tools(toolbox: Toolbox, registry: Registry | None) -> Table[ToolListRow]:
    """Every declared tool, by name. Without policies nothing may be called, and a note says so."""
    rows = [
        ToolListRow(
            tool=tool.name,
            family=tool.family,
            kind=tool.kind,
            risk=tool.entry.risk.value,
            reaches=_reaches(tool),
            workflows=None if registry is None else ", ".join(workflows_of(tool, registry)) or "-",
            max_tokens=tool.max_tokens,
            where=tool.where,
        )
        for tool in toolbox.tools.values()
    ]
    notes = () if registry is not None else ("without policies no tool may be called",)
    return Table(row_type=ToolListRow, rows=rows, title="Tools", notes=notes)


def check_tools(
    toolbox: Toolbox,
    registry: Registry | None,
    environ: Mapping[str, str],
    servers: McpServers | None,
) -> Table[ToolProblemRow]:
    """What keeps tools from working; the verdict is no when anything does.

    With `servers`, MCP servers are started and compared with the declarations.
    """
    rows = [
        ToolProblemRow(tool=tool.name, problem=text, where=tool.where)
        for tool in toolbox.tools.values()
        for text in _problems(tool, toolbox, registry, environ, servers)
    ]
    return Table(
        row_type=ToolProblemRow,
        rows=rows,
        title="Tools that cannot work",
        notes=(f"checked: {counted(len(toolbox.tools), 'tool')}",),
        verdict=Verdict.FAIL if rows else Verdict.PASS,
    )


def workflows_of(tool: Tool, registry: Registry) -> list[str]:
    """The workflows whose policies allow the tool, whatever they say of its arguments."""
    return [name for name, policy in registry.workflows.items() if _is_listed(policy, tool)]


def unlisted_in(workflow: str, toolbox: Toolbox, registry: Registry) -> tuple[str, ...]:
    """The tools that no rule of a workflow's policy allows."""
    policy = registry.workflow(workflow)
    return tuple(
        tool.name
        for tool in toolbox.tools.values()
        if policy is None or not _is_listed(policy, tool)
    )


def _is_listed(policy: WorkflowPolicy, tool: Tool) -> bool:
    return any(rule.effect is Effect.ALLOW for rule in policy.tool_rules(tool.name))


def _problems(
    tool: Tool,
    toolbox: Toolbox,
    registry: Registry | None,
    environ: Mapping[str, str],
    servers: McpServers | None,
) -> Iterator[str]:
    for name in _variables(tool):
        if not environ.get(name):
            yield f"the variable {name} is not set"
    argv = _argv(tool)
    if argv is not None and shutil.which(program(argv, toolbox.root)[0]) is None:
        yield f"the program {argv[0]} is not there"
    if registry is None:
        yield "there are no policies, so nothing may call it"
    else:
        yield from _policy_problems(tool, registry)
    if servers is not None and tool.entry.mcp is not None:
        try:
            drift = servers.drift(tool)
        except ToolFailed as error:
            drift = error.detail or error.message
        if drift is not None:
            yield drift


def _policy_problems(tool: Tool, registry: Registry) -> Iterator[str]:
    workflows = [registry.workflows[name] for name in workflows_of(tool, registry)]
    if not workflows:
        yield "no policy lets a workflow call it"
    for policy in workflows:
        tier = max(policy.risk, key=lambda word: RANKS[word], default=RiskTier.LOW)
        if RANKS[tier] < RANKS[tool.entry.risk]:
            yield (
                f"workflow {policy.name} allows turns up to tier {tier}, "
                f"and it is for tier {tool.entry.risk} and above"
            )
        if tool.entry.http is not None:
            yield from _outbound_problem(tool, tool.entry.http, policy, registry, RiskTier(tier))


def _outbound_problem(
    tool: Tool, http: HttpTool, policy: WorkflowPolicy, registry: Registry, tier: RiskTier
) -> Iterator[str]:
    """Why its request would be refused, tried with `x` in place of every argument of the path."""
    origin, path = split_url(http.url)
    scheme, _, authority = origin.partition("://")
    host, _, port = authority.partition(":")
    target = OutboundTarget(
        scheme=scheme,
        host=host.lower(),
        port=int(port) if port.isdecimal() else _PORTS[scheme],
        method=http.method.value,
        path=VARIABLE.sub("x", path),
    )
    action = Action(
        kind=ActionKind.OUTBOUND_REQUEST,
        tenant="-",
        workflow=policy.name,
        risk_tier=tier,
        tool=tool.name,
        target=target,
    )
    verdict = registry.decide(action)
    if verdict.word is VerdictWord.DENY:
        at = f" ({verdict.where})" if verdict.where else ""
        yield f"workflow {policy.name} may call it, but {verdict.reason}{at}"


def _variables(tool: Tool) -> list[str]:
    entry = tool.entry
    names = [source.env for source in entry.http.secrets.values()] if entry.http else []
    for part in (entry.command, entry.mcp):
        names += part.env if part else ()
    return names


def _argv(tool: Tool) -> tuple[str, ...] | None:
    if tool.entry.command is not None:
        return tool.entry.command.argv
    return None if tool.entry.mcp is None else tool.entry.mcp.server


def _reaches(tool: Tool) -> str:
    entry = tool.entry
    if entry.http is not None:
        return f"{entry.http.method} {split_url(entry.http.url)[0]}"
    if entry.mcp is not None:
        return f"{entry.mcp.server[0]}: {entry.mcp.tool}"
    argv = _argv(tool)
    return argv[0] if argv else ""
