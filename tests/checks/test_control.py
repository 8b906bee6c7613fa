"""The control plane over a real socket: one try, one credential, one error map."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from support.facts import ManualClock
from support.fake_api import ACCOUNT, Answer, FakeApi, Seen, refusal, result
from wai_ops.cloudflare.api_errors import ApiAccessError, ApiError
from wai_ops.cloudflare.control import ControlPlane, TokenStatus, open_control_plane

SEARCH = f"GET /accounts/{ACCOUNT}/ai/models/search"
GATEWAYS = f"/accounts/{ACCOUNT}/ai-gateway/gateways"
USER_VERIFY = "GET /user/tokens/verify"
ACCOUNT_VERIFY = f"GET /accounts/{ACCOUNT}/tokens/verify"


@contextmanager
def opened(base_url: str, token: str = "t0ken") -> Iterator[ControlPlane]:
    clock = ManualClock(datetime.now(UTC))
    with open_control_plane(
        base_url=base_url, account_id=ACCOUNT, token=token, clock=clock, is_local=True
    ) as plane:
        yield plane


def test_the_given_token_is_the_only_credential_that_is_sent(
    api: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("API_KEY", "EMAIL", "API_EMAIL", "API_USER_SERVICE_KEY", "API_TOKEN"):
        monkeypatch.setenv(f"CLOUDFLARE_{name}", "from-the-environment")
    monkeypatch.setenv("CLOUDFLARE_BASE_URL", "http://127.0.0.1:1/nowhere")
    api.routes[SEARCH] = result([])
    with opened(api.base_url) as plane:
        assert plane.catalogue_page(1) == []
    (seen,) = api.seen
    assert seen.headers["authorization"] == "Bearer t0ken"
    assert "from-the-environment" not in repr(seen.headers)


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502])
def test_a_failed_call_is_not_sent_again(api: FakeApi, status: int) -> None:
    api.routes[SEARCH] = refusal(status, 1234, "no")
    with opened(api.base_url) as plane, pytest.raises(ApiError) as caught:
        plane.catalogue_page(1)
    assert len(api.seen) == 1
    assert (caught.value.status, caught.value.code) == (status, 1234)
    assert caught.value.message == f"HTTP {status}, code 1234: no"
    assert caught.value.exit_code == 3


def test_a_rate_limit_says_when_to_come_back(api: FakeApi) -> None:
    api.routes[SEARCH] = refusal(429, 971, "slow down", retry_after="17")
    with opened(api.base_url) as plane, pytest.raises(ApiError) as caught:
        plane.catalogue_page(1)
    assert caught.value.hint == "try again in 17 s"


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_token_is_an_access_error(api: FakeApi, status: int) -> None:
    api.routes[SEARCH] = refusal(status, 10000, "Authentication\x1b[31m error")
    with opened(api.base_url) as plane, pytest.raises(ApiAccessError) as caught:
        plane.catalogue_page(1)
    assert caught.value.exit_code == 4
    assert "\x1b" not in caught.value.message


@pytest.mark.parametrize(
    "answer",
    [
        Answer(b"<html>log in to the hotel</html>"),
        Answer([1, 2]),
        Answer({"success": True}),
        Answer(b"[" * 100_000),
        Answer({"result": "no list", "success": True}),
        Answer({"result": None, "success": False, "errors": []}),
        Answer(b"<html>bad gateway</html>", 502),
        Answer({"errors": "odd"}, 400),
    ],
)
def test_an_answer_that_is_not_the_apis_is_an_error_and_never_a_crash(
    api: FakeApi, answer: Answer
) -> None:
    api.routes[SEARCH] = answer
    with opened(api.base_url) as plane, pytest.raises(ApiError):
        plane.catalogue_page(1)


def test_a_redirect_is_not_followed(api: FakeApi) -> None:
    api.routes[SEARCH] = Answer(b"", 302, {"location": f"{api.base_url}/stolen"})
    with opened(api.base_url) as plane, pytest.raises(ApiError, match="HTTP 302"):
        plane.catalogue_page(1)
    assert len(api.seen) == 1


def test_a_closed_port_is_unreachable_and_names_the_address() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with opened(f"http://127.0.0.1:{port}/client/v4") as plane, pytest.raises(ApiError) as caught:
        plane.verify_token()
    assert caught.value.is_unreachable
    assert caught.value.message.startswith(f"http://127.0.0.1:{port} cannot be reached: ")


def test_a_user_token_is_verified_at_the_users_address(api: FakeApi) -> None:
    api.routes[USER_VERIFY] = result(
        {"id": "x", "status": "active", "expires_on": "2027-01-01T00:00:00Z"}
    )
    with opened(api.base_url) as plane:
        assert plane.verify_token() == TokenStatus(
            owner="user",
            status="active",
            expires_on=datetime(2027, 1, 1, tzinfo=UTC),
            token_id="x",
        )


def test_an_account_token_is_verified_at_the_accounts_address(api: FakeApi) -> None:
    api.routes[USER_VERIFY] = refusal(401, 1000, "Invalid API Token")
    api.routes[ACCOUNT_VERIFY] = result({"id": "x", "status": "expired"})
    with opened(api.base_url) as plane:
        found = plane.verify_token()
    assert found == TokenStatus(owner="account", status="expired", expires_on=None, token_id="x")
    assert api.calls() == [USER_VERIFY, ACCOUNT_VERIFY]


def test_a_failing_server_is_not_taken_for_a_bad_token(api: FakeApi) -> None:
    api.routes[USER_VERIFY] = refusal(500, 1, "oops")
    with opened(api.base_url) as plane, pytest.raises(ApiError):
        plane.verify_token()
    assert api.calls() == [USER_VERIFY]


def test_a_gateway_is_there_or_none(api: FakeApi) -> None:
    api.routes[f"GET {GATEWAYS}/mine"] = result({"id": "mine", "collect_logs": False})
    with opened(api.base_url) as plane:
        found = plane.gateway("mine")
        assert plane.gateway("other") is None
    assert found is not None
    assert (found.id, found.is_collecting_logs, found.is_authenticated) == ("mine", False, None)


def test_the_log_probe_asks_for_one_row_and_reads_the_total(api: FakeApi) -> None:
    api.routes[f"GET {GATEWAYS}/g/logs"] = result([{"id": "1"}], total_count=41)
    with opened(api.base_url) as plane:
        assert plane.count_legacy_logs("g") == 41
    assert api.seen[0].query["per_page"] == "1"


def test_the_telemetry_probe_is_a_dry_query_of_the_last_minutes(api: FakeApi) -> None:
    path = f"POST /accounts/{ACCOUNT}/workers/observability/telemetry/query"
    api.routes[path] = result({"events": {}})
    now = datetime(2027, 1, 1, tzinfo=UTC)
    with opened(api.base_url) as plane:
        plane.probe_telemetry(now)
    body = api.seen[0].body
    assert body["dry"] is True
    frame = body["timeframe"]
    assert frame["to"] - frame["from"] == 600_000
    assert frame["to"] == int(now.timestamp() * 1000)


def pages(total: int, cap: int) -> FakeApi:
    """A catalogue of `total` items whose server gives at most `cap` a page."""

    def page(seen: Seen) -> Answer:
        size = min(cap, int(seen.query["per_page"]))
        start = (int(seen.query["page"]) - 1) * size
        items = [{"name": f"@cf/a/{i}"} for i in range(start, min(total, start + size))]
        return result(items)

    api = FakeApi()
    api.routes[SEARCH] = page
    return api


@pytest.mark.parametrize(("total", "cap"), [(0, 50), (3, 50), (50, 50), (120, 50), (45, 20)])
def test_every_page_of_the_catalogue_is_read_once(api: FakeApi, total: int, cap: int) -> None:
    api.routes = pages(total, cap).routes
    with opened(api.base_url) as plane:
        names = [item["name"] for item in plane.catalogue()]
    assert names == [f"@cf/a/{i}" for i in range(total)]
    assert api.seen[0].query["include_deprecated"] == "true"


def test_a_server_that_ignores_the_page_ends_after_the_second(api: FakeApi) -> None:
    api.routes[SEARCH] = result([{"name": "@cf/a/b"}, {"name": "@cf/a/c"}])
    with opened(api.base_url) as plane:
        assert len(plane.catalogue()) == 2
    assert len(api.seen) == 2


def test_a_catalogue_without_end_stops_at_the_ceiling(api: FakeApi) -> None:
    api.routes[SEARCH] = lambda seen: result([{"name": f"@cf/a/{seen.query['page']}"}])
    with opened(api.base_url) as plane, pytest.raises(ApiError, match="did not end within 100"):
        plane.catalogue()
    assert len(api.seen) == 100


def test_prices_arrive_as_the_digits_that_were_sent(api: FakeApi) -> None:
    text = b'{"success": true, "result": [{"price": 0.10000000000000000001}]}'
    api.routes[SEARCH] = Answer(text)
    with opened(api.base_url) as plane:
        assert plane.catalogue_page(1) == [{"price": Decimal("0.10000000000000000001")}]


@pytest.mark.parametrize("skew_s", [-120, 0, 7, 3600])
def test_the_servers_clock_is_compared_with_ours(api: FakeApi, skew_s: int) -> None:
    api.routes[SEARCH] = result([])
    clock = ManualClock(datetime(2027, 1, 1, tzinfo=UTC))
    api.clock, api.skew_s = clock.now, skew_s
    with open_control_plane(
        base_url=api.base_url, account_id=ACCOUNT, token="t", clock=clock, is_local=True
    ) as plane:
        assert plane.clock_skew is None
        plane.catalogue_page(1)
        assert plane.clock_skew == timedelta(seconds=skew_s + 0.5)


@pytest.mark.parametrize("date", ["", "yesterday", "Mon, 99 Jan 2027 00:00:00 GMT"])
def test_a_date_that_is_none_tells_nothing(api: FakeApi, date: str) -> None:
    api.routes[SEARCH] = Answer({"result": [], "success": True}, 200, {"date": date})
    with opened(api.base_url) as plane:
        plane.catalogue_page(1)
        assert plane.clock_skew is None
