"""What a replay says of one recorded request. Values only."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from wai_ops.control.policy.action import RiskTier
from wai_ops.observe.reports.route_requests import RouteRequest


class Served(StrEnum):
    """What can be said of a request under the candidate."""

    AS_RECORDED = "as_recorded"
    """On the same model, which answered."""
    FITS = "fits"
    """On another model, whose context it fits. Whether that one had answered nobody knows."""
    FALLBACK = "fallback"
    """The model failed, and the candidate asks another one after such a failure."""
    FAILED = "failed"
    """The model failed, and the candidate has no fallback for it."""
    REFUSED = "refused"
    """No model may serve it."""
    UNKNOWN = "unknown"
    """On another model, and its context or the request's length is not known, or the recorded
    model failed: then another might have failed as well."""


class Gap(StrEnum):
    """Why the cost under the candidate cannot be told."""

    NO_TOKENS = "no tokens"
    NO_PRICE = "no price"
    GATEWAY_CACHE = "gateway cache"
    """The gateway answered from its own cache, which knows nothing of another model."""
    FAILED = "failed"
    """It failed, recorded or under the candidate: what another model had written is not known."""
    REFUSED = "refused"
    """Nothing is sent, which is no saving."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Dollars of one request."""

    low_usd: Decimal
    expected_usd: Decimal
    high_usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """One recorded request and what the candidate makes of it."""

    request: RouteRequest
    tier: RiskTier
    is_tier_recorded: bool
    model: str | None
    """None: no model may serve it."""
    served: Served
    costs: Costs | None
    gap: Gap | None
    """Set exactly where the cost is not known."""
    is_switch: bool
    """Here the conversation changes its model."""
    is_pressure_unknown: bool
    """The rule for budget pressure could not be asked: how much was used nobody recorded."""
    began_before: bool
    """Earlier turns of its conversation lie before the period."""
