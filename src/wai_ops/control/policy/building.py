"""From the values of a policy file to rules that know their place."""

from collections import Counter
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from wai_ops.config.yaml_strict import DataPath, Document
from wai_ops.control.policy.arguments import ArgumentCheck
from wai_ops.control.policy.canonical import content_digest, full_version
from wai_ops.control.policy.compiled import (
    RANKS,
    OutboundRule,
    Place,
    ToolRule,
    WorkflowPolicy,
    about_host,
    about_tool,
    approval_above,
)
from wai_ops.control.policy.loading import Loaded
from wai_ops.control.policy.model import (
    OutboundSection,
    PolicySection,
    Scheme,
    ToolSection,
    WorkflowSection,
)
from wai_ops.control.policy.registry import Policy
from wai_ops.control.policy.schema import plain
from wai_ops.control.routing.model import Routing, placed

_PORTS = {Scheme.HTTPS: 443, Scheme.HTTP: 80}
_SECTIONS = ("risk", "roles", "data", "models", "deny_models", "changes", "tools", "outbound")


def build_policy(loaded: Loaded) -> Policy:
    """Prepare one file."""
    section = loaded.section
    sha256 = content_digest(loaded.document.data)
    full = full_version(section.policy_version, sha256)
    builder = Builder(loaded.document, section, sha256, full)
    return Policy(
        name=section.policy,
        file=loaded.file,
        declared_version=section.policy_version,
        policy_version=full,
        policy_sha256=sha256,
        mode=section.mode,
        workflows={workflow.name: workflow for workflow in builder.workflows()},
        places={key: builder.where((key,)) for key in loaded.document.data},
    )


class Builder:
    """Makes the workflows of one file."""

    def __init__(self, document: Document, section: PolicySection, sha256: str, full: str) -> None:
        """Take a file without problems, its digest, and its version as records name it."""
        self._document = document
        self._section = section
        self._sha256 = sha256
        self._full = full

    def workflows(self) -> Iterator[WorkflowPolicy]:
        """Every workflow of the file."""
        for name, section in self._section.workflows.items():
            yield self._workflow(name, section)

    def where(self, path: DataPath) -> str:
        """`file:line` of a value, or of the nearest thing around it that the file has."""
        marks = self._document.key_marks
        for length in range(len(path), 0, -1):
            mark = marks.get(path[:length]) or self._document.marks.get(path[:length])
            if mark is not None:
                return f"{self._document.label}:{mark.line}"
        return f"{self._document.label}:1"

    def _workflow(self, name: str, section: WorkflowSection) -> WorkflowPolicy:
        at: DataPath = ("workflows", name)
        names = Counter[str]()
        tools = tuple(
            self._tool(rule, (*at, "tools", place), _numbered(names, f"{name}.tools.{rule.name}"))
            for place, rule in enumerate(section.tools)
        )
        outbound = tuple(
            self._outbound(
                rule, (*at, "outbound", place), _numbered(names, f"{name}.outbound.{rule.host}")
            )
            for place, rule in enumerate(section.outbound)
        )
        return WorkflowPolicy(
            name=name,
            where=self.where(at),
            policy=self._section.policy,
            policy_version=self._full,
            policy_sha256=self._sha256,
            mode=self._section.mode,
            default_risk=section.default_risk,
            risk=frozenset(section.risk),
            roles=frozenset(section.roles),
            data=frozenset(section.data),
            models=section.models,
            deny_models=frozenset(section.deny_models),
            approvers=frozenset(section.approvers),
            changes=section.changes,
            routing=self._routing(section, at, name),
            envelope=section.envelope,
            tools=tools,
            outbound=outbound,
            places=self._places(name, at, section),
            tools_by_name=_tools_by_name(tools),
            wide_tools=tuple(rule for rule in tools if rule.name.endswith(".*")),
            outbound_by_host=_outbound_by_host(outbound),
            outbound_by_parent=_outbound_by_parent(outbound),
        )

    def _routing(self, section: WorkflowSection, at: DataPath, name: str) -> Routing | None:
        if section.routing is None:
            return None
        return placed(section.routing, self._document, (*at, "routing"), workflow=name)

    def _places(self, name: str, at: DataPath, section: WorkflowSection) -> Mapping[str, Place]:
        places = {"workflow": Place(rule=name, where=self.where(at))}
        for key in _SECTIONS:
            places[key] = Place(rule=f"{name}.{key}", where=self.where((*at, key)))
        for tier in section.models:
            key = f"models.{tier.value}"
            where = self.where((*at, "models", tier.value))
            places[key] = Place(rule=f"{name}.{key}", where=where)
        for tier_name in RANKS:
            places.setdefault(f"models.{tier_name}", places["models"])
        for path in self._document.key_marks:
            if path[: len(at) + 1] == (*at, "envelope") and len(path) <= len(at) + 2:
                key = ".".join(map(str, path[len(at) :]))
                places[key] = Place(rule=f"{name}.{key}", where=self.where(path))
        return MappingProxyType(places)

    def _tool(self, rule: ToolSection, at: DataPath, path: str) -> ToolRule:
        return ToolRule(
            place=Place(rule=path, where=self.where(at)),
            name=rule.name,
            effect=rule.effect,
            risk=rule.risk,
            rank=RANKS[rule.risk],
            arguments=None if rule.arguments is None else ArgumentCheck(self._schema(at)),
            data=frozenset(rule.data),
            approval=rule.approval,
            asks_above=approval_above(rule.approval),
            raw_output=rule.raw_output,
        )

    def _schema(self, at: DataPath) -> Any:
        value = self._document.data
        for part in (*at, "arguments"):
            value = value[part]
        return plain(value)

    def _outbound(self, rule: OutboundSection, at: DataPath, path: str) -> OutboundRule:
        ports = rule.ports
        if ports is None and rule.methods is not None:
            ports = tuple(_PORTS[scheme] for scheme in rule.schemes)
        return OutboundRule(
            place=Place(rule=path, where=self.where(at)),
            host=rule.host,
            effect=rule.effect,
            schemes=frozenset(rule.schemes),
            ports=None if ports is None else frozenset(ports),
            methods=None if rule.methods is None else frozenset(rule.methods),
            paths=rule.paths,
            tools=rule.tools,
            data=frozenset(rule.data),
            approval=rule.approval,
            asks_above=approval_above(rule.approval),
            allow_private=rule.allow_private,
        )


def _numbered(names: Counter[str], path: str) -> str:
    """The path of a rule; the second of the same name gets `#2`."""
    names[path] += 1
    return path if names[path] == 1 else f"{path}#{names[path]}"


def _tools_by_name(rules: tuple[ToolRule, ...]) -> Mapping[str, tuple[ToolRule, ...]]:
    names = {rule.name for rule in rules if not rule.name.endswith(".*")}
    return {name: about_tool(rules, name) for name in names}


def _outbound_by_host(rules: tuple[OutboundRule, ...]) -> Mapping[str, tuple[OutboundRule, ...]]:
    hosts = {rule.host for rule in rules if not rule.host.startswith("*.")}
    return {host: about_host(rules, host) for host in hosts}


def _outbound_by_parent(rules: tuple[OutboundRule, ...]) -> Mapping[str, tuple[OutboundRule, ...]]:
    wide = {rule.host for rule in rules if rule.host.startswith("*.")}
    return {host[2:]: about_host(rules, host) for host in wide}
