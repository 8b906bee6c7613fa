"""Actions as people write them: in table tests, in files, as flags of `wai policy explain`."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

from wai_ops.config import rules
from wai_ops.control.policy.action import Action, ActionKind, RiskTier, Verdict, VerdictWord
from wai_ops.control.policy.model import DataClass, Role
from wai_ops.control.policy.registry import Registry
from wai_ops.core.errors import UsageError

TENANT = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionSection:
    """One action. Its kind is what it names: a URL, a tool, a change or a model."""

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 - read once by pydantic

    kind: ActionKind | None = None
    """None: told by the parts that are there."""
    workflow: Annotated[str | None, rules.NAME] = None
    tenant: Annotated[str, rules.NAME] = TENANT
    role: Role | None = None
    """None: `operator` for a change, else `runtime`."""
    risk: RiskTier | None = None
    """None: the workflow's `default_risk`."""
    model: str | None = None
    tool: str | None = None
    arguments: Mapping[str, Any] | None = None
    change: str | None = None
    """What an operator is about to change."""
    data: tuple[DataClass, ...] = ()
    url: str | None = None
    method: str | None = None
    approved_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """An action, and the verdict on it."""

    action: Action
    verdict: Verdict
    is_refused_url: bool = False
    """Whether the URL was refused before any policy was asked."""


def kind_of(section: ActionSection) -> ActionKind:
    """What kind of action is meant. Raises UsageError when its parts do not say."""
    if section.kind is not None:
        return section.kind
    if section.url is not None:
        return ActionKind.OUTBOUND_REQUEST
    if section.change is not None:
        return ActionKind.OPERATOR_CHANGE
    if section.tool is not None:
        return ActionKind.TOOL_CALL
    if section.model is not None:
        return ActionKind.MODEL_CALL
    raise UsageError("an action names a model, a tool, a URL or a change")


def ask(
    registry: Registry,
    section: ActionSection,
    *,
    workflow: str | None = None,
    known_hosts: frozenset[str] = frozenset(),
) -> Asked:
    """Decide about an action. `workflow` holds where it names none; a URL is parsed as for a
    request, and one that the parser refuses is denied by the parser's rule.

    Raises UsageError for an action that is none.
    """
    from wai_ops.control.outbound.refusal import DeniedUrl
    from wai_ops.control.outbound.url import parse_target

    kind = kind_of(section)
    name = section.workflow or workflow
    if name is None:
        raise UsageError("an action names its workflow")
    policy = registry.workflow(name)
    usual = RiskTier.LOW if policy is None else policy.default_risk
    role = Role.OPERATOR if kind is ActionKind.OPERATOR_CHANGE else Role.RUNTIME
    target, refused = None, None
    if section.url is not None:
        try:
            parsed = parse_target(section.url, section.method or "GET", known_hosts=known_hosts)
            target = parsed.target
        except DeniedUrl as error:
            refused = error
    action = Action(
        kind=kind,
        tenant=section.tenant,
        workflow=name,
        role=(section.role or role).value,
        risk_tier=section.risk or usual,
        model=section.model,
        tool=section.change if section.change is not None else section.tool,
        arguments=None if section.arguments is None else decimals_to_json(section.arguments),
        data_classes=frozenset(section.data),
        target=target,
        approved_by=section.approved_by,
    )
    verdict = registry.decide(action)
    if refused is None:
        return Asked(action=action, verdict=verdict)
    verdict = Verdict(
        word=VerdictWord.DENY,
        rule=refused.rule,
        where="",
        reason=refused.reason,
        policy_version=verdict.policy_version,
        policy_sha256=verdict.policy_sha256,
    )
    return Asked(action=action, verdict=verdict, is_refused_url=True)


def decimals_to_json(value: Any) -> Any:
    """Arguments as a model writes them: fractions are doubles."""
    if isinstance(value, Mapping):
        return {key: decimals_to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [decimals_to_json(item) for item in value]
    return float(value) if isinstance(value, Decimal) else value


def section_of(data: Mapping[str, Any]) -> ActionSection:
    """An action from plain data: flags, or JSON. Raises UsageError with everything wrong."""
    from wai_ops.config.decode import validate
    from wai_ops.config.problems import Mark
    from wai_ops.config.yaml_strict import DataPath, Document

    marks: dict[DataPath, Mark] = {(key,): Mark() for key in data}
    document = Document("action", data=dict(data), marks=marks, key_marks=marks)
    section, problems = validate(document, ActionSection)
    if section is None:
        raise UsageError("\n".join(f"the action: {item.message}" for item in problems))
    kind_of(section)
    return section


def load_action(path: Path) -> ActionSection:
    """An action from a file: JSON when its name says so, else YAML. Raises UsageError."""
    import json

    from wai_ops.config.decode import load_yaml
    from wai_ops.config.files import read_small_file

    if path.suffix != ".json":
        section, _ = load_yaml(path, ActionSection)
        kind_of(section)
        return section
    try:
        data = json.loads(read_small_file(path), parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise UsageError("not JSON, or nested too deeply", where=str(path)) from error
    if not isinstance(data, dict):
        raise UsageError("an action is a JSON object", where=str(path))
    return section_of(data)
