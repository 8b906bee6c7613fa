"""What is decided upon, and what a decision says. Values only: everything below `control` may be
decided without any of it doing something.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class ActionKind(StrEnum):
    """What somebody is about to do."""

    MODEL_CALL = "model_call"
    TOOL_CALL = "tool_call"
    OUTBOUND_REQUEST = "outbound_request"
    """One HTTP request to one host: each hop of a redirect and each retry is one of its own."""
    OPERATOR_CHANGE = "operator_change"
    """A change of what Cloudflare enforces, or of what a policy says."""


class RiskTier(StrEnum):
    """How much harm a wrong action of this kind could do."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Mode(StrEnum):
    """Whether a policy stops anything."""

    ENFORCE = "enforce"
    OBSERVE = "observe"
    """Verdicts are recorded and nothing is refused."""


class VerdictWord(StrEnum):
    """What a policy says to an action."""

    ALLOW = "allow"
    DENY = "deny"
    NEEDS_APPROVAL = "needs_approval"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundTarget:
    """The parts of a URL as the one parser gave them, and the method."""

    scheme: str
    host: str
    """Lower case, in ASCII (punycode), without a port."""
    port: int
    method: str
    path: str
    """Percent-encoded as it is sent, without query."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One thing that is about to be done. None: it has no such part."""

    kind: ActionKind
    tenant: str
    workflow: str
    role: str = "runtime"
    """`runtime` or `operator`: whose credentials it is done with."""
    risk_tier: RiskTier = RiskTier.LOW
    model: str | None = None
    tool: str | None = None
    arguments: Mapping[str, Any] | None = None
    """Of the tool call, decoded."""
    data_classes: frozenset[str] = frozenset()
    """The classes of the data that goes out with it."""
    target: OutboundTarget | None = None
    approved_by: str | None = None
    """Who said yes when asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a policy says to an action, and where it says so."""

    word: VerdictWord
    rule: str
    """Which rule decided, as a path: `support.tools.crm.lookup`. When none allowed it: `default`
    for a workflow without policy, else `default:` and the section that lacks one."""
    where: str
    """`policies/support.yaml:12`; empty for a workflow without policy."""
    reason: str
    """One sentence for people."""
    policy_version: str
    """`2026-03-01.2+<sha256, first 12>`; `none` without a policy."""
    policy_sha256: str
    mode: Mode = Mode.ENFORCE

    @property
    def permits(self) -> bool:
        """Whether the action may go on."""
        return self.word is VerdictWord.ALLOW or self.mode is Mode.OBSERVE

    @property
    def is_missing(self) -> bool:
        """Whether no rule allowed it; else a rule denied it, or wants an approval."""
        return self.rule.startswith("default") and self.rule[7:8] in ("", ":")
