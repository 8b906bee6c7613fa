"""Rules as decisions use them: what a file says, its place, and everything that can be prepared."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from wai_ops.control.envelopes.model import Envelope
from wai_ops.control.policy.action import Mode, RiskTier
from wai_ops.control.policy.arguments import ArgumentCheck
from wai_ops.control.policy.model import Approval, Effect, RawOutput
from wai_ops.control.routing.model import Routing

RANKS: Mapping[str, int] = MappingProxyType({RiskTier.LOW: 0, RiskTier.MEDIUM: 1, RiskTier.HIGH: 2})
"""How high a tier is."""
_ABOVE = {
    Approval.NEVER: 99,
    Approval.ALWAYS: -1,
    Approval.ABOVE_LOW: 0,
    Approval.ABOVE_MEDIUM: 1,
}
DEFAULT = "default"
"""How the rule of a missing permission begins: `default`, `default:support.tools`."""


def approval_above(approval: Approval) -> int:
    """The highest rank of a tier that needs no approval; -1 when all need it."""
    return _ABOVE[approval]


def fits_name(pattern: str, name: str | None) -> bool:
    """Whether a tool's name is the pattern, or begins with it when it ends in `.*`."""
    if name is None:
        return False
    return name.startswith(pattern[:-1]) if pattern.endswith(".*") else name == pattern


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A rule's path (`support.tools.crm.lookup`) and its `file:line`."""

    rule: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRule:
    """A rule on tool calls."""

    place: Place
    name: str
    effect: Effect
    risk: RiskTier
    rank: int
    arguments: ArgumentCheck | None
    data: frozenset[str]
    approval: Approval
    asks_above: int
    raw_output: RawOutput


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundRule:
    """A rule on outbound requests. None: any."""

    place: Place
    host: str
    effect: Effect
    schemes: frozenset[str]
    ports: frozenset[int] | None
    methods: frozenset[str] | None
    paths: tuple[str, ...] | None
    tools: tuple[str, ...] | None
    data: frozenset[str]
    approval: Approval
    asks_above: int
    allow_private: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowPolicy:
    """What one workflow may do, ready to decide upon."""

    name: str
    where: str
    """`policies/support.yaml:5`."""
    policy: str
    """The name of the policy that it stands in."""
    policy_version: str
    """With the digest, as records have it."""
    policy_sha256: str
    mode: Mode
    default_risk: RiskTier
    risk: frozenset[str]
    roles: frozenset[str]
    data: frozenset[str]
    models: Mapping[RiskTier, tuple[str, ...]]
    deny_models: frozenset[str]
    approvers: frozenset[str]
    changes: tuple[str, ...]
    routing: Routing | None
    envelope: Envelope | None
    tools: tuple[ToolRule, ...]
    outbound: tuple[OutboundRule, ...]
    places: Mapping[str, Place]
    """Section (`risk`, `models.low`, `tools`, …) -> its place, with the line of the workflow where
    the section is left out. `envelope` and `envelope.KEY` only where the file has them."""
    tools_by_name: Mapping[str, tuple[ToolRule, ...]]
    """Every name that is written out -> what `tool_rules` says of it."""
    wide_tools: tuple[ToolRule, ...]
    """The rules for beginnings of names."""
    outbound_by_host: Mapping[str, tuple[OutboundRule, ...]]
    outbound_by_parent: Mapping[str, tuple[OutboundRule, ...]]
    """Name behind `*.` -> the rules about hosts that no rule writes out."""

    def tool_rules(self, tool: str | None) -> tuple[ToolRule, ...]:
        """The rules that speak about a tool: the denials, then the permissions of the most
        exact name, each in order.
        """
        if tool is None:
            return ()
        found = self.tools_by_name.get(tool)
        return found if found is not None else about_tool(self.wide_tools, tool)

    def tool_rule(self, tool: str) -> ToolRule | None:
        """The first permission of the most exact name for a tool, whatever its arguments.

        Which rule decided about a call says its verdict: `Registry.tool_rule(verdict.rule)`.
        """
        allows = (rule for rule in self.tool_rules(tool) if rule.effect is Effect.ALLOW)
        return next(allows, None)

    def outbound_rules(self, host: str) -> tuple[OutboundRule, ...]:
        """The rules that speak about a host: the denials, then the permissions of the most
        exact name, each in order.
        """
        found = self.outbound_by_host.get(host)
        if found is None:
            label, _, parent = host.partition(".")
            found = self.outbound_by_parent.get(parent, ()) if label else ()
        return found


def about_tool(rules: Iterable[ToolRule], tool: str) -> tuple[ToolRule, ...]:
    """Those of the rules that speak about a tool, as `WorkflowPolicy.tool_rules` has them.

    A permission for a longer name hides those for shorter ones: what is said of `crm.refund` is
    not undone by what is said of `crm.*`.
    """
    fitting = [rule for rule in rules if fits_name(rule.name, tool)]
    allows = [rule for rule in fitting if rule.effect is Effect.ALLOW]
    most = max((_exactness(rule.name) for rule in allows), default=0)
    denials = (rule for rule in fitting if rule.effect is Effect.DENY)
    return (*denials, *(rule for rule in allows if _exactness(rule.name) == most))


def _exactness(name: str) -> int:
    return len(name) if name.endswith(".*") else 1000


def about_host(rules: Iterable[OutboundRule], host: str) -> tuple[OutboundRule, ...]:
    """Those of the rules that speak about a host, or about `*.` and a name."""
    wide = host if host.startswith("*.") else f"*.{host.partition('.')[2]}"
    fitting = [rule for rule in rules if rule.host in (host, wide)]
    allows = [rule for rule in fitting if rule.effect is Effect.ALLOW]
    exact = [rule for rule in allows if rule.host == host]
    denials = (rule for rule in fitting if rule.effect is Effect.DENY)
    return (*denials, *(exact or allows))
