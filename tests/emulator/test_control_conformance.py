"""The door for the official client's own tests: that key alone, and the same fixtures each time."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import cloudflare
import httpx
import pytest

from emulator.api import Api
from wai_ops.emulator.control.conformance import PLACEHOLDER_KEY

ACCOUNT = "0d37909e38d3e99c29fa2cd343ac421a"
SETTINGS: Any = {
    "cache_invalidate_on_update": True,
    "cache_ttl": 0,
    "collect_logs": True,
    "rate_limiting_interval": 0,
    "rate_limiting_limit": 0,
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What a serving process with the flag says of itself."""
    folder = tmp_path_factory.mktemp("conformance")
    command = [sys.executable, "-m", "wai_ops", "emulator", "serve", "--conformance", "--json"]
    with subprocess.Popen(
        [*command, "--state", str(folder / "state")],
        stdout=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={**os.environ, "HOME": str(folder)},
    ) as server:
        assert server.stdout is not None
        try:
            yield json.loads(server.stdout.readline())
        finally:
            server.send_signal(signal.SIGTERM)
            assert server.wait(timeout=30) == 0


@pytest.fixture(scope="module")
def client(served: dict[str, Any]) -> Iterator[cloudflare.Cloudflare]:
    with cloudflare.Cloudflare(
        base_url=served["base_url"],
        api_key=PLACEHOLDER_KEY.decode(),
        api_email="user@example.com",
        max_retries=0,
        _strict_response_validation=True,
    ) as made:
        yield made


def test_every_request_meets_the_same_fixtures(client: cloudflare.Cloudflare) -> None:
    for _ in range(2):
        made = client.ai_gateway.create(account_id=ACCOUNT, id="my-gateway", **SETTINGS)
        assert made.cache_invalidate_on_update is True
        assert client.ai_gateway.delete("my-gateway", account_id=ACCOUNT).id == "my-gateway"
        log = client.ai_gateway.logs.get("id", account_id=ACCOUNT, gateway_id="my-gateway")
        assert log.model == "@cf/meta/llama-3.1-8b-instruct"
        client.ai_gateway.logs.delete("my-gateway", account_id=ACCOUNT)


def test_a_withdrawn_model_is_answered_for(client: cloudflare.Cloudflare) -> None:
    answer: Any = client.ai.run("@cf/meta/llama-3.1-8b-instruct", account_id=ACCOUNT, prompt="x")
    assert answer["usage"]["completion_tokens"] > 0


def test_the_emulators_own_tokens_see_what_they_made(served: dict[str, Any]) -> None:
    url = f"{served['base_url']}/accounts/{served['account_id']}/ai-gateway/gateways"
    headers = {"authorization": f"Bearer {served['tokens']['operator']}"}
    own = {"id": "own", **SETTINGS}
    assert httpx.post(url, json=own, headers=headers).status_code == 200
    placeholder = {"x-auth-key": PLACEHOLDER_KEY.decode(), "x-auth-email": "user@example.com"}
    assert httpx.get(url, headers=placeholder).status_code == 200
    assert httpx.get(f"{url}/own", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"x-auth-key": "1" * 32},
        {"x-auth-key": PLACEHOLDER_KEY.decode(), "origin": "https://evil.example"},
        {"x-auth-key": PLACEHOLDER_KEY.decode(), "host": "evil.example"},
        {},
    ],
)
def test_nobody_else_gets_in(served: dict[str, Any], headers: dict[str, str]) -> None:
    url = f"{served['base_url']}/accounts/{ACCOUNT}/ai-gateway/gateways"
    assert httpx.get(url, headers=headers).status_code in (401, 403)


def test_without_the_flag_the_key_opens_nothing(api: Api) -> None:
    headers = {"x-auth-key": PLACEHOLDER_KEY.decode(), "x-auth-email": "user@example.com"}
    answer = api.http.get(api.url("/ai-gateway/gateways"), headers=headers)
    assert answer.status_code == 401
