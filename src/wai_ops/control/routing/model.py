"""The section `routing` of a workflow: which model serves which risk, and what may change that.

    routing:
      models: {low: "@cf/a/small", medium: "@cf/a/large"}
      downshift:
        budget_pressure: {budget_used_above: 0.8, model: "@cf/a/small", tiers: [medium]}
        low_risk: {}
        short_context: {input_tokens_below: 2000, model: "@cf/a/small"}
      fallbacks:
        - after: [capacity, rate_limited_model]
          models: ["@cf/b/large"]
        - after: [timeout_first_token, server_error]
          models: ["@cf/b/large"]
          maybe_billed: counted

Types only: `choose.py` and `fallback.py` say what they come to, `check.py` what is wrong with them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from wai_ops.config import rules
from wai_ops.config.yaml_strict import DataPath, Document
from wai_ops.control.policy.action import RiskTier
from wai_ops.core.failures import TRAITS, Billed, FailureClass


class FallbackClass(StrEnum):
    """The failures after which another model is sensible: what another one need not share."""

    CAPACITY = "capacity"
    RATE_LIMITED_MODEL = "rate_limited_model"
    MODEL_RETIRED = "model_retired"
    CONTEXT_TOO_LONG = "context_too_long"
    TIMEOUT_FIRST_TOKEN = "timeout_first_token"  # noqa: S105 - a class of failure
    TIMEOUT_TOTAL = "timeout_total"
    SERVER_ERROR = "server_error"

    @property
    def may_be_billed(self) -> bool:
        """Whether the failed attempt may have cost money."""
        return TRAITS[FailureClass(self.value)].billed is not Billed.NO


class SwitchWhen(StrEnum):
    """When a rule may take a running conversation away from its model, and its cached prefix."""

    NEVER = "never"
    IF_CHEAPER = "if_cheaper"
    """When this turn costs less on the other model, its cold prefix included."""
    ALWAYS = "always"


class MaybeBilled(StrEnum):
    """What happens after an attempt that may have been billed."""

    REFUSED = "refused"
    """No other model is asked."""
    COUNTED = "counted"
    """The attempt stays counted with its worst case, and another model is asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetPressure:
    """Most of the money is used: move to a cheaper model."""

    budget_used_above: Annotated[Decimal, rules.RATIO]
    """The share of the tightest limit, 0 to 1, that has to be passed."""
    model: Annotated[str, rules.MODEL]
    tiers: tuple[RiskTier, ...] = ()
    """Where it applies. Empty: every tier whose allowlist has the model."""
    switch: SwitchWhen = SwitchWhen.IF_CHEAPER


@dataclass(frozen=True, slots=True, kw_only=True)
class LowRisk:
    """A turn of tier `low` in a conversation that runs on a model of a higher tier."""

    model: Annotated[str | None, rules.MODEL] = None
    """None: the model of tier `low`."""
    switch: SwitchWhen = SwitchWhen.IF_CHEAPER


@dataclass(frozen=True, slots=True, kw_only=True)
class ShortContext:
    """A short request: a cheaper model reads it as well."""

    input_tokens_below: Annotated[int, rules.OUTPUT_TOKENS]
    """Estimated input tokens, history included."""
    model: Annotated[str, rules.MODEL]
    tiers: tuple[RiskTier, ...] = ()
    switch: SwitchWhen = SwitchWhen.IF_CHEAPER


@dataclass(frozen=True, slots=True, kw_only=True)
class Downshift:
    """The rules that move a turn to a cheaper model, asked in this order."""

    budget_pressure: BudgetPressure | None = None
    low_risk: LowRisk | None = None
    short_context: ShortContext | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """Which models are asked, in order, after failures of these classes."""

    after: tuple[FallbackClass, ...]
    models: tuple[Annotated[str, rules.MODEL], ...]
    maybe_billed: MaybeBilled = MaybeBilled.REFUSED
    """Must be `counted` where one of the classes may have been billed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingSection:
    """The section as the file has it. The outermost dataclass forbids unknown keys for it."""

    models: Mapping[RiskTier, Annotated[str, rules.MODEL]]
    """Risk tier -> its model."""
    downshift: Downshift = field(default_factory=Downshift)
    fallbacks: tuple[Fallback, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """The section with its name, and the lines of its rules."""

    section: RoutingSection
    name: str = "routing"
    """The path of the section, such as `support.routing`."""
    places: Mapping[str, str] = field(default_factory=dict)
    """Path of a rule inside the section (`models.low`, `fallbacks.0`) -> `file:line`."""

    @property
    def models(self) -> Mapping[RiskTier, str]:
        """Risk tier -> its model."""
        return self.section.models

    @property
    def downshift(self) -> Downshift:
        """The rules that move a turn to a cheaper model."""
        return self.section.downshift

    @property
    def fallbacks(self) -> tuple[Fallback, ...]:
        """What is asked after a failure."""
        return self.section.fallbacks

    def rule(self, path: str) -> str:
        """The full path of a rule, as records name it."""
        return f"{self.name}.{path}"

    def where(self, path: str) -> str:
        """The `file:line` of a rule, or of the nearest part around it that has one."""
        while path and path not in self.places:
            path = path.rpartition(".")[0]
        return self.places.get(path, "")


def placed(
    section: RoutingSection, document: Document, path: DataPath, *, workflow: str
) -> Routing:
    """Give a section its name and lines; `path` is where it stands in the document."""
    places = {
        ".".join(str(part) for part in key[len(path) :]): f"{document.label}:{mark.line}"
        for key, mark in {**document.marks, **document.key_marks}.items()
        if key[: len(path)] == path
    }
    return Routing(section=section, name=f"{workflow}.routing", places=places)
