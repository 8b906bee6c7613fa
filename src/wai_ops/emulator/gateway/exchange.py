"""One model call on its way: its ids, its response headers, and one log row an attempt.

A direct call, which names no gateway, goes the same way and leaves neither ids nor rows.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wai_ops.core.ids import uuid7
from wai_ops.core.money import NO_COST, UNKNOWN_COST, Cost, Usage
from wai_ops.emulator.answers import JSON_TYPE
from wai_ops.emulator.backends.base import Meter
from wai_ops.emulator.gateway.budgets import Admission
from wai_ops.emulator.gateway.guardrails import DlpVerdict
from wai_ops.emulator.gateway.log_bodies import Bodies
from wai_ops.emulator.gateway.log_row import LogRow
from wai_ops.emulator.gateway.metadata import kept_metadata
from wai_ops.emulator.gateway.options import CallOptions, read_options
from wai_ops.emulator.gateway.refusals import RATE_LIMITED
from wai_ops.emulator.gateway.retention import MAX_ROW_BYTES, retention_of
from wai_ops.emulator.gateway.settings import GatewaySettings
from wai_ops.emulator.inference.surfaces import WORKERS_AI
from wai_ops.emulator.models import ServedModel
from wai_ops.emulator.served import Served, sent_labels
from wai_ops.emulator.services import Services
from wai_ops.emulator.times import to_millis_text

CLIENT_CLOSED = 499
"""Status of a row whose client left before the end; the provider's own is not documented."""


@dataclass(slots=True, kw_only=True)
class Gateway:
    """What one request has to do with its gateway."""

    settings: GatewaySettings
    options: CallOptions
    event_id: str
    metadata: dict[str, str | int | float | bool] | None
    admission: Admission | None = None
    """By what the step under way was let through, and so what its cost counts in."""


class Exchange:
    """Begun when the request has arrived; every attempt to answer it is recorded once."""

    def __init__(
        self,
        services: Services,
        headers: Mapping[bytes, bytes],
        path: str,
        settings: GatewaySettings | None,
    ) -> None:
        """Remember what the rows will need. `settings` None: a direct call."""
        self._services = services
        self.headers = headers
        self.path = path
        self.request_body = b""
        self.is_compat = False
        self.is_rest_run = False
        """Whether the request came to `/ai/run`, where guardrails have codes of their own."""
        self.has_own_credential = False
        """Whether the request brought a credential of the provider's."""
        self.is_routed = False
        """Whether the gateway chose the model, so that it says which."""
        self.dlp: Mapping[str, Any] | None = None
        """What DLP found, for the response's header."""
        self.gateway = None if settings is None else _gateway(services, headers, settings)
        self.request_id = ""
        self.current = self.begin()
        """The attempt under way; the first exists from the request's arrival on."""
        self.request_id = self.current.log_id

    def begin(self, *, step: int = 0, path: str | None = None, model: str = "") -> "Attempt":
        """Start the next attempt."""
        self.current = self._attempt(step=step, path=path or self.path, model=model)
        return self.current

    @property
    def is_wholesale(self) -> bool:
        """Whether prepaid credits pay."""
        gateway = self.gateway
        return gateway is not None and gateway.settings.workers_ai_billing_mode == "unified"

    def _attempt(self, *, step: int, path: str, model: str = "") -> "Attempt":
        clock = self._services.clock
        log_id = "" if self.gateway is None else self._services.log_ids.take(clock.now())
        return Attempt(
            log_id=log_id,
            step=step,
            path=path,
            model=model,
            started=clock.monotonic(),
            is_wholesale=self.is_wholesale,
        )

    def response_headers(self, attempt: "Attempt") -> dict[str, str]:
        """What the gateway adds to every answer."""
        gateway = self.gateway
        if gateway is None:
            return {}
        headers = {
            "cf-aig-request-id": self.request_id,
            "cf-aig-event-id": gateway.event_id,
            "cf-aig-cache-status": "HIT" if attempt.is_cached else "MISS",
            "cf-aig-step": str(attempt.step),
        }
        if gateway.options.collect_log:
            headers["cf-aig-log-id"] = attempt.log_id
        if self.is_routed:
            headers["cf-aig-model"] = attempt.model
            headers["cf-aig-provider"] = attempt.provider
        if self.dlp is not None:
            headers["cf-aig-dlp"] = json.dumps(self.dlp, separators=(",", ":"))
        return headers

    def cost(self, attempt: "Attempt") -> Cost:
        """What an attempt cost: nothing before a model has begun; the client's price if it has."""
        usage = attempt.usage
        if usage is None or attempt.is_cached:
            return NO_COST
        custom = None if self.gateway is None else self.gateway.options.custom_cost
        if custom is not None and not attempt.is_scan:
            return custom.cost(usage)
        return UNKNOWN_COST if attempt.served is None else attempt.served.cost(usage)

    def _settle(self, attempt: "Attempt") -> None:
        gateway = self.gateway
        if gateway is None or gateway.admission is None or attempt.is_scan:
            return
        spend = self._services.knobs.current.spend
        self._services.budgets.of(gateway.settings.id).settle(
            gateway.admission,
            self.cost(attempt).cost_usd,
            self._services.clock.now(),
            delay_s=spend.settle_delay_ms / 1000,
            lost_ratio=spend.lost_ratio,
        )

    def record_scan(self, side: str, served: ServedModel, meter: Meter) -> None:
        """Add the row of a guardrail's evaluation, linked by its event id."""
        scan = self._attempt(step=self.current.step, path=f"guardrails/{side}")
        scan.model, scan.served, scan.meter, scan.is_scan = served.model.id, served, meter, True
        self.record(scan, 200)

    def record(
        self,
        attempt: "Attempt",
        status: int,
        *,
        error_code: int | None = None,
        is_last: bool = True,
    ) -> None:
        """Record the attempt; only the first call counts. Not the last: the request goes on."""
        if attempt.is_recorded:
            return
        attempt.is_recorded = True
        self._settle(attempt)
        served = self._served(attempt, status, error_code, ends_request=is_last)
        gateway = self.gateway
        if gateway is None or not gateway.options.collect_log:
            self._services.recorder.record(served)
            return
        keeps = gateway.options.collect_payload
        self._services.recorder.record(
            served,
            self._row(gateway, attempt, served),
            bodies=Bodies(self.request_body, attempt.body) if keeps else None,
            retention=retention_of(
                gateway.settings.log_management,
                gateway.settings.log_management_strategy,
                self._services.knobs.current.logs.max_rows,
            ),
        )

    def _served(
        self, attempt: "Attempt", status: int, error_code: int | None, *, ends_request: bool
    ) -> Served:
        clock, usage, gateway = self._services.clock, attempt.usage, self.gateway
        tokens = usage or Usage(input_tokens=0, output_tokens=0)
        is_asked = attempt.served is not None and not attempt.is_cached
        price = NO_COST
        if usage is not None and not attempt.is_cached:
            price = UNKNOWN_COST if attempt.served is None else attempt.served.cost(usage)
        return Served(
            at=clock.now(),
            gateway_id=None if gateway is None else gateway.settings.id,
            provider=attempt.provider,
            model=attempt.model,
            status_code=status,
            error_code=error_code,
            labels=sent_labels(_text(self.headers.get(b"cf-aig-metadata"))),
            ends_request=ends_request and not attempt.is_scan,
            attempted=is_asked,
            cached=attempt.is_cached,
            rate_limited=error_code == RATE_LIMITED,
            duration_ms=round((clock.monotonic() - attempt.started) * 1000),
            tokens_in=tokens.input_tokens,
            cached_tokens_in=tokens.cached_input_tokens or 0,
            tokens_out=tokens.output_tokens,
            reasoning_tokens_out=tokens.reasoning_tokens or 0,
            cost_usd=self.cost(attempt).cost_usd,
            neurons=price.neurons,
            request_bytes=len(self.request_body),
            response_bytes=attempt.size,
            user_agent=_text(self.headers.get(b"user-agent")),
            wholesale=attempt.is_wholesale,
            metadata=None if gateway is None else gateway.metadata,
        )

    def _row(self, gateway: Gateway, attempt: "Attempt", served: Served) -> LogRow:
        usage = attempt.usage
        first_ms = served.duration_ms
        if attempt.first_at is not None:
            first_ms = round((attempt.first_at - attempt.started) * 1000)
        return LogRow(
            id=attempt.log_id,
            gateway_id=gateway.settings.id,
            event_id=gateway.event_id,
            created_at=to_millis_text(served.at),
            provider=attempt.provider,
            model=attempt.model,
            path=attempt.path,
            status_code=served.status_code,
            success=served.status_code < 400,
            cached=attempt.is_cached,
            step=attempt.step,
            duration=served.duration_ms,
            latency=first_ms,
            request_size=served.request_bytes,
            response_size=served.response_bytes,
            request_content_type=_text(self.headers.get(b"content-type")),
            response_content_type=attempt.content_type,
            tokens_in=None if usage is None else usage.input_tokens,
            tokens_out=None if usage is None else usage.output_tokens,
            cached_tokens_in=None if usage is None else usage.cached_input_tokens,
            reasoning_tokens_out=None if usage is None else usage.reasoning_tokens,
            cost=served.cost_usd,
            custom_cost=gateway.options.custom_cost is not None
            and not (attempt.is_cached or attempt.is_scan),
            metadata=gateway.metadata,
            user_agent=served.user_agent,
            authentication=gateway.settings.authentication,
            wholesale=served.wholesale,
            compatibility_mode=self.is_compat,
            byok=gateway.options.byok_alias if self.has_own_credential else None,
            dlp_action=None if attempt.dlp is None else attempt.dlp.action,
            dlp_profiles=None if attempt.dlp is None else attempt.dlp.profiles,
            guardrails=attempt.guardrails or None,
        )


@dataclass(slots=True, kw_only=True)
class Attempt:
    """One attempt: one provider asked once, or a refusal before anybody was asked."""

    log_id: str
    step: int
    path: str
    model: str
    started: float
    provider: str = WORKERS_AI
    served: ServedModel | None = None
    meter: Meter | None = None
    """None: nothing has been answered, and there is nothing to pay."""
    is_cached: bool = False
    is_scan: bool = False
    is_wholesale: bool = False
    """Whether prepaid credits pay for it."""
    content_type: str = JSON_TYPE
    size: int = 0
    parts: list[bytes] = field(default_factory=list)
    """The answer so far, unless it is too long for a row."""
    first_at: float | None = None
    dlp: DlpVerdict | None = None
    guardrails: dict[str, dict[str, str]] = field(default_factory=dict)
    """Side -> category -> action: what guardrails found in this attempt."""
    is_recorded: bool = False

    @property
    def usage(self) -> Usage | None:
        """The tokens so far; a cached answer has none."""
        if self.is_cached:
            return Usage(input_tokens=0, output_tokens=0)
        return None if self.meter is None else self.meter.usage()

    def note(self, part: bytes) -> None:
        """Count a part of the answer that is about to leave."""
        self.size += len(part)
        if self.size <= MAX_ROW_BYTES:
            self.parts.append(part)

    @property
    def body(self) -> bytes:
        """The answer so far."""
        return b"".join(self.parts)


async def begin_exchange(
    services: Services, headers: Mapping[bytes, bytes], path: str, gateway_id: str | None
) -> Exchange:
    """The exchange of a request; `gateway_id` None: a direct call. Raises 400/2001."""
    settings = None if gateway_id is None else await services.gateways.require(gateway_id)
    return Exchange(services, headers, path, settings)


def gateway_of(headers: Mapping[bytes, bytes]) -> str | None:
    """The gateway that a request to the REST API names."""
    return _text(headers.get(b"cf-aig-gateway-id")) or None


def _gateway(
    services: Services, headers: Mapping[bytes, bytes], settings: GatewaySettings
) -> Gateway:
    return Gateway(
        settings=settings,
        options=read_options(headers, settings),
        event_id=_text(headers.get(b"cf-aig-event-id")) or uuid7(services.clock.now()),
        metadata=kept_metadata(_text(headers.get(b"cf-aig-metadata"))),
    )


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "replace")
