"""What a policy file may say. Values of the files; `compiled.py` makes rules of them.

Everything is denied that no rule allows, so a section that is left out allows nothing.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Annotated, Any

from wai_ops.config import rules
from wai_ops.config.rules import Rule, host_problem
from wai_ops.control.envelopes.model import Envelope
from wai_ops.control.policy.action import Mode, RiskTier
from wai_ops.control.routing.model import RoutingSection

_POLICY_VERSION = re.compile(r"(\d{4})-(\d{2})-(\d{2})\.[1-9]\d{0,5}\Z", re.ASCII)
_TOOL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_./:-]{0,126}[A-Za-z0-9_])?(?:\.\*)?\Z")
_CLASS = re.compile(r"[a-z][a-z0-9_-]{0,63}\Z")
_METHOD = re.compile(r"[A-Z]{1,32}\Z")
_PREFIX = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@/-]{0,500}\Z")
MAX_PORT = 65535


def _policy_version(value: str) -> str | None:
    found = _POLICY_VERSION.match(value)
    if found:
        try:
            date(int(found[1]), int(found[2]), int(found[3]))
        except ValueError:
            return f"{value[:10]} is no date"
        return None
    return 'must be a date and a number, such as "2026-11-23.1"'


def _host_pattern(value: str) -> str | None:
    name = value.removeprefix("*.")
    if "*" in name:
        return "must be a host name, or `*.` and a host name: `*` stands for one whole label"
    return host_problem(name)


def _path_prefix(value: str) -> str | None:
    if not _PREFIX.match(value):
        return "must be the beginning of a path: a slash first, nothing percent-encoded, no query"
    if "//" in value or {".", ".."} & set(value.split("/")):
        return "must not hold empty or dot segments"
    return None


TOOL_PATTERN = Rule(
    lambda value: (
        None
        if _TOOL.match(value)
        else "must be the name of a tool, or its beginning and `.*`, such as crm.lookup or crm.*"
    )
)
DATA_CLASS = Rule(
    lambda value: (
        None if _CLASS.match(value) else "must be a class of data: lower case, such as internal"
    )
)
HOST_PATTERN = Rule(_host_pattern)
PATH_PREFIX = Rule(_path_prefix)
POLICY_VERSION = Rule(_policy_version)
FILE_VERSION = Rule(
    lambda value: None if str(value) == "1" else "must be 1, the only version there is"
)
METHOD = Rule(
    lambda value: None if _METHOD.match(value) else "must be a method in capitals, such as GET"
)
PORT = Rule(lambda value: None if 1 <= value <= MAX_PORT else f"must be between 1 and {MAX_PORT}")


class Role(StrEnum):
    """Whose credentials an action is done with."""

    RUNTIME = "runtime"
    OPERATOR = "operator"


class Effect(StrEnum):
    """What a rule says to the actions that it fits."""

    ALLOW = "allow"
    DENY = "deny"


class Approval(StrEnum):
    """When somebody has to say yes first."""

    NEVER = "never"
    ALWAYS = "always"
    ABOVE_LOW = "above-low"
    """In turns of tier medium and high."""
    ABOVE_MEDIUM = "above-medium"
    """In turns of tier high."""


class RawOutput(StrEnum):
    """What happens to the output of a tool beside what the model gets of it."""

    DROP = "drop"
    KEEP = "keep"
    """Redacted, with its digest."""


class Scheme(StrEnum):
    """How an outbound request travels."""

    HTTPS = "https"
    HTTP = "http"


ToolPattern = Annotated[str, TOOL_PATTERN]
DataClass = Annotated[str, DATA_CLASS]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSection:
    """A rule on calls of a tool, or of all tools whose names begin alike."""

    name: ToolPattern
    effect: Effect = Effect.ALLOW
    risk: RiskTier = RiskTier.LOW
    """The lowest tier of a turn that may call it."""
    arguments: Mapping[str, Any] | None = None
    """JSON Schema that the arguments have to fit. None: any arguments."""
    data: tuple[DataClass, ...] = ()
    """Classes of data that may go out with a call."""
    approval: Approval = Approval.NEVER
    raw_output: RawOutput = RawOutput.DROP


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundSection:
    """A rule on HTTP requests to a host."""

    host: Annotated[str, HOST_PATTERN]
    """Exact, or `*.` and a name: exactly one label more."""
    effect: Effect = Effect.ALLOW
    schemes: tuple[Scheme, ...] = (Scheme.HTTPS,)
    ports: tuple[Annotated[int, PORT], ...] | None = None
    """None: the usual ports of the schemes."""
    methods: tuple[Annotated[str, METHOD], ...] | None = None
    """Must be given where requests are allowed. None in a denial: every method."""
    paths: tuple[Annotated[str, PATH_PREFIX], ...] | None = None
    """Beginnings of paths, at the border of a segment. As `methods`."""
    tools: tuple[ToolPattern, ...] | None = None
    """Only for requests of these tools. None: for all requests."""
    data: tuple[DataClass, ...] = ()
    approval: Approval = Approval.NEVER
    allow_private: bool = False
    """Whether private addresses that wai.yaml names for the host may be reached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowSection:
    """What a workflow may do."""

    default_risk: RiskTier = RiskTier.LOW
    risk: tuple[RiskTier, ...] = (RiskTier.LOW,)
    roles: tuple[Role, ...] = (Role.RUNTIME,)
    data: tuple[DataClass, ...] = ()
    """Classes of data that may go to models."""
    models: Mapping[RiskTier, tuple[Annotated[str, rules.MODEL], ...]] = field(default_factory=dict)
    deny_models: tuple[Annotated[str, rules.MODEL], ...] = ()
    approvers: tuple[Annotated[str, rules.TEXT], ...] = ()
    """Who may say yes. Empty: whoever is asked."""
    changes: tuple[ToolPattern, ...] = ()
    """Operator changes that the workflow may make, by name."""
    routing: RoutingSection | None = None
    envelope: Envelope | None = None
    tools: tuple[ToolSection, ...] = ()
    outbound: tuple[OutboundSection, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySection:
    """One policy file."""

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 - read once by pydantic

    version: Annotated[int | str, FILE_VERSION]
    """Of the file format."""
    policy: Annotated[str, rules.NAME]
    policy_version: Annotated[str, POLICY_VERSION]
    mode: Mode = Mode.ENFORCE
    workflows: Mapping[Annotated[str, rules.NAME], WorkflowSection] = field(default_factory=dict)
