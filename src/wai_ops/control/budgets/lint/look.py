"""What the rules of `wai budget lint` look at, and how they say where they found something."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from wai_ops.config.alert_settings import AlertSettings
from wai_ops.config.budget_settings import BudgetSettings, GuardSettings
from wai_ops.control.budgets.native import Compiled, Guard, Remote
from wai_ops.control.policy.registry import Registry
from wai_ops.core.findings import Finding, Rule
from wai_ops.core.prices import PriceBook
from wai_ops.observe.reports.budget_traffic import TrafficRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Everything that is known. None: it is not known, and no rule may take it for fine."""

    budgets: Mapping[str, BudgetSettings]
    guards: GuardSettings
    compiled: Compiled
    prices: PriceBook
    now: datetime
    default_model: str
    worst_usd: Mapping[str, Decimal] = field(default_factory=dict)
    """Budget -> the dearest single request under it, where it is known."""
    alerts: Mapping[str, AlertSettings] = field(default_factory=dict)
    places: Mapping[str, str] = field(default_factory=dict)
    """Budget -> `wai.yaml:12`."""
    traffic: Sequence[TrafficRow] | None = None
    remote: Remote | None = None
    registry: Registry | None = None

    def guards_of(self, budget: str) -> tuple[Guard, ...]:
        """The gateway's objects that hold a budget."""
        return tuple(guard for guard in self.compiled.guards if guard.budget == budget)

    def is_local(self, budget: str) -> bool:
        """Whether `wai` holds a budget itself."""
        return any(item.budget == budget for item in self.compiled.local)


Check = Callable[[Look], Iterator[Finding]]


def found(look: Look, rule: Rule, budget: str, message: str, *, key: str = "") -> Finding:
    """A finding about a budget, at its line; about all of them with an empty name."""
    file, _, line = look.places.get(budget, "").rpartition(":")
    return Finding(
        rule=rule.id,
        level=rule.level,
        message=f"{budget}: {message}" if budget else message,
        file=file,
        line=int(line) if line.isdigit() else 0,
        hint=rule.fix,
        key=key or f"{budget} {rule.name}",
    )


def share(part: Decimal | int, whole: Decimal | int) -> str:
    """`12.5%`; `0%` of nothing."""
    return f"{100 * Decimal(part) / Decimal(whole):.1f}%" if whole else "0%"


def usd(value: Decimal) -> str:
    """Dollars with as many digits as say something."""
    return f"${value:.2f}" if value >= 1 or value == 0 else f"${value.normalize():.4g}"
