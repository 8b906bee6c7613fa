"""The analytics datasets: their names, what each is made of, and the limits of a query. Pure.

Every piece of SQL in the expressions is a constant of this module.
"""

from collections.abc import Mapping
from dataclasses import dataclass

MAX_PAGE_SIZE = 10_000
MAX_FIELDS = 30
"""Fields that one query may select of one dataset."""
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Dimension:
    """Something to group and filter by."""

    expression: str
    kind: str
    """A scalar of the schema: `Time`, `Date`, `string`, `uint8`, `uint16`, `uint64`, `float64`."""


@dataclass(frozen=True, slots=True)
class Measure:
    """Something to sum."""

    expression: str
    kind: str = "uint64"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """One of the nodes below an account."""

    name: str
    condition: str
    """Which facts belong to it."""
    dimensions: Mapping[str, Dimension]
    sums: Mapping[str, Measure]
    reach_days: int
    """How far back a query may look."""
    width_days: int = 32
    """How long a time one query may span."""

    @property
    def type_name(self) -> str:
        """The name of its type in the schema."""
        return f"Account{self.name[0].upper()}{self.name[1:]}"

    def settings(self) -> dict[str, object]:
        """What the settings node tells of it."""
        return {
            "enabled": True,
            "availableFields": [
                "count",
                *(f"sum_{name}" for name in self.sums),
                *(f"dimensions_{name}" for name in self.dimensions),
            ],
            "maxPageSize": MAX_PAGE_SIZE,
            "maxNumberOfFields": MAX_FIELDS,
            "notOlderThan": self.reach_days * _DAY_S,
            "maxDuration": self.width_days * _DAY_S,
        }


_TIMES: Mapping[str, Dimension] = {
    "datetime": Dimension("substr(at, 1, 19) || 'Z'", "Time"),
    "datetimeMinute": Dimension("substr(at, 1, 16) || ':00Z'", "Time"),
    "datetimeFiveMinutes": Dimension(
        "substr(at, 1, 14) || printf('%02d', substr(at, 15, 2) / 5 * 5) || ':00Z'", "Time"
    ),
    "datetimeFifteenMinutes": Dimension(
        "substr(at, 1, 14) || printf('%02d', substr(at, 15, 2) / 15 * 15) || ':00Z'", "Time"
    ),
    "datetimeHour": Dimension("substr(at, 1, 13) || ':00:00Z'", "Time"),
    "date": Dimension("substr(at, 1, 10)", "Date"),
}
_CALL: Mapping[str, Dimension] = {
    "gateway": Dimension("gateway_id", "string"),
    "provider": Dimension("provider", "string"),
    "model": Dimension("model", "string"),
}

GATEWAY_REQUESTS = Dataset(
    name="aiGatewayRequestsAdaptiveGroups",
    condition="gateway_id is not null",
    dimensions={
        **_TIMES,
        **_CALL,
        "statusCode": Dimension("status_code", "uint16"),
        "cached": Dimension("cached", "uint8"),
        "error": Dimension("status_code >= 400", "uint8"),
        "rateLimited": Dimension("rate_limited", "uint8"),
        "durationMs": Dimension("duration_ms", "uint64"),
        "tokensIn": Dimension("tokens_in", "uint64"),
        "tokensOut": Dimension("tokens_out", "uint64"),
        "cost": Dimension("cast(coalesce(cost, '0') as real)", "float64"),
        "userAgent": Dimension("coalesce(user_agent, '')", "string"),
        "wholesale": Dimension("wholesale", "uint8"),
        "metadataRaw": Dimension("coalesce(metadata, '')", "string"),
    },
    sums={
        "cachedRequests": Measure("sum(cached)"),
        "erroredRequests": Measure("sum(status_code >= 400)"),
        # "Cached" is the gateway's own response cache here, never the models' prefix cache.
        "cachedTokensIn": Measure("sum(iif(cached, tokens_in, 0))"),
        "cachedTokensOut": Measure("sum(iif(cached, tokens_out, 0))"),
        "uncachedTokensIn": Measure("sum(iif(cached, 0, tokens_in))"),
        "uncachedTokensOut": Measure("sum(iif(cached, 0, tokens_out))"),
        "tokensIn": Measure("sum(tokens_in)"),
        "tokensOut": Measure("sum(tokens_out)"),
        "cost": Measure("cast(decimal_sum(cost) as real)", "float64"),
    },
    reach_days=62,
)
GATEWAY_ERRORS = Dataset(
    name="aiGatewayErrorsAdaptiveGroups",
    condition="gateway_id is not null and status_code >= 400",
    dimensions={**_TIMES, **_CALL, "statusCode": Dimension("status_code", "uint16")},
    sums={},
    reach_days=32,
)
INFERENCE = Dataset(
    name="aiInferenceAdaptiveGroups",
    condition="attempted and provider = 'workers-ai'",
    dimensions={
        **_TIMES,
        "modelId": Dimension("model", "string"),
        "errorCode": Dimension("coalesce(error_code, 0)", "uint64"),
        "requestSource": Dimension("iif(gateway_id is null, 'rest', 'ai-gateway')", "string"),
        "tag": Dimension("''", "string"),
    },
    sums={
        "totalNeurons": Measure("cast(decimal_sum(neurons) as real)", "float64"),
        "totalInputTokens": Measure("sum(tokens_in)", "float64"),
        "totalOutputTokens": Measure("sum(tokens_out)", "float64"),
        "totalInferenceTimeMs": Measure("sum(duration_ms)", "float64"),
        "totalRequestBytesIn": Measure("sum(request_bytes)", "float64"),
        "totalRequestBytesOut": Measure("sum(response_bytes)", "float64"),
        # Text has none of these.
        "totalInferenceSteps": Measure("0", "float64"),
        "totalProcessedPixels": Measure("0", "float64"),
        "totalProcessedTiles": Measure("0", "float64"),
        "totalTiles": Measure("0", "float64"),
        "totalAudioSeconds": Measure("0", "float64"),
    },
    reach_days=32,
)
DATASETS = (GATEWAY_REQUESTS, GATEWAY_ERRORS, INFERENCE)
