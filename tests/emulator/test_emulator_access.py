"""Who gets in: tokens, permissions, Host and Origin."""

import http.client
from urllib.parse import urlsplit

import pytest

from emulator.api import Api

ROWS = "/ai-gateway/gateways/default/logs"


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer wrong", "Basic abc", "Bearer é"])
def test_every_request_needs_a_known_token(api: Api, header: str | None) -> None:
    headers = [] if header is None else [(b"authorization", header.encode())]
    answer = api.http.get(api.url("/ai/models/search"), headers=headers)
    assert answer.status_code == 401
    assert answer.json()["errors"] == [{"code": 10000, "message": "Authentication error"}]
    assert answer.json()["success"] is False


def test_even_an_unknown_path_needs_a_token(api: Api) -> None:
    assert api.http.get(api.endpoint.base_url + "/nothing").status_code == 401


@pytest.mark.parametrize("role", ["operator", "reader"])
def test_only_the_runtime_token_runs_models(api: Api, role: str) -> None:
    answer = api.chat(headers=api.auth(role))
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (403, 10000)


@pytest.mark.parametrize("path", ["/ai-gateway/gateways", ROWS, f"{ROWS}/x"])
def test_the_runtime_token_reads_no_gateway(api: Api, path: str) -> None:
    answer = api.get(path, role="runtime")
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (403, 10000)


def test_reader_and_operator_read_logs(api: Api) -> None:
    api.chat(headers={"cf-aig-gateway-id": "default"})
    for role in ("reader", "operator"):
        assert api.get(ROWS, role=role).status_code == 200


@pytest.mark.parametrize("role", ["runtime", "operator", "reader"])
def test_every_token_verifies_itself_and_reads_the_catalogue(api: Api, role: str) -> None:
    seen = set()
    for path in (api.url("/tokens/verify"), f"{api.endpoint.base_url}/user/tokens/verify"):
        body = api.http.get(path, headers=api.auth(role)).json()
        assert (body["success"], body["result"]["status"]) == (True, "active")
        seen.add(body["result"]["id"])
    assert len(seen) == 1
    assert api.get("/ai/models/search", role=role).status_code == 200


def test_another_account_is_not_open_to_the_token(api: Api) -> None:
    url = api.url("/ai/models/search").replace(api.endpoint.account_id, "0" * 32)
    answer = api.http.get(url, headers=api.auth("runtime"))
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (403, 10000)


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "127.0.0.1@evil.example", "10.0.0.1", ""]
)
def test_a_foreign_host_is_refused(api: Api, host: str) -> None:
    """A page that rebinds its own name to 127.0.0.1 must not reach the emulator."""
    assert _raw(api, host=host) == 403


@pytest.mark.parametrize("host", ["localhost", "localhost:1", "127.0.0.1", "[::1]:80"])
def test_loopback_hosts_are_served(api: Api, host: str) -> None:
    assert _raw(api, host=host) == 200


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:3000", 200),
        ("http://127.0.0.1", 200),
        ("https://evil.example", 403),
        ("http://localhost.evil.example", 403),
        ("null", 403),
    ],
)
def test_a_foreign_origin_is_refused(api: Api, origin: str, status: int) -> None:
    assert _raw(api, host="localhost", origin=origin) == status


def _raw(api: Api, *, host: str, origin: str | None = None) -> int:
    """A request whose Host header is exactly `host`."""
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(api.endpoint.base_url).port)
    try:
        connection.putrequest("GET", "/client/v4/user/tokens/verify", skip_host=True)
        connection.putheader("Host", host)
        if origin is not None:
            connection.putheader("Origin", origin)
        connection.putheader("Authorization", f"Bearer {api.endpoint.tokens['reader']}")
        connection.endheaders()
        return connection.getresponse().status
    finally:
        connection.close()


def test_the_endpoint_hides_its_tokens(api: Api) -> None:
    assert all(token not in repr(api.endpoint) for token in api.endpoint.tokens.values())
