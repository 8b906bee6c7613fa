"""What a workflow's policy says to an action. Pure: no clock, no files, no network.

The order of the questions is part of the meaning (docs/policy.md): role, tier, then by kind. Among
rules a denial that fits wins wherever it stands. Else the rules of the most exact name are asked,
and the first that fits in full decides. Where none does, the answer is a missing permission, and
its rule begins with `default`.
"""

from collections.abc import Callable, Mapping

from wai_ops.control.policy.action import Action, ActionKind, OutboundTarget, VerdictWord
from wai_ops.control.policy.compiled import (
    DEFAULT,
    RANKS,
    OutboundRule,
    Place,
    ToolRule,
    WorkflowPolicy,
    fits_name,
)
from wai_ops.control.policy.model import Effect, Role
from wai_ops.control.policy.paths import (
    decoded,
    host_misread,
    is_below,
    is_below_loosely,
    path_problem,
)
from wai_ops.core.text import one_line

Answer = tuple[VerdictWord, str, str, str]
"""The word, the rule, where it stands, one sentence."""
_LONGEST = 120


def answer(policy: WorkflowPolicy, action: Action) -> Answer:
    """Decide about one action of this workflow."""
    if action.role not in policy.roles:
        return _missing(policy, "roles", f"role {_shown(action.role)} may not act here")
    if action.risk_tier not in policy.risk:
        return _missing(policy, "risk", f"risk tier {_shown(action.risk_tier)} is not allowed")
    return _BY_KIND[action.kind](policy, action)


def _model_call(policy: WorkflowPolicy, action: Action) -> Answer:
    section = f"models.{action.risk_tier}"
    if action.model is None:
        return _missing(policy, section, "the call names no model")
    if action.model in policy.deny_models:
        place = policy.places["deny_models"]
        return (
            VerdictWord.DENY,
            place.rule,
            place.where,
            f"model {_shown(action.model)} is denied",
        )
    if action.model not in policy.models.get(action.risk_tier, ()):
        text = f"model {_shown(action.model)} is not allowed for tier {action.risk_tier}"
        return _missing(policy, section, text)
    if not action.data_classes <= policy.data:
        return _missing(policy, "data", f"{_classes(action, policy.data)} may not go to models")
    place = policy.places[section]
    return (
        VerdictWord.ALLOW,
        place.rule,
        place.where,
        f"model {action.model} is allowed for tier {action.risk_tier}",
    )


def _tool_call(policy: WorkflowPolicy, action: Action) -> Answer:
    named = f"tool {_shown(action.tool)}" if action.tool is not None else "a tool without a name"
    nearest: tuple[ToolRule, str] | None = None
    for rule in policy.tool_rules(action.tool):  # denials come first
        if rule.effect is Effect.DENY:
            if tool_denied(rule, action):
                return _denied(rule.place, f"{named} is denied")
            continue
        misfit = tool_misfit(rule, action)
        if misfit is None:
            return _allowed(policy, rule, action, named)
        nearest = nearest or (rule, misfit)
    if nearest is None:
        return _missing(policy, "tools", f"no rule allows {named}")
    return _nearly(policy, "tools", nearest[0].place, f"{named}: {nearest[1]}")


def tool_misfit(rule: ToolRule, action: Action) -> str | None:
    """Why a rule for a tool of this name does not allow a call; None when it does."""
    if RANKS[action.risk_tier] < rule.rank:
        return f"the turn is of tier {action.risk_tier}, and the tool needs {rule.risk}"
    if not action.data_classes <= rule.data:
        return f"{_classes(action, rule.data)} may not go out with it"
    return None if rule.arguments is None else rule.arguments.problem(action.arguments)


def tool_denied(rule: ToolRule, action: Action) -> bool:
    """Whether a denial holds for a call of a tool of this name. Unknown arguments may fit."""
    if rule.arguments is None or action.arguments is None:
        return True
    return rule.arguments.problem(action.arguments) is None


def _outbound(policy: WorkflowPolicy, action: Action) -> Answer:
    target = action.target
    if target is None:
        return _missing(policy, "outbound", "the request names no URL")
    if host_misread(target.host):
        return _missing(policy, "outbound", f"{_shown(target.host)} is not spelled as a host is")
    rules = policy.outbound_rules(target.host)
    if rules and (problem := path_problem(target.path)):
        return _missing(policy, "outbound", f"{problem}, so that no prefix can be trusted")
    path = decoded(target.path)
    named = f"{_shown(target.method)} to {_shown(target.host)}"
    nearest: tuple[OutboundRule, str] | None = None
    for rule in rules:  # denials come first
        if rule.effect is Effect.DENY:
            if outbound_denied(rule, action, target, path):
                return _denied(rule.place, f"{named} is denied")
            continue
        misfit = outbound_misfit(rule, action, target, path)
        if misfit is None:
            return _allowed(policy, rule, action, named)
        nearest = nearest or (rule, misfit)
    if nearest is None:
        return _missing(policy, "outbound", f"no rule allows host {_shown(target.host)}")
    return _nearly(policy, "outbound", nearest[0].place, f"{named}: {nearest[1]}")


def outbound_misfit(
    rule: OutboundRule, action: Action, target: OutboundTarget, path: str
) -> str | None:
    """Why a rule for this host does not allow a request; None when it does. `path` is decoded."""
    if target.scheme not in rule.schemes:
        return f"scheme {_shown(target.scheme)} is not allowed"
    if rule.ports is not None and target.port not in rule.ports:
        return f"port {target.port} is not allowed"
    if rule.methods is not None and target.method not in rule.methods:
        return f"method {_shown(target.method)} is not allowed"
    if rule.paths is not None and not any(is_below(path, prefix) for prefix in rule.paths):
        return f"path {_shown(target.path)} is below none of {', '.join(rule.paths)}"
    if rule.tools is not None and not any(fits_name(name, action.tool) for name in rule.tools):
        return f"it is for {', '.join(rule.tools)} only"
    if not action.data_classes <= rule.data:
        return f"{_classes(action, rule.data)} may not go there"
    return None


def outbound_denied(rule: OutboundRule, action: Action, target: OutboundTarget, path: str) -> bool:
    """Whether a denial holds for a request to a host of this name. `path` is decoded."""
    if rule.ports is not None and target.port not in rule.ports:
        return False
    if rule.methods is not None and target.method.upper() not in rule.methods:
        return False
    if rule.paths is not None and not any(is_below_loosely(path, p) for p in rule.paths):
        return False
    # A request that names no tool could be any tool's.
    named = action.tool is not None and rule.tools is not None
    return not named or any(fits_name(name, action.tool) for name in rule.tools or ())


def _change(policy: WorkflowPolicy, action: Action) -> Answer:
    if action.role != Role.OPERATOR:
        return _missing(policy, "roles", "a change of what is enforced is an operator's")
    name = action.tool
    if not any(fits_name(pattern, name) for pattern in policy.changes):
        return _missing(policy, "changes", f"no rule allows the change {_shown(name)}")
    place = policy.places["changes"]
    return VerdictWord.ALLOW, place.rule, place.where, f"change {name} is allowed"


_BY_KIND: Mapping[ActionKind, Callable[[WorkflowPolicy, Action], Answer]] = {
    ActionKind.MODEL_CALL: _model_call,
    ActionKind.TOOL_CALL: _tool_call,
    ActionKind.OUTBOUND_REQUEST: _outbound,
    ActionKind.OPERATOR_CHANGE: _change,
}


def _allowed(
    policy: WorkflowPolicy, rule: ToolRule | OutboundRule, action: Action, what: str
) -> Answer:
    place = rule.place
    if RANKS[action.risk_tier] <= rule.asks_above:
        return VerdictWord.ALLOW, place.rule, place.where, f"{what} is allowed"
    if action.approved_by is None:
        text = f"{what} needs an approval"
    elif not policy.approvers or action.approved_by in policy.approvers:
        text = f"{what} is allowed, approved by {_shown(action.approved_by)}"
        return VerdictWord.ALLOW, place.rule, place.where, text
    else:
        text = f"{what} needs an approval, and {_shown(action.approved_by)} may not give it"
    return VerdictWord.NEEDS_APPROVAL, place.rule, place.where, text


def _denied(place: Place, text: str) -> Answer:
    return VerdictWord.DENY, place.rule, place.where, text


def _missing(policy: WorkflowPolicy, section: str, text: str) -> Answer:
    place = policy.places.get(section) or policy.places["workflow"]
    return VerdictWord.DENY, f"{DEFAULT}:{policy.name}.{section}", place.where, text


def _nearly(policy: WorkflowPolicy, section: str, nearest: Place, text: str) -> Answer:
    """A permission that is missing because its nearest rule does not fit."""
    text = f"{text} (nearest rule: {nearest.rule})"
    return VerdictWord.DENY, f"{DEFAULT}:{policy.name}.{section}", nearest.where, text


def _classes(action: Action, allowed: frozenset[str]) -> str:
    missing = ", ".join(sorted(action.data_classes - allowed))
    return f"data of class {one_line(missing, _LONGEST)}"


def _shown(value: str | None) -> str:
    return "(none)" if value is None else one_line(value, _LONGEST)
