"""The gateway's own log list, 50 rows a page: Cloudflare calls it the Legacy Logs API.

Pages are numbered, so a row that goes or comes while they are read would move all later ones. So
every page but the first is asked for as the first page from the time of the last row on: it begins
with rows that were seen, whatever happened before them. Numbers turn pages only within one instant.
That a reading is whole is checked by `reading.py`, which counts.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import compress, takewhile
from typing import Any

import msgspec

from wai_ops.cloudflare.api_errors import ApiError
from wai_ops.cloudflare.logs_api import ReadingApi
from wai_ops.core.clock import to_utc_text
from wai_ops.observe.ingest.pull_source import Page, RowKey, key_of
from wai_ops.observe.ingest.windows import SHORTEST, Span
from wai_ops.observe.ledger.pull_rows import flat

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


class _Keys(msgspec.Struct):
    result: list[RowKey]


_ENVELOPE = msgspec.json.Decoder(_Envelope)
_KEYS = msgspec.json.Decoder(_Keys)


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
    keys: Sequence[RowKey | None]
    try:
        # Going over the answer twice in one piece is quicker than asking each row.
        keys = _KEYS.decode(content).result
    except (msgspec.MsgspecError, ValueError):
        keys = [key_of(row) for row in envelope.result]
    return Page(
        rows=flat(envelope.result, content),
        keys=keys,
        total=None if info is None else info.total_count,
    )


class LegacyLogs:
    """One gateway's log by `GET .../logs`."""

    name = "logs api"

    def __init__(self, api: ReadingApi, gateway_id: str) -> None:
        """Read through `api`."""
        self._api = api
        self._path = f"/ai-gateway/gateways/{gateway_id}/logs"
        self._what = f"GET /ai-gateway/gateways/{gateway_id}/logs"
        self._by_filters = False
        """The older parameters for times are deprecated; once they do nothing, filters are used."""

    def pages(self, span: Span) -> Iterator[Page]:
        """Ascending by time, until a page is not full; then the count of the whole, if it took two.

        Only the first and the last page tell a total: that of the whole window.
        """
        at, number = span.since, 1
        shown: set[str] = set()  # of the instant `at`
        for turn in range(MAX_PAGES):
            page = self._page(Span(at, span.until), number)
            is_full = len(page.rows) >= PER_PAGE
            yield _without(page, shown, with_total=turn == 0)
            if not is_full:
                if turn:
                    yield Page(rows=(), keys=(), total=self.count(span))
                return
            last = page.keys[-1]
            if last is None or last.created_at <= at:
                number += 1
            else:
                at, number = last.created_at, 1
                shown = _last_ids(page.keys, at)
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
        """Rows of a window that were rated so (1 or -1); these pages are turned by number."""
        rated = {"key": "feedback", "operator": "eq", "value": [feedback]}
        for number in range(1, MAX_PAGES + 1):
            page = self._page(span, number, filters=(rated,))
            yield page
            if len(page.rows) < PER_PAGE:
                return

    def _page(
        self,
        span: Span,
        number: int,
        *,
        per_page: int = PER_PAGE,
        filters: Sequence[Mapping[str, Any]] = (),
    ) -> Page:
        params: dict[str, str | int] = {
            "page": number,
            "per_page": per_page,
            "order_by": "created_at",
            "order_by_direction": "asc",
        }
        if self._by_filters:
            filters = [*filters, *_times(span)]
        else:
            # Both ends are included by the API; what lies at the end is left to the next window.
            params |= {"start_date": to_utc_text(span.since), "end_date": to_utc_text(span.until)}
        if filters:
            params["filters"] = msgspec.json.encode(filters).decode()
        page = decode_page(self._api.get(self._path, params, what=self._what).content, self._what)
        if not _is_outside(page, span):
            return page
        if self._by_filters:
            raise ApiError(
                "the API gives rows of another time than it was asked for", where=self._what
            )
        self._by_filters = True
        return self._page(span, number, per_page=per_page, filters=filters)


def _times(span: Span) -> list[Mapping[str, Any]]:
    """The window as filters, which know no `at least`: a millisecond more on both sides."""
    return [
        {"key": "created_at", "operator": "gt", "value": [to_utc_text(span.since - SHORTEST)]},
        {"key": "created_at", "operator": "lt", "value": [to_utc_text(span.until + SHORTEST)]},
    ]


def _is_outside(page: Page, span: Span) -> bool:
    return any(
        key is not None and not span.since - SHORTEST <= key.created_at <= span.until + SHORTEST
        for key in (page.keys[:1] and (page.keys[0], page.keys[-1]))
    )


def _without(page: Page, shown: set[str], *, with_total: bool) -> Page:
    """The page without the rows that the one before ended with."""
    if not shown:
        return page if with_total else replace(page, total=None)
    is_fresh = [key is None or key.id not in shown for key in page.keys]
    return Page(
        rows=list(compress(page.rows, is_fresh)),
        keys=list(compress(page.keys, is_fresh)),
        total=page.total if with_total else None,
    )


def _last_ids(keys: Sequence[RowKey | None], at: datetime) -> set[str]:
    """Of the rows that a page ends with, those of its last instant."""
    return {
        key.id
        for key in takewhile(lambda key: key is None or key.created_at == at, reversed(keys))
        if key is not None
    }
