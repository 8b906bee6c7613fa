"""WG004 to WG007, WG017: which tools may be called, and with what."""

from collections.abc import Iterator, Mapping
from typing import Any

from wai_ops.control.policy.action import RiskTier
from wai_ops.control.policy.compiled import ToolRule, fits_name
from wai_ops.control.policy.lint.look import Look, found
from wai_ops.control.policy.model import Approval, Effect
from wai_ops.core.findings import Finding, Level, Rule

ANY_ARGUMENTS = Rule(
    id="WG004",
    name="any-arguments",
    level=Level.WARNING,
    why="The model chooses the arguments: whatever the tool can do, it may be asked to do.",
    fix="Say under `arguments` what a call may hold, as JSON Schema.",
)
OPEN_ARGUMENTS = Rule(
    id="WG005",
    name="open-arguments",
    level=Level.NOTE,
    why="What the schema does not name is allowed: an argument that the tool learns tomorrow is "
    "not constrained.",
    fix="Add `additionalProperties: false`.",
)
UNTYPED = Rule(
    id="WG006",
    name="constraint-without-type",
    level=Level.ERROR,
    why='A limit holds only for values of its own type: `maximum: 50` lets the text "5000" pass, '
    "and a property that is not required may be left out.",
    fix="Give the property its `type`.",
)
NO_APPROVAL = Rule(
    id="WG007",
    name="high-risk-without-approval",
    level=Level.WARNING,
    why="A tool of tier high is called without anybody being asked.",
    fix="Set `approval: always`, or a lower `risk` if it is not that bad.",
)
UNKNOWN_TOOL = Rule(
    id="WG017",
    name="unknown-tool",
    level=Level.WARNING,
    why="No file under tools/ declares such a tool: the name may be misspelled, and then the rule "
    "for the real one is missing.",
    fix="Correct the name, or declare the tool.",
)
RULES = (ANY_ARGUMENTS, OPEN_ARGUMENTS, UNTYPED, NO_APPROVAL, UNKNOWN_TOOL)
_OF_TYPE = {
    **dict.fromkeys(
        ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"), "number"
    ),
    **dict.fromkeys(("minLength", "maxLength", "pattern"), "string"),
    **dict.fromkeys(("minItems", "maxItems", "items", "contains", "prefixItems"), "array"),
}
_NESTED = ("allOf", "anyOf", "oneOf")


def check_tools(look: Look) -> Iterator[Finding]:
    """Look at every rule for tools."""
    declared = look.around.tools
    for policy in look.workflows:
        for rule in policy.tools:
            if rule.effect is Effect.ALLOW:
                yield from _permission(rule)
            if rule.arguments is not None:
                yield from _untyped(rule, rule.arguments.schema, "arguments")
            if declared is not None and not any(fits_name(rule.name, name) for name in declared):
                text = f"{rule.place.rule} is about a tool that nothing declares"
                yield found(UNKNOWN_TOOL, rule.place, text)


def _permission(rule: ToolRule) -> Iterator[Finding]:
    if rule.arguments is None:
        text = f"{rule.place.rule} allows any arguments"
        yield found(ANY_ARGUMENTS, rule.place, text)
    elif rule.arguments.schema.get("additionalProperties", True) is True:
        text = f"{rule.place.rule} allows arguments that its schema does not name"
        yield found(OPEN_ARGUMENTS, rule.place, text)
    if rule.risk is RiskTier.HIGH and rule.approval is Approval.NEVER:
        text = f"{rule.place.rule} is of tier high, and nobody is asked"
        yield found(NO_APPROVAL, rule.place, text)


def _untyped(rule: ToolRule, schema: Any, path: str) -> Iterator[Finding]:
    if not isinstance(schema, Mapping):
        return
    if "type" not in schema and "enum" not in schema and "const" not in schema:
        for keyword in sorted(schema.keys() & _OF_TYPE.keys()):
            text = f"{rule.place.rule}: {path} has `{keyword}` without `type: {_OF_TYPE[keyword]}`"
            yield found(UNTYPED, rule.place, text)
    for name, inner in (schema.get("properties") or {}).items():
        yield from _untyped(rule, inner, f"{path}.{name}")
    for key in ("items", "contains", "additionalProperties"):
        yield from _untyped(rule, schema.get(key), f"{path}[]")
    for key in _NESTED:
        for inner in schema.get(key) or ():
            if "type" not in schema:
                yield from _untyped(rule, inner, path)
