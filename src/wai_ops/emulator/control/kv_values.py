"""KV pairs: write, read, list, and all three in bulk."""

import sqlite3
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from wai_ops.emulator.answers import envelope, json_response
from wai_ops.emulator.control.documents import Table
from wai_ops.emulator.control.kv_namespaces import require_namespace
from wai_ops.emulator.control.kv_rules import (
    MAX_BULK,
    MAX_BULK_BYTES,
    MAX_BULK_GET,
    MAX_KEYS_PAGE,
    MAX_VALUE,
    MIN_KEYS_PAGE,
    Pair,
    check_key,
    check_value,
    expiry,
    from_cursor,
    invalid,
    key_not_found,
    metadata_text,
    parse_metadata,
    parse_pair,
    to_cursor,
    too_many_writes,
)
from wai_ops.emulator.control.multipart import MultipartError, is_multipart, parse_multipart, single
from wai_ops.emulator.control.requests import found, read_bytes, read_fields, read_json
from wai_ops.emulator.decoding import decode_json
from wai_ops.emulator.services import Services
from wai_ops.emulator.store import load_sql

_T = TypeVar("_T")
_SPARE = 64 * 1024
"""What a multipart body may be longer than the value in it."""
_WRITE_INTERVAL_S = 1.0


async def put_value(services: Services, request: Request) -> Response:
    """`PUT .../values/{key}`: raw bytes, or parts `value` and `metadata`."""
    params = request.query_params
    key = check_key(request.path_params["key"])
    value, metadata = await _read_value(request)
    now = _now(services)
    pair = Pair(
        key=key,
        value=check_value(value),
        metadata=metadata_text(metadata),
        expires_at=expiry(params.get("expiration"), params.get("expiration_ttl"), now),
    )
    if await _change(services, request, lambda namespace: namespace.put([pair])):
        raise too_many_writes()
    return json_response(envelope({}))


async def get_value(services: Services, request: Request) -> Response:
    """`GET .../values/{key}`: the bytes, without an envelope."""
    row = await _pair(services, request)
    headers = {} if row["expires_at"] is None else {"expiration": str(row["expires_at"])}
    return Response(row["value"], headers=headers, media_type="application/octet-stream")


async def get_metadata(services: Services, request: Request) -> Response:
    """`GET .../metadata/{key}`: null when the pair has none."""
    row = await _pair(services, request)
    return json_response(envelope(_metadata(row)))


async def delete_value(services: Services, request: Request) -> Response:
    """`DELETE .../values/{key}`; a key that is not there is deleted as well."""
    key = check_key(request.path_params["key"])
    await _change(services, request, lambda namespace: namespace.delete([key]))
    return json_response(envelope({}))


async def list_keys(services: Services, request: Request) -> Response:
    """`GET .../keys`: by prefix, a page after the cursor of the one before."""
    params = request.query_params
    limit = _limit(params.get("limit"))
    cursor = params.get("cursor")
    after = from_cursor(cursor) if cursor else ""
    rows = await _read(
        services,
        request,
        lambda namespace: namespace.keys(params.get("prefix", ""), after, limit + 1),
    )
    shown = rows[:limit]
    more = to_cursor(shown[-1]["key"]) if len(rows) > limit else ""
    info = {"count": len(shown), "cursor": more}
    return json_response(envelope([_key(row) for row in shown], info=info))


async def bulk_put(services: Services, request: Request) -> Response:
    """`PUT .../bulk`: all pairs are checked before the first is written."""
    items = await read_json(request, invalid, MAX_BULK_BYTES)
    pairs = [parse_pair(item, _now(services)) for item in _list(items, MAX_BULK)]
    failed = await _change(services, request, lambda namespace: namespace.put(pairs))
    return _bulk_answer(len(pairs), failed)


async def bulk_delete(services: Services, request: Request) -> Response:
    """`POST .../bulk/delete`."""
    items = await read_json(request, invalid, MAX_BULK_BYTES)
    keys = [check_key(item) for item in _list(items, MAX_BULK)]
    await _change(services, request, lambda namespace: namespace.delete(keys))
    return _bulk_answer(len(keys), [])


async def bulk_get(services: Services, request: Request) -> Response:
    """`POST .../bulk/get`: null for keys that are not there."""
    fields = await read_fields(request, invalid)
    keys = [check_key(key) for key in _list(fields.texts("keys"), MAX_BULK_GET)]
    kind = fields.optional(lambda name: fields.choice(name, ("text", "json")), "type", "text")
    with_metadata = fields.optional(fields.flag, "withMetadata", default=False)
    rows = await _read(services, request, lambda namespace: [namespace.get(key) for key in keys])
    values = {
        key: None if row is None else _bulk_item(row, kind, with_metadata=with_metadata)
        for key, row in zip(keys, rows, strict=True)
    }
    return json_response(envelope({"values": values}))


class _Namespace:
    """The pairs of one namespace inside a transaction."""

    def __init__(self, table: Table, namespace_id: str, now: float, *, limits_rate: bool) -> None:
        require_namespace(table, namespace_id)
        self._connection = table.connection
        self._id = namespace_id
        self._now = now
        self._limits_rate = limits_rate

    def _run(self, statement: str, **values: Any) -> sqlite3.Cursor:
        common = {"namespace_id": self._id, "now": self._now}
        return self._connection.execute(load_sql(f"control/{statement}"), {**common, **values})

    def get(self, key: str) -> sqlite3.Row | None:
        row: sqlite3.Row | None = self._run("kv_get", key=key).fetchone()
        return row

    def keys(self, prefix: str, after: str, most: int) -> list[sqlite3.Row]:
        return self._run("kv_keys", prefix=prefix, after=after, most=most).fetchall()

    def put(self, pairs: Iterable[Pair]) -> list[str]:
        """Write them; returns the keys that were written too recently."""
        self._run("kv_expire")
        failed = []
        for pair in pairs:
            if self._limits_rate and self._is_too_soon(pair.key):
                failed.append(pair.key)
                continue
            self._run(
                "kv_put",
                key=pair.key,
                value=pair.value,
                metadata=pair.metadata,
                expires_at=pair.expires_at,
            )
        return failed

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            self._run("kv_delete", key=key)

    def _is_too_soon(self, key: str) -> bool:
        row = self.get(key)
        return row is not None and self._now - row["written_at"] < _WRITE_INTERVAL_S


async def _read(services: Services, request: Request, query: Callable[[_Namespace], _T]) -> _T:
    opened = _opener(services, request)
    return await services.gateways.documents.read(lambda table: query(opened(table)))


async def _change(services: Services, request: Request, work: Callable[[_Namespace], _T]) -> _T:
    opened = _opener(services, request)
    return await services.gateways.documents.change(lambda table: work(opened(table)))


def _opener(services: Services, request: Request) -> Callable[[Table], _Namespace]:
    namespace_id, now = request.path_params["namespace_id"], _now(services)
    limits_rate = services.knobs.current.limits.kv_write_rate
    return lambda table: _Namespace(table, namespace_id, now, limits_rate=limits_rate)


def _now(services: Services) -> float:
    return services.clock.now().timestamp()


async def _pair(services: Services, request: Request) -> sqlite3.Row:
    key = check_key(request.path_params["key"])
    return found(
        await _read(services, request, lambda namespace: namespace.get(key)), key_not_found()
    )


async def _read_value(request: Request) -> tuple[bytes, Any]:
    content_type = request.headers.get("content-type", "")
    body = await read_bytes(request, MAX_VALUE + _SPARE)
    if not is_multipart(content_type):
        return body, None
    try:
        parts = parse_multipart(content_type, body)
    except MultipartError as error:
        raise invalid(str(error)) from error
    value = single(parts, "value")
    if value is None:
        raise invalid("the part `value` is missing")
    metadata = single(parts, "metadata")
    text = "" if metadata is None else metadata.content.decode("utf-8", "replace")
    return value.content, parse_metadata(text) if text else None


def _limit(text: str | None) -> int:
    if text is None:
        return MAX_KEYS_PAGE
    is_number = text.isascii() and text.isdigit() and len(text) <= len(str(MAX_KEYS_PAGE))
    if not is_number or not MIN_KEYS_PAGE <= int(text) <= MAX_KEYS_PAGE:
        raise invalid(f"limit must be from {MIN_KEYS_PAGE} to {MAX_KEYS_PAGE}")
    return int(text)


def _list(items: Any, most: int) -> list[Any]:
    if not isinstance(items, list) or len(items) > most:
        raise invalid(f"a list of at most {most} is needed")
    return items


def _bulk_answer(count: int, failed: list[str]) -> Response:
    result = {"successful_key_count": count - len(failed), "unsuccessful_keys": failed}
    return json_response(envelope(result))


def _bulk_item(row: sqlite3.Row, kind: str, *, with_metadata: bool) -> Any:
    text = bytes(row["value"]).decode("utf-8", "replace")
    value = text if kind == "text" else _decoded(row["key"], text)
    if not with_metadata:
        return value
    item = {"value": value, "metadata": _metadata(row)}
    return item if row["expires_at"] is None else {**item, "expiration": row["expires_at"]}


def _decoded(key: str, text: str) -> Any:
    try:
        return decode_json(text)
    except ValueError:
        raise invalid(f"the value of {key!r} is not JSON") from None


def _key(row: sqlite3.Row) -> dict[str, Any]:
    item: dict[str, Any] = {"name": row["key"]}
    if row["expires_at"] is not None:
        item["expiration"] = row["expires_at"]
    if row["metadata"] is not None:
        item["metadata"] = _metadata(row)
    return item


def _metadata(row: sqlite3.Row) -> Any:
    return None if row["metadata"] is None else decode_json(row["metadata"])
