"""One model call on its way through a gateway: its ids, its response headers, its log row."""

from collections.abc import Mapping

from wai_ops.core.ids import uuid7
from wai_ops.core.money import NO_COST, Cost, Usage
from wai_ops.emulator.gateway.log_row import HEAD_CHARACTERS, LogRow
from wai_ops.emulator.gateway.metadata import kept_metadata
from wai_ops.emulator.services import Services
from wai_ops.emulator.times import to_millis_text

CLIENT_CLOSED = 499
"""Status of a row whose client left before the end; the provider's own is not documented."""


class Exchange:
    """Begun when the request has arrived, recorded once, when its answer has ended."""

    def __init__(
        self, services: Services, gateway_id: str, headers: Mapping[bytes, bytes], path: str
    ) -> None:
        """Take the ids and remember what the row will need."""
        self._services = services
        self._gateway_id = gateway_id
        self._headers = headers
        self._path = path
        self._started = services.clock.monotonic()
        self._first_at: float | None = None
        self._recorded = False
        self.log_id = uuid7(services.clock.now())
        self.event_id = _text(headers.get(b"cf-aig-event-id")) or uuid7(services.clock.now())
        self.request_body = b""
        self.model = ""

    @property
    def response_headers(self) -> dict[str, str]:
        """What the gateway adds to every answer."""
        return {
            "cf-aig-log-id": self.log_id,
            "cf-aig-request-id": self.log_id,
            "cf-aig-event-id": self.event_id,
            "cf-aig-cache-status": "MISS",
            "cf-aig-step": "0",
        }

    def mark_first_byte(self) -> None:
        """The first part of the answer leaves now."""
        if self._first_at is None:
            self._first_at = self._services.clock.monotonic()

    def record(
        self,
        *,
        status: int,
        content_type: str,
        response: bytes,
        response_size: int,
        usage: Usage | None = None,
        cost: Cost = NO_COST,
    ) -> None:
        """Hand the row to the store; only the first call counts."""
        if self._recorded:
            return
        self._recorded = True
        now = self._services.clock.monotonic()
        first_at = now if self._first_at is None else self._first_at
        row = LogRow(
            id=self.log_id,
            gateway_id=self._gateway_id,
            event_id=self.event_id,
            created_at=to_millis_text(self._services.clock.now()),
            model=self.model,
            path=self._path,
            status_code=status,
            success=status < 400,
            duration=round((now - self._started) * 1000),
            latency=round((first_at - self._started) * 1000),
            request_size=len(self.request_body),
            response_size=response_size,
            request_head=_head(self.request_body),
            response_head=_head(response),
            request_content_type=_text(self._headers.get(b"content-type")),
            response_content_type=content_type,
            tokens_in=None if usage is None else usage.input_tokens,
            tokens_out=None if usage is None else usage.output_tokens,
            cached_tokens_in=None if usage is None else usage.cached_input_tokens,
            cost=cost.cost_usd,
            metadata=kept_metadata(_text(self._headers.get(b"cf-aig-metadata"))),
            user_agent=_text(self._headers.get(b"user-agent")),
        )
        self._services.store.write("insert_log", row.to_columns())


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "replace")


def _head(body: bytes) -> str:
    return body[:HEAD_CHARACTERS].decode("utf-8", "replace")


async def begin_exchange(
    services: Services, headers: Mapping[bytes, bytes], path: str
) -> Exchange | None:
    """The exchange of a request that names a gateway; None for a direct call. Raises 400/2001."""
    gateway_id = _text(headers.get(b"cf-aig-gateway-id"))
    if not gateway_id:
        return None
    await services.gateways.require(gateway_id)
    return Exchange(services, gateway_id, headers, path)
