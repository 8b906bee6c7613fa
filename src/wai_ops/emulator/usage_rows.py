"""Days of Workers AI as billing rows, in the columns of FOCUS that the provider's API has. Pure.

Neurons are counted a UTC day, the first 10,000 of each are free, the rest has one price. The names
of the metric and of the product are our own: which ones the provider uses is not published.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from typing import Any

from wai_ops.core.money import FREE_NEURONS_PER_DAY, USD_PER_NEURON
from wai_ops.emulator.times import to_millis_text

METRIC_ID, METRIC = "workers-ai-neurons", "Workers AI Neurons"
UNIT = "Neurons"
_PROVIDER, _FAMILY = "Cloudflare", "Workers AI"


@dataclass(frozen=True, slots=True)
class Day:
    """One UTC day's neurons."""

    day: date
    neurons: Decimal

    @property
    def billable(self) -> int:
        """Whole neurons beyond the free allowance."""
        beyond = max(Decimal(0), self.neurons - FREE_NEURONS_PER_DAY)
        return int(beyond.to_integral_value(ROUND_CEILING))

    @property
    def cost_usd(self) -> Decimal:
        """What those cost."""
        return self.billable * USD_PER_NEURON

    def period(self) -> dict[str, str]:
        """Its beginning, and the beginning of the next one."""
        start = datetime(self.day.year, self.day.month, self.day.day, tzinfo=UTC)
        return {
            "ChargePeriodStart": to_millis_text(start),
            "ChargePeriodEnd": to_millis_text(start + timedelta(days=1)),
        }


def to_days(neurons_by_hour: Mapping[str, Decimal]) -> list[Day]:
    """Sum hours (`2026-01-31T10:...`) into days, in their order."""
    sums: dict[date, Decimal] = {}
    for hour, neurons in neurons_by_hour.items():
        day = date.fromisoformat(hour[:10])
        sums[day] = sums.get(day, Decimal(0)) + neurons
    return [Day(day, sums[day]) for day in sorted(sums)]


def to_usage_rows(days: Iterable[Day], *, account_id: str) -> list[dict[str, Any]]:
    """Rows of `/billable/usage`: all usage, free or not, and as yet no cost."""
    return [
        {
            "ChargeCategory": "Usage",
            "ChargeDescription": METRIC,
            "ChargeFrequency": "Usage-Based",
            **day.period(),
            "ConsumedQuantity": float(day.neurons),
            "ConsumedUnit": UNIT,
            "HostProviderName": _PROVIDER,
            "InvoiceIssuerName": _PROVIDER,
            "ServiceProviderName": _PROVIDER,
            "BillingAccountId": account_id,
            "x_BillableMetricId": METRIC_ID,
            "x_BillableMetricName": METRIC,
            "x_ProductFamilyName": _FAMILY,
        }
        for day in days
    ]


def to_paid_rows(
    days: Iterable[Day], *, account_id: str, subscription_id: str, period_start: datetime
) -> list[dict[str, Any]]:
    """Rows of `/billable-usage`: with costs, added up over the billing period."""
    rows = []
    cumulated, cumulated_quantity = Decimal(0), 0
    for day in days:
        cumulated += day.cost_usd
        cumulated_quantity += day.billable
        cost = float(day.cost_usd)
        rows.append(
            {
                "BilledCost": cost,
                "BillingAccountId": account_id,
                "BillingAccountName": None,
                "BillingCurrency": "USD",
                "BillingPeriodStart": to_millis_text(period_start),
                "ChargeCategory": "Usage",
                "ChargeClass": None,
                "ChargeDescription": METRIC,
                **day.period(),
                "ConsumedQuantity": float(day.neurons),
                "ConsumedUnit": UNIT,
                "ContractedCost": cost,
                "CumulatedContractedCost": float(cumulated),
                "CumulatedPricingQuantity": cumulated_quantity,
                "EffectiveCost": cost,
                "HostProviderName": _PROVIDER,
                "InvoiceIssuerName": _PROVIDER,
                "ListCost": cost,
                "PricingQuantity": day.billable,
                "PricingUnit": UNIT,
                "ServiceName": _FAMILY,
                "ServiceProviderName": _PROVIDER,
                "ServiceFamilyName": _FAMILY,
                "SubscriptionId": subscription_id,
                "ZoneId": None,
                "ZoneName": None,
            }
        )
    return rows
