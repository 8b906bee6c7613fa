"""Requests of an operator to the control plane of an emulator."""

from dataclasses import dataclass
from typing import Any

import httpx

from emulator.api import Api

GATEWAYS = "/ai-gateway/gateways"
SETTINGS: dict[str, Any] = {
    "cache_invalidate_on_update": False,
    "cache_ttl": 0,
    "collect_logs": True,
    "rate_limiting_interval": 0,
    "rate_limiting_limit": 0,
}
"""The five that every write of a gateway must have."""


@dataclass(frozen=True)
class Operator:
    """Sends with the operator's token unless another role is named."""

    api: Api

    def send(
        self, method: str, path: str, *, role: str = "operator", **rest: Any
    ) -> httpx.Response:
        headers = self.api.auth(role) | rest.pop("headers", {})
        return self.api.http.request(method, self.api.url(path), headers=headers, **rest)

    def get(self, path: str, **params: Any) -> httpx.Response:
        return self.send("GET", path, params=params)

    def post(self, path: str, body: Any = None, **params: Any) -> httpx.Response:
        return self.send("POST", path, json=body, params=params)

    def put(self, path: str, body: Any = None, **params: Any) -> httpx.Response:
        return self.send("PUT", path, json=body, params=params)

    def patch(self, path: str, body: Any = None) -> httpx.Response:
        return self.send("PATCH", path, json=body)

    def delete(self, path: str) -> httpx.Response:
        return self.send("DELETE", path)

    def new_gateway(self, gateway_id: str, **settings: Any) -> Any:
        answer = self.post(GATEWAYS, {"id": gateway_id, **SETTINGS, **settings})
        assert answer.status_code == 200, answer.text
        return answer.json()["result"]


def result(answer: httpx.Response) -> Any:
    """The result of a request that must have succeeded."""
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["success"] is True
    return body["result"]


def refusal(answer: httpx.Response) -> tuple[int, int, str]:
    """Status, code and message of a request that must have been refused in the v4 envelope."""
    body = answer.json()
    assert body["success"] is False, body
    (error,) = body["errors"]
    return answer.status_code, error["code"], error["message"]
