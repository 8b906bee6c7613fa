"""The gateway's own log list, 50 rows a page: Cloudflare calls it the Legacy Logs API.

Pages are numbered, so a row that arrives or goes while they are read moves all later ones. This
module only turns pages; that a reading is whole is checked by `reading.py`, which counts.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from wai_ops.cloudflare.control import ApiError
from wai_ops.cloudflare.logs_api import ReadingApi
from wai_ops.core.clock import to_utc_text
from wai_ops.observe.ingest.pull_source import Page, key_of
from wai_ops.observe.ingest.windows import Span

PER_PAGE = 50
"""The most that the API gives; with 100 it refuses."""
MAX_PAGES = 4000
"""Of one window; a server that repeats itself must not be read for ever."""
_NOT_FOUND = 404


class _Info(msgspec.Struct):
    total_count: int | None = None


class _Envelope(msgspec.Struct):
    result: list[msgspec.Raw]
    result_info: _Info | None = None
    success: bool = True


_ENVELOPE = msgspec.json.Decoder(_Envelope)


def decode_page(content: bytes, what: str) -> Page:
    """Cut an answer into rows without decoding more than their keys. Raises ApiError."""
    try:
        envelope = _ENVELOPE.decode(content)
    except (msgspec.MsgspecError, ValueError) as error:
        raise ApiError(
            f"the answer is not a page of rows: {error}",
            where=what,
            hint="check the base address, and whether a proxy answers in between",
        ) from error
    info = envelope.result_info
    return Page(
        rows=envelope.result,
        keys=[key_of(row) for row in envelope.result],
        total=None if info is None else info.total_count,
    )


class LegacyLogs:
    """One gateway's log by `GET .../logs`."""

    name = "logs api"

    def __init__(self, api: ReadingApi, gateway_id: str) -> None:
        """Read through `api`."""
        self._api = api
        self._gateway_id = gateway_id
        self._path = f"/ai-gateway/gateways/{gateway_id}/logs"
        self._what = f"GET /ai-gateway/gateways/{gateway_id}/logs"

    def pages(self, span: Span) -> Iterator[Page]:
        """Ascending by time, until a page is not full."""
        for number in range(1, MAX_PAGES + 1):
            page = self._page(span, number)
            yield page
            if len(page.rows) < PER_PAGE:
                return
        raise ApiError(f"a window did not end within {MAX_PAGES} pages", where=self._what)

    def count(self, span: Span) -> int | None:
        """By `result_info` of a page with one row."""
        return self._page(span, 1, per_page=1).total

    def body(self, log_id: str, kind: str) -> bytes | None:
        """By `GET .../logs/{id}/request` or `/response`: raw, without an envelope."""
        try:
            answer = self._api.get(
                f"{self._path}/{log_id}/{kind}", what=f"{self._what}/{{id}}/{kind}"
            )
        except ApiError as error:
            if error.status == _NOT_FOUND:
                return None
            raise
        return answer.content

    def with_feedback(self, span: Span, feedback: int) -> Iterator[Page]:
        """Rows of a window that were rated so (1 or -1)."""
        filters = [{"key": "feedback", "operator": "eq", "value": [feedback]}]
        text = msgspec.json.encode(filters).decode()
        for number in range(1, MAX_PAGES + 1):
            page = self._page(span, number, filters=text)
            yield page
            if len(page.rows) < PER_PAGE:
                return

    def _page(self, span: Span, number: int, *, per_page: int = PER_PAGE, **more: Any) -> Page:
        params = {
            "page": number,
            "per_page": per_page,
            "order_by": "created_at",
            "order_by_direction": "asc",
            # Both ends are included by the API; what lies at the end is left to the next window.
            "start_date": to_utc_text(span.since),
            "end_date": to_utc_text(span.until),
            **more,
        }
        return decode_page(self._api.get(self._path, params, what=self._what).content, self._what)
