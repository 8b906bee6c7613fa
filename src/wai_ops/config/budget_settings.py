"""The shape of `budgets:` and `guards:` in `wai.yaml`: what may be spent, and what stops it."""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from wai_ops.config import rules
from wai_ops.config.lint_settings import BudgetLintSettings


class BudgetWindow(StrEnum):
    """How long a limit lasts until it begins again."""

    HOURLY = "hourly"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


class Alignment(StrEnum):
    """Where a window begins."""

    CALENDAR = "calendar"
    """With the hour, the day, Monday or the first of the month, in UTC."""
    ROLLING = "rolling"
    """It ends now and is 1 hour, 24 hours, 7 days or 30 days long."""


class LimitAction(StrEnum):
    """What happens at the limit."""

    BLOCK = "block"
    DOWNSHIFT = "downshift"
    """A cheaper model answers."""
    ALERT = "alert"
    """Nobody is stopped; somebody is told."""


class Enforcement(StrEnum):
    """Who holds a budget. The order is that of the API's own objects, then ours."""

    POLICY = "policy"
    SPEND_LIMIT = "spend_limit"
    RATE_LIMIT = "rate_limit"
    ROUTE = "route"
    LOCAL = "local"
    EDGE = "edge"


class ScopeKey(StrEnum):
    """By what spending is told apart."""

    TENANT = "tenant"
    WORKFLOW = "workflow"
    MODEL = "model"
    PROMPT = "prompt"


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetScope:
    """Which calls draw on a budget: those that fit every key given. Empty: all of them."""

    tenant: tuple[Annotated[str, rules.NAME], ...] = ()
    workflow: tuple[Annotated[str, rules.NAME], ...] = ()
    model: tuple[Annotated[str, rules.MODEL], ...] = ()
    prompt: tuple[Annotated[str, rules.NAME], ...] = ()
    """A prompt's name, for all its versions, or `name@version`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetSettings:
    """One budget."""

    limit_usd: Annotated[Decimal, rules.LIMIT_USD]
    window: BudgetWindow
    alignment: Alignment = Alignment.CALENDAR
    scope: BudgetScope = field(default_factory=BudgetScope)
    per: tuple[ScopeKey, ...] = ()
    """Each value of these keys has a limit of its own."""
    warn_at: tuple[Annotated[Decimal, rules.RATIO], ...] = (Decimal("0.8"),)
    """Shares of the limit at which somebody is told."""
    action: LimitAction = LimitAction.BLOCK
    downshift_to: Annotated[str | None, rules.MODEL] = None
    """The model that answers when the budget is used up; for `action: downshift`."""
    enforce: tuple[Enforcement, ...] = ()
    """Empty: the strongest form that Cloudflare has for it, and `local`."""
    owner: Annotated[str | None, rules.TEXT] = None
    """Who answers for it: a team, an address."""


class Unmatched(StrEnum):
    """What the first policy of a gateway does to calls that no policy is about."""

    DENY = "deny"
    ALLOW = "allow"
    """A policy without a limit lets them pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardSettings:
    """How budgets become objects of the gateway."""

    prefix: Annotated[str, rules.GUARD_PREFIX] = "wai"
    """The names of all objects that `wai budget push` makes begin with it and a dash. Two projects
    on one gateway need two."""
    unmatched: Unmatched = Unmatched.DENY
    model_allowlists: bool = False
    """Whether the models that policies allow a workflow are enforced by the gateway as well."""
    lint: BudgetLintSettings = field(default_factory=BudgetLintSettings)
