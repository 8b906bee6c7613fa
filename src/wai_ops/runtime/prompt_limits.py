"""The envelope of a prompt: its workflow, its risk tier, and limits that tighten a policy's."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from wai_ops.config.envelope import NAMES, Envelope
from wai_ops.config.problems import nearest
from wai_ops.config.shape import arms, hints_of, rules_of
from wai_ops.prompts.errors import PromptError
from wai_ops.prompts.source import Source
from wai_ops.runtime.request import PromptLimits

_TIERS = ("low", "medium", "high")
KEYS = ("workflow", "risk_tier", *NAMES)
"""What may stand in an envelope."""


def workflow_of(source: Source) -> str | None:
    """The workflow that a prompt belongs to. Raises PromptError."""
    value = source.front.envelope.get("workflow")
    if value is None or isinstance(value, str):
        return value
    raise PromptError("envelope: workflow must be text", where=_where(source, "workflow"))


def limits_of_prompt(source: Source) -> PromptLimits | None:
    """What else its envelope says; None: nothing. Raises PromptError with file and line."""
    said = source.front.envelope
    for key in said:
        if key not in KEYS:
            near = nearest(key, KEYS)
            advice = f"; did you mean `{near}`?" if near else ""
            raise PromptError(
                f"unknown key `{key}` in `envelope`{advice}", where=_where(source, key)
            )
    tier = said.get("risk_tier")
    if tier is not None and tier not in _TIERS:
        raise PromptError(
            f"envelope.risk_tier: must be one of {', '.join(_TIERS)}",
            where=_where(source, "risk_tier"),
        )
    values = {name: _value(source, name, said[name]) for name in NAMES if name in said}
    if not values and tier is None:
        return None
    places = {name: _where(source, name) for name in values}
    return PromptLimits(envelope=Envelope(**values), risk_tier=_text(tier), places=places)


def _value(source: Source, name: str, value: Any) -> Any:
    hint: Any = hints_of(Envelope)[name]
    if value is None:
        return None
    is_whole = int in arms(hint)
    kinds = int if is_whole else (int, float)
    problem: str | None = "must be a whole number" if is_whole else "must be a number"
    if isinstance(value, kinds) and not isinstance(value, bool):
        value = value if is_whole else Decimal(str(value))
        problem = next((text for rule in rules_of(hint) if (text := rule.problem(value))), None)
    if problem is not None:
        raise PromptError(f"envelope.{name}: {problem}", where=_where(source, name))
    return value


def _where(source: Source, key: str) -> str:
    lines: Mapping[str, int] = source.front.lines
    line = lines.get(f"envelope.{key}") or lines.get("envelope")
    return source.path if line is None else f"{source.path}:{line}"


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
