"""What `wai run` tells of a governed run: decisions, route, limits and money."""

from dataclasses import dataclass
from decimal import Decimal

from wai_ops.core.text import one_line


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDecision:
    """The decision that let one attempt through."""

    attempt: int
    decision_id: str
    model: str
    verdict: str
    """`allow`; anything else was let through because the policy only observes."""
    rule: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRoute:
    """Why this model: the rule that chose it last."""

    model: str
    rule: str
    where: str
    reason: str
    tried: list[str]
    """Models that failed before, in order."""
    is_followed: bool
    """False: the policy only observes, and the call went elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLimit:
    """One limit of the envelope that holds here."""

    name: str
    value: str
    rule: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunBudget:
    """How a budget stands. `reserved_usd` includes what nobody has priced yet."""

    budget_key: str
    limit_usd: Decimal
    spent_usd: Decimal
    reserved_usd: Decimal
    remaining_usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class RunGoverned:
    """What was decided, set aside and charged for one run."""

    policy_version: str
    mode: str
    risk_tier: str
    decisions: list[RunDecision]
    route: RunRoute | None
    """Null: the model was given, or the workflow has no routing."""
    max_output_tokens: int
    max_output_tokens_lowered_from: int | None
    reserved_usd: Decimal | None
    """The worst cases of all attempts together; null where no money is limited."""
    settled_usd: Decimal
    """What was charged in their place."""
    unsettled_usd: Decimal
    """What stays set aside, because nobody said what an attempt cost."""
    budgets: list[RunBudget]
    would_refuse: list[str]
    """What would have been refused if the policy did more than observe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRefusal:
    """A run that was refused: nothing was sent."""

    decision_id: str | None
    """Null: it could not be recorded."""
    error_type: str
    """`local_policy` or `local_budget`."""
    tenant: str
    workflow: str
    conversation_id: str
    model: str
    risk_tier: str
    rule: str
    where: str
    reason: str
    policy_version: str
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GovernedPreview:
    """What would be decided and set aside; nothing is recorded for it."""

    verdict: str
    rule: str
    where: str
    reason: str
    policy_version: str
    mode: str
    risk_tier: str
    route: RunRoute | None
    limits: list[RunLimit]
    max_output_tokens_lowered_from: int | None
    input_tokens_bound: int
    """No request of these bytes can be more tokens; what it really is, is estimated above."""
    reserved_usd: Decimal | None
    """What would be set aside; null: no price is known."""
    budgets: list[RunBudget]
    """Before this run."""
    refusal: str | None
    """Why it would not be sent; null: it would."""

    def to_lines(self) -> list[str]:
        """Lay it out for people."""
        at = f" ({self.where})" if self.where else ""
        lines = [
            f"policy: {self.verdict} by {self.rule}{at}: {one_line(self.reason, 400)}",
            f"        tier {self.risk_tier}, {self.mode}, version {self.policy_version}",
        ]
        if self.route is not None:
            followed = "" if self.route.is_followed else ", not followed: the policy only observes"
            lines.append(
                f"route: {self.route.model} by {self.route.rule} ({self.route.where}): "
                f"{self.route.reason}{followed}"
            )
        lines += [f"limit: {item.name} {item.value} ({item.where})" for item in self.limits]
        if self.max_output_tokens_lowered_from is not None:
            lines.append(
                f"output: lowered from {self.max_output_tokens_lowered_from} tokens by the envelope"
            )
        if self.reserved_usd is not None:
            lines.append(
                f"set aside: ${self.reserved_usd.normalize():f} "
                f"(at most {self.input_tokens_bound} input tokens)"
            )
        lines += [
            f"budget: {item.budget_key}: ${item.remaining_usd.normalize():f} left of "
            f"${item.limit_usd.normalize():f}"
            for item in self.budgets
        ]
        lines.append(
            "it would be sent" if self.refusal is None else f"it would be refused: {self.refusal}"
        )
        return lines
