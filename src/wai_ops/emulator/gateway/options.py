"""What the `cf-aig-*` headers of one request come to, over the gateway's own settings. Pure.

A header beats the setting. A value that makes no sense is passed over: the provider documents no
error for any of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Protocol

from wai_ops.core.money import COST_DIGITS, Cost, CostState, Usage
from wai_ops.emulator.decoding import decode_json

MAX_ATTEMPTS = 5
MAX_RETRY_DELAY_MS = 60_000
MIN_CACHE_TTL_S = 60
MAX_CACHE_TTL_S = 30 * 86_400
KEYED_CACHE_TTL_S = 300
"""A request with a key of its own is kept for five minutes where the gateway caches nothing."""
_BACKOFFS = ("constant", "linear", "exponential")


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """How often one provider is asked, and how long to wait in between."""

    max_attempts: int = 1
    delay_ms: int = 0
    backoff: str = "constant"

    def delay_s(self, attempt: int) -> float:
        """Seconds to wait after attempt number `attempt`, counted from 1."""
        match self.backoff:
            case "linear":
                factor = attempt
            case "exponential":
                factor = 2 ** (attempt - 1)
            case _:
                factor = 1
        return self.delay_ms * factor / 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheOptions:
    """Whether and how the whole response is cached. `ttl_s` 0: it is not."""

    ttl_s: int = 0
    skip: bool = False
    key: str | None = None

    @property
    def is_on(self) -> bool:
        """Whether to look and to keep."""
        return self.ttl_s > 0 and not self.skip


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomCost:
    """Dollars per token from the client, or one total."""

    per_token_in: Decimal = Decimal(0)
    per_token_out: Decimal = Decimal(0)
    per_cache_read_token: Decimal | None = None
    total: Decimal | None = None

    def cost(self, usage: Usage) -> Cost:
        """What the call cost by these prices; cached input at the input price unless told."""
        cached_rate = self.per_cache_read_token
        cached = min(usage.cached_input_tokens or 0, usage.input_tokens)
        amount = self.total
        if amount is None:
            amount = (
                (usage.input_tokens - cached) * self.per_token_in
                + cached * (self.per_token_in if cached_rate is None else cached_rate)
                + usage.output_tokens * self.per_token_out
            )
        return Cost(state=CostState.METERED, cost_usd=amount.quantize(COST_DIGITS))


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOptions:
    """Everything that one request may say to its gateway."""

    cache: CacheOptions = CacheOptions()
    retries: Retries = Retries()
    timeout_ms: int | None = None
    """To the first part of the answer."""
    collect_log: bool = True
    collect_payload: bool = True
    custom_cost: CustomCost | None = None
    byok_alias: str | None = None
    no_wholesale: bool = False
    zdr: bool | None = None
    """Accepted; there is nothing to retain."""
    otel_trace_id: str | None = None
    otel_parent_span_id: str | None = None


class Defaults(Protocol):
    """What a gateway's own settings say where a request says nothing."""

    @property
    def cache_ttl(self) -> int | None:
        """Seconds; 0 or None: off."""
        ...

    @property
    def collect_logs(self) -> bool:
        """Whether requests are logged."""
        ...

    @property
    def retry_max_attempts(self) -> int | None:
        """From 1 to 5."""
        ...

    @property
    def retry_delay(self) -> int | None:
        """Milliseconds."""
        ...

    @property
    def retry_backoff(self) -> str | None:
        """`constant`, `linear` or `exponential`."""
        ...


def read_options(headers: Mapping[bytes, bytes], settings: Defaults) -> CallOptions:
    """Read the headers over the gateway's settings."""
    text = {
        name.removeprefix(b"cf-aig-").removeprefix(b"cf-").decode("ascii"): value.decode("latin-1")
        for name, value in headers.items()
        if name.startswith(b"cf-aig-") or name in {b"cf-cache-ttl", b"cf-skip-cache"}
    }
    return CallOptions(
        cache=_cache(text, settings.cache_ttl or 0),
        retries=read_retries(
            {
                "max_attempts": text.get("max-attempts", settings.retry_max_attempts),
                "delay_ms": text.get("retry-delay", settings.retry_delay),
                "backoff": text.get("backoff", settings.retry_backoff),
            }
        ),
        timeout_ms=_positive(text.get("request-timeout")),
        collect_log=_flag(text.get("collect-log"), default=settings.collect_logs),
        collect_payload=_flag(text.get("collect-log-payload"), default=True),
        custom_cost=read_custom_cost(text.get("custom-cost")),
        byok_alias=text.get("byok-alias") or None,
        no_wholesale=_flag(text.get("no-wholesale"), default=False),
        zdr=None if "zdr" not in text else _flag(text["zdr"], default=False),
        otel_trace_id=_hex(text.get("otel-trace-id"), 32),
        otel_parent_span_id=_hex(text.get("otel-parent-span-id"), 16),
    )


def read_retries(values: Mapping[str, Any]) -> Retries:
    """Retries from `max_attempts`, `delay_ms` and `backoff`, cut to what is allowed."""
    attempts = _positive(values.get("max_attempts")) or 1
    delay = _positive(values.get("delay_ms")) or 0
    backoff = values.get("backoff")
    return Retries(
        max_attempts=min(attempts, MAX_ATTEMPTS),
        delay_ms=min(delay, MAX_RETRY_DELAY_MS),
        backoff=backoff if backoff in _BACKOFFS else "constant",
    )


def read_custom_cost(header: str | None) -> CustomCost | None:
    """The client's own prices; None when there are none, or none that can be read."""
    if header is None:
        return None
    try:
        value = decode_json(header)
    except ValueError:
        return None
    if not isinstance(value, dict):
        return None
    total = _amount(value.get("total_cost"))
    into, out = _amount(value.get("per_token_in")), _amount(value.get("per_token_out"))
    if total is None and into is None and out is None:
        return None
    return CustomCost(
        per_token_in=into or Decimal(0),
        per_token_out=out or Decimal(0),
        per_cache_read_token=_amount(value.get("per_cache_read_token")),
        total=total,
    )


def _cache(text: Mapping[str, str], setting_s: int) -> CacheOptions:
    wanted = text.get("cache-ttl", "")
    ttl_s = int(wanted) if _is_number(wanted) else setting_s
    key = text.get("cache-key") or None
    if ttl_s == 0 and key is not None:
        ttl_s = KEYED_CACHE_TTL_S
    if ttl_s:
        ttl_s = min(max(ttl_s, MIN_CACHE_TTL_S), MAX_CACHE_TTL_S)
    return CacheOptions(ttl_s=ttl_s, skip=_flag(text.get("skip-cache"), default=False), key=key)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 12


def _positive(value: Any) -> int | None:
    text = str(value)
    return (int(text) or None) if _is_number(text) else None


def _flag(text: str | None, *, default: bool) -> bool:
    return {"true": True, "1": True, "false": False, "0": False}.get(
        (text or "").strip().lower(), default
    )


def _hex(text: str | None, length: int) -> str | None:
    if text is None or len(text) != length:
        return None
    return text if all(digit in "0123456789abcdefABCDEF" for digit in text) else None


def _amount(value: Any) -> Decimal | None:
    """A price that can be used: a finite number from zero on."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and 0 <= amount < 10**9 else None
