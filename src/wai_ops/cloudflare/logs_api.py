"""Reading calls whose raw bytes matter: log pages, bodies, telemetry queries, GraphQL.

The official package decodes every row into a model and re-sends on its own; here pages stay bytes
and every pause goes through one `Gate` that all workers share. Only what may be sent twice without
harm goes through this client: reads.
"""

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn, Protocol

import httpx

from wai_ops.cloudflare.api_errors import ApiAccessError, ApiError
from wai_ops.cloudflare.decode import find_error
from wai_ops.cloudflare.retry import parse_retry_after
from wai_ops.core.clock import Clock
from wai_ops.core.text import one_line

CONNECT_S = 5.0
READ_S = 30.0
MAX_ATTEMPTS = 7
"""Of one request, where the server or the network fails."""
MAX_REFUSALS = 4
"""How often one request waits out a 429 before it gives up."""
MAX_FORBIDDEN = 3
"""A new token may be refused for a moment on some of the API's machines."""
_BASE_DELAY_S, _MAX_DELAY_S = 0.5, 30.0
_BLOCKED_S = 300.0
"""The wait after a 429 that names none: a breach of the limit blocks for five minutes."""
_MAX_RETRY_AFTER_S = 3600.0
_RETRIED = (408, 425, 500, 502, 503, 504, 520, 521, 522, 523, 524, 525, 526, 527, 530)
_REFUSED = 429


class Gate(Protocol):
    """Where every request waits for its turn."""

    def enter(self) -> None:
        """Wait until one more request may be sent."""
        ...

    def close(self, seconds: float) -> None:
        """Let nobody through for so long: the API said so."""
        ...

    def pause(self, seconds: float, why: str) -> None:
        """Keep this caller alone waiting; `why` is for people."""
        ...

    def hear(self, remaining: int, reset_s: float) -> None:
        """Take note of what the API says is left of its limit, and until when."""
        ...


class ReadingApi:
    """Reads from one account with one token; may be called by many threads."""

    def __init__(
        self, http: httpx.Client, *, account_id: str, gate: Gate, clock: Clock, rng: random.Random
    ) -> None:
        """Wrap a client; made by `open_reading_api`."""
        self._http = http
        self.account_path = f"/accounts/{account_id}"
        self.account_id = account_id
        self._gate = gate
        self._clock = clock
        self._rng = rng
        self.request_count = 0

    def get(
        self, path: str, params: Mapping[str, str | int] | None = None, *, what: str
    ) -> httpx.Response:
        """GET a path below the account. `what` names the call in messages.

        Raises ApiError (404 among them) and ApiAccessError, after every retry that makes sense.
        """
        return self._send("GET", self.account_path + path, what, params=dict(params or {}))

    def post(self, path: str, body: Any, *, what: str, is_patient: bool = True) -> httpx.Response:
        """POST a query that changes nothing; `path` is below the base address. Raises as `get`.

        Without patience it is sent once: for an answer that is good to have, and no more.
        """
        return self._send("POST", path, what, is_patient=is_patient, json=body)

    def _send(
        self, method: str, path: str, what: str, *, is_patient: bool = True, **options: Any
    ) -> httpx.Response:
        failures = refusals = forbidden = 0
        while True:
            self._gate.enter()
            self.request_count += 1
            try:
                response = self._http.request(method, path, **options)
            except httpx.TransportError as error:
                failures += 1
                if failures >= MAX_ATTEMPTS or not is_patient:
                    raise _unreachable(error, what, failures) from error
                self._gate.pause(self._backoff(failures), f"no answer: {_words_of(error)}")
                continue
            self._hear(response)
            if response.is_success:
                return response
            if not is_patient:
                _refuse(response, what)
            if response.status_code == _REFUSED and refusals < MAX_REFUSALS:
                refusals += 1
                self._gate.close(self._blocked_s(response))
            elif response.status_code in _RETRIED and failures + 1 < MAX_ATTEMPTS:
                failures += 1
                asked = parse_retry_after(
                    response.headers.get("retry-after"), now=self._clock.now()
                )
                delay_s = max(self._backoff(failures), asked or 0.0)
                self._gate.pause(min(delay_s, _MAX_RETRY_AFTER_S), f"HTTP {response.status_code}")
            elif response.status_code in (401, 403) and forbidden + 1 < MAX_FORBIDDEN:
                forbidden += 1
                self._gate.pause(self._backoff(forbidden), f"HTTP {response.status_code}")
            else:
                _refuse(response, what)

    def _backoff(self, failures: int) -> float:
        """Half fixed, half drawn: workers that failed together do not come back together."""
        ceiling = min(_MAX_DELAY_S, _BASE_DELAY_S * 2.0 ** (failures - 1))
        return ceiling * (0.5 + self._rng.random() / 2)

    def _blocked_s(self, response: httpx.Response) -> float:
        asked = parse_retry_after(response.headers.get("retry-after"), now=self._clock.now())
        return _BLOCKED_S if asked is None else min(asked, _MAX_RETRY_AFTER_S)

    def _hear(self, response: httpx.Response) -> None:
        remaining = response.headers.get("x-ratelimit-remaining", "")
        reset_s = parse_retry_after(
            response.headers.get("x-ratelimit-reset"), now=self._clock.now()
        )
        if remaining.isdigit() and reset_s is not None:
            self._gate.hear(int(remaining), reset_s)


@contextmanager
def open_reading_api(
    *,
    base_url: str,
    account_id: str,
    token: str,
    gate: Gate,
    clock: Clock,
    rng: random.Random,
    is_local: bool = False,
    parallel: int = 1,
) -> Iterator[ReadingApi]:
    """Open a client for one account. `is_local`: the address is on this machine, use no proxy."""
    with httpx.Client(
        base_url=base_url,
        headers={"authorization": f"Bearer {token}"},
        timeout=httpx.Timeout(READ_S, connect=CONNECT_S, pool=None),
        limits=httpx.Limits(max_connections=parallel + 1),
        follow_redirects=False,  # a token goes to the address that was configured, nowhere else
        trust_env=not is_local,
    ) as http:
        yield ReadingApi(http, account_id=account_id, gate=gate, clock=clock, rng=rng)


def _unreachable(error: httpx.TransportError, what: str, attempts: int) -> ApiError:
    reason = _words_of(error)
    return ApiError(
        f"no answer after {attempts} attempts: {reason}",
        where=what,
        hint="check the network, then run the same command again: it goes on where it stopped",
        is_unreachable=True,
    )


def _refuse(response: httpx.Response, what: str) -> NoReturn:
    code, message = None, ""
    try:
        body = response.json()
    except (ValueError, RecursionError):
        body = None
    if isinstance(body, dict) and (error := find_error(body)) is not None:
        code, message = error.code, one_line(error.message, 200)
    status = response.status_code
    text = f"HTTP {status}" + (f", code {code}" if code is not None else "")
    text += f": {message}" if message else ""
    if status in (401, 403):
        raise ApiAccessError(text, where=what, status=status, code=code)
    hint = None
    if status == _REFUSED:
        hint = "something else uses up the account's rate limit; try again later, or lower --rate"
    elif status >= 500:
        hint = "the same command goes on where it stopped"
    raise ApiError(text, where=what, status=status, code=code, hint=hint)


def _words_of(error: httpx.TransportError) -> str:
    return one_line(str(error), 200) or type(error).__name__
