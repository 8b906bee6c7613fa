"""Cloudflare's control plane through the official package.

The package is imported inside functions only: it costs half a second. It re-sends failed calls on
its own and reads other credentials from the environment; here it does neither.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from types import SimpleNamespace
from typing import Any

from wai_ops.cloudflare.api_errors import (
    ApiAccessError,
    ApiError,
    first_error,
    odd_answer,
    translated,
)
from wai_ops.core.clock import Clock
from wai_ops.core.text import one_line

CONNECT_S = 5.0
READ_S = 10.0
CATALOGUE_PAGE = 50
MAX_PAGES = 100
ABSENT_MODEL = "@cf/wai/no-such-model"
"""A name that no model has."""
_TELEMETRY_MINUTES = 10
_TOKEN_ID = re.compile(r"[0-9a-zA-Z_-]{1,64}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenStatus:
    """What token verification says."""

    owner: str
    """`user` or `account`: the two kinds of token are verified at different addresses."""
    status: str
    """`active`, `disabled` or `expired`."""
    expires_on: datetime | None
    token_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """The facts about a gateway that a health check needs. None: the answer does not say."""

    id: str
    is_collecting_logs: bool | None
    is_authenticated: bool | None


@dataclass(frozen=True, slots=True)
class _Answer:
    result: Any
    info: Mapping[str, Any]


class ControlPlane:
    """Calls on one account with one token. Every call raises ApiError or ApiAccessError."""

    def __init__(self, sdk: Any, account_id: str, skews: list[timedelta]) -> None:
        """Wrap the official client; made by `open_control_plane`."""
        self._sdk = sdk
        self._account_id = account_id
        self._skews = skews

    @property
    def clock_skew(self) -> timedelta | None:
        """Server time less local time, the least of all answers so far; None before the first."""
        return min(self._skews, key=abs) if self._skews else None

    def verify_token(self) -> TokenStatus:
        """Verify the token as a user's token, then as an account's."""
        owner = "user"
        try:
            answer = self._call(
                "GET /user/tokens/verify", self._sdk.user.tokens.with_raw_response.verify
            )
        except (ApiAccessError, ApiError) as refusal:
            if refusal.status not in (400, 401, 403, 404):
                raise
            owner = "account"
            try:
                answer = self._call(
                    "GET /accounts/{account}/tokens/verify",
                    self._sdk.accounts.tokens.with_raw_response.verify,
                    account_id=self._account_id,
                )
            except (ApiAccessError, ApiError) as error:
                # Neither knows the token: the first answer is the one that says why.
                raise (error if error.status is None else refusal) from error
        result = answer.result if isinstance(answer.result, dict) else {}
        return TokenStatus(
            owner=owner,
            status=one_line(str(result.get("status", "unknown")), 40),
            expires_on=_time(result.get("expires_on")),
            token_id=_token_id(result.get("id")),
        )

    def get(self, path: str) -> Any:
        """GET an address below the base, `{account}` filled in; the answer's `result` as it came.

        For what the official package has no name for, or whose name differs between versions.
        """
        import httpx

        url = path.replace("{account}", self._account_id)

        def call() -> Any:
            return SimpleNamespace(http_response=self._sdk.get(url, cast_to=httpx.Response))

        return self._call(f"GET {path}", call).result

    def ask_absent_model(self) -> None:
        """Ask a model that does not exist, so that nothing can run; always raises.

        ApiAccessError: the token may not run models. Any other answer of the service: it may.
        """
        import httpx

        path = "/accounts/{account}/ai/run/" + ABSENT_MODEL
        url = path.replace("{account}", self._account_id)

        def call() -> Any:
            body = {"prompt": "x", "max_tokens": 1}
            answer = self._sdk.post(url, body=body, cast_to=httpx.Response)
            return SimpleNamespace(http_response=answer)

        self._call(f"POST {path}", call)
        raise ApiError("a model that does not exist answered", where=f"POST {path}")

    def gateway(self, gateway_id: str) -> Gateway | None:
        """One gateway; None when the account has none of that name."""
        try:
            answer = self._call(
                "GET /ai-gateway/gateways/{gateway}",
                self._sdk.ai_gateway.with_raw_response.get,
                gateway_id,
                account_id=self._account_id,
            )
        except ApiError as error:
            if error.status == 404:
                return None
            raise
        return _gateway(answer.result, gateway_id)

    def gateways(self) -> list[Gateway]:
        """The account's gateways; an account may have twenty, so one page is all of them."""
        answer = self._call(
            "GET /ai-gateway/gateways",
            self._sdk.ai_gateway.with_raw_response.list,
            account_id=self._account_id,
            page=1,
            per_page=50,
        )
        items = answer.result if isinstance(answer.result, list) else []
        return [_gateway(item, "") for item in items if isinstance(item, dict)]

    def count_legacy_logs(self, gateway_id: str) -> int | None:
        """Ask the legacy log API for one row. Returns how many there are, None if it hides that."""
        answer = self._call(
            "GET /ai-gateway/gateways/{gateway}/logs",
            self._sdk.ai_gateway.logs.with_raw_response.list,
            gateway_id,
            account_id=self._account_id,
            page=1,
            per_page=1,
            order_by="created_at",
            order_by_direction="desc",
        )
        total = answer.info.get("total_count")
        if isinstance(total, int):
            return total
        return len(answer.result) if isinstance(answer.result, list) and answer.result else None

    def probe_telemetry(self, now: datetime) -> None:
        """Run a dry query against the newer log system; returns when it answers."""
        since = now - timedelta(minutes=_TELEMETRY_MINUTES)
        self._call(
            "POST /workers/observability/telemetry/query",
            self._sdk.workers.observability.telemetry.with_raw_response.query,
            account_id=self._account_id,
            query_id="wai-doctor",
            timeframe={"from": _millis(since), "to": _millis(now)},
            view="events",
            parameters={},
            limit=1,
            dry=True,
        )

    def catalogue_page(self, page: int, per_page: int = CATALOGUE_PAGE) -> list[Any]:
        """One page of the model catalogue, newest deprecations included; items as they came."""
        answer = self._call(
            "GET /ai/models/search",
            self._sdk.ai.models.with_raw_response.list,
            account_id=self._account_id,
            include_deprecated=True,
            page=page,
            per_page=per_page,
        )
        if not isinstance(answer.result, list):
            raise ApiError("the answer holds no list of models", where="GET /ai/models/search")
        return answer.result

    def catalogue(self) -> list[Any]:
        """The whole catalogue. A server that ignores `page` ends it as well as an empty page.

        Raises ApiError when it does not end within a hundred pages.
        """
        items: list[Any] = []
        seen: set[str] = set()
        for page in range(1, MAX_PAGES + 1):
            texts = [
                (json.dumps(item, sort_keys=True, default=str), item)
                for item in self.catalogue_page(page)
            ]
            fresh = [(text, item) for text, item in texts if text not in seen]
            if not fresh:
                return items
            seen.update(text for text, _ in fresh)
            items += [item for _, item in fresh]
        raise ApiError(
            f"the catalogue did not end within {MAX_PAGES} pages", where="GET /ai/models/search"
        )

    def raw(
        self,
        method: str,
        path: str,
        *,
        what: str,
        body: Any = None,
        query: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Call what the package has no method for, or would re-spell; `path` is below the account.

        Sent once. Returns the whole decoded answer.
        """
        import httpx
        from cloudflare import APIError

        send = getattr(self._sdk, method.lower())
        options: dict[str, Any] = {"params": dict(query or {})}
        sent = {} if method == "GET" else {"body": body}
        try:
            answer = send(
                f"/accounts/{self._account_id}{path}",
                cast_to=httpx.Response,
                options=options,
                **sent,
            )
        except APIError as error:
            raise translated(error, what) from error
        try:
            decoded = json.loads(answer.text)
        except (ValueError, RecursionError) as error:
            raise odd_answer(what) from error
        if not isinstance(decoded, dict):
            raise odd_answer(what)
        if decoded.get("success") is False:
            code, message = first_error(decoded)
            raise ApiError(message or "the call failed without a reason", where=what, code=code)
        return decoded

    def _call(self, what: str, call: Callable[..., Any], *args: Any, **options: Any) -> _Answer:
        from cloudflare import APIError

        try:
            text = call(*args, **options).http_response.text
        except APIError as error:
            raise translated(error, what) from error
        try:
            body = json.loads(text, parse_float=Decimal)
        except (ValueError, RecursionError) as error:
            raise odd_answer(what) from error
        if not isinstance(body, dict) or "result" not in body:
            raise odd_answer(what)
        if body.get("success") is False:
            code, message = first_error(body)
            raise ApiError(message or "the call failed without a reason", where=what, code=code)
        info = body.get("result_info")
        return _Answer(body["result"], info if isinstance(info, dict) else {})


@contextmanager
def open_control_plane(
    *, base_url: str, account_id: str, token: str, clock: Clock, is_local: bool = False
) -> Iterator[ControlPlane]:
    """Open a client for one account. `is_local`: the address is on this machine, use no proxy."""
    import cloudflare
    import httpx

    skews: list[timedelta] = []

    def note_date(response: httpx.Response) -> None:
        if (sent_at := _http_date(response.headers.get("date"))) is not None:
            # The header is cut to the second; its middle is the best guess.
            skews.append(sent_at + timedelta(milliseconds=500) - clock.now())

    timeout = httpx.Timeout(READ_S, connect=CONNECT_S)
    with httpx.Client(
        timeout=timeout,
        follow_redirects=False,  # a token goes to the address that was configured, nowhere else
        trust_env=not is_local,
        event_hooks={"response": [note_date]},
    ) as http:
        sdk = cloudflare.Cloudflare(
            api_token=token, base_url=base_url, max_retries=0, timeout=timeout, http_client=http
        )
        # The package would prefer these, found in the environment, to the token that it was given.
        sdk.api_key = sdk.api_email = sdk.user_service_key = None
        yield ControlPlane(sdk, account_id, skews)


def _gateway(result: Any, default_id: str) -> Gateway:
    data = result if isinstance(result, dict) else {}
    collects, authenticated = data.get("collect_logs"), data.get("authentication")
    return Gateway(
        id=one_line(str(data.get("id", default_id)), 64),
        is_collecting_logs=collects if isinstance(collects, bool) else None,
        is_authenticated=authenticated if isinstance(authenticated, bool) else None,
    )


def _token_id(text: Any) -> str | None:
    """The id, when it is one: it becomes part of an address."""
    return text if isinstance(text, str) and _TOKEN_ID.match(text) else None


def _time(text: Any) -> datetime | None:
    from wai_ops.core.clock import parse_utc

    try:
        return parse_utc(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _http_date(text: str | None) -> datetime | None:
    try:
        at = parsedate_to_datetime(text) if text else None
    except ValueError:
        return None
    if at is None:
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _millis(at: datetime) -> int:
    return int(at.timestamp() * 1000)
