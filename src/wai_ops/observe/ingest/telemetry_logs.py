"""The newer log system: a gateway's rows as events of Workers Observability.

UNCONFIRMED: how such an event looks is documented nowhere. What is read here is the published frame
(`$metadata`, `source`, `timestamp`) with the row under `source`, as the emulator writes it; so the
whole source is behind a switch. Answers may be sampled, and say so.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from wai_ops.cloudflare.api_errors import ApiError
from wai_ops.cloudflare.logs_api import ReadingApi
from wai_ops.observe.ingest.pull_source import Page, RowKey, key_of
from wai_ops.observe.ingest.windows import Span
from wai_ops.observe.ledger.pull_rows import flat

DATASET = "cloudflare-ai-gateway"
PER_PAGE = 500
MAX_PAGES = 2000
_WHAT = "POST /workers/observability/telemetry/query"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _Metadata(msgspec.Struct):
    id: str | None = None


class _Event(msgspec.Struct):
    timestamp: float | None = None
    source: msgspec.Raw = msgspec.Raw(b"null")
    metadata: _Metadata = msgspec.field(name="$metadata", default_factory=_Metadata)


class _Statistics(msgspec.Struct):
    abr_level: float | None = None


class _Events(msgspec.Struct):
    count: float | None = None
    events: list[_Event] = []


class _Result(msgspec.Struct):
    events: _Events = msgspec.field(default_factory=_Events)
    statistics: _Statistics = msgspec.field(default_factory=_Statistics)


class _Envelope(msgspec.Struct):
    result: _Result


_ENVELOPE = msgspec.json.Decoder(_Envelope)


class TelemetryLogs:
    """One gateway's log by `POST .../workers/observability/telemetry/query`."""

    name = "workers observability"

    def __init__(self, api: ReadingApi, gateway_id: str) -> None:
        """Read through `api`."""
        self._api = api
        self._gateway_id = gateway_id

    def pages(self, span: Span) -> Iterator[Page]:
        """From event to event: the cursor is an event's id, so that pages do not shift."""
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            result, content = self._query(span, limit=PER_PAGE, offset=cursor)
            events = result.events.events
            yield Page(
                rows=flat([event.source for event in events], content),
                keys=[_key(event) for event in events],
                total=None if result.events.count is None else int(result.events.count),
                is_sampled=(result.statistics.abr_level or 1) > 1,
            )
            if len(events) < PER_PAGE:
                return
            cursor = events[-1].metadata.id
            if cursor is None:
                raise ApiError("an event has no id to go on from", where=_WHAT)
        raise ApiError(f"a window did not end within {MAX_PAGES} pages", where=_WHAT)

    def count(self, span: Span) -> int | None:
        """The number that a query for one event tells."""
        count = self._query(span, limit=1, offset=None)[0].events.count
        return None if count is None else int(count)

    def with_feedback(self, span: Span, feedback: int) -> Iterator[Page]:
        """None: whether events are ever changed is not documented."""
        del span, feedback
        return iter(())

    def body(self, log_id: str, kind: str) -> bytes | None:
        """None: where the newer system keeps bodies is not documented."""
        del log_id, kind
        return None

    def _query(self, span: Span, *, limit: int, offset: str | None) -> tuple[_Result, bytes]:
        body: dict[str, Any] = {
            "queryId": "wai-logs-pull",
            # Milliseconds, both ends included; rows beyond the window are left to the next one.
            "timeframe": {"from": _millis(span.since), "to": _millis(span.until, up=True)},
            "view": "events",
            "parameters": {
                "datasets": [DATASET],
                "filters": [
                    {
                        "key": "$metadata.service",
                        "operation": "eq",
                        "type": "string",
                        "value": self._gateway_id,
                    }
                ],
            },
            "limit": limit,
        }
        if offset is not None:
            body["offset"] = offset
        path = f"{self._api.account_path}/workers/observability/telemetry/query"
        content = self._api.post(path, body, what=_WHAT).content
        try:
            return _ENVELOPE.decode(content).result, content
        except (msgspec.MsgspecError, ValueError) as error:
            raise ApiError(f"the answer holds no events: {error}", where=_WHAT) from error


def _key(event: _Event) -> RowKey | None:
    """The row's own key; else the frame's id and time."""
    if (key := key_of(event.source)) is not None:
        return key
    if event.metadata.id is None or event.timestamp is None:
        return None
    at = _EPOCH + timedelta(milliseconds=event.timestamp)
    return RowKey(id=event.metadata.id, created_at=at)


def _millis(at: datetime, *, up: bool = False) -> int:
    whole, rest = divmod(at - _EPOCH, timedelta(milliseconds=1))
    return whole + (1 if up and rest else 0)
