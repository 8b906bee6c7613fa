"""One account of a running emulator, as its clients see it."""

import json
from dataclasses import dataclass
from typing import Any

import httpx

from wai_ops.emulator.server import Endpoint

OPENAI_MODEL = "@cf/moonshotai/kimi-k2.6"
LEGACY_MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"


@dataclass(frozen=True)
class Api:
    """One account of the emulator, as seen with its tokens."""

    endpoint: Endpoint
    http: httpx.Client

    def url(self, path: str) -> str:
        return f"{self.endpoint.base_url}/accounts/{self.endpoint.account_id}{path}"

    def auth(self, role: str) -> dict[str, str]:
        return {"authorization": f"Bearer {self.endpoint.tokens[role]}"}

    def chat(
        self, text: str = "Hello", *, headers: dict[str, str] | None = None, **body: Any
    ) -> httpx.Response:
        """A chat completion; `text` is the user's message unless the body has messages."""
        whole = {"model": OPENAI_MODEL, "messages": [{"role": "user", "content": text}]} | body
        return self.http.post(
            self.url("/ai/v1/chat/completions"),
            json=whole,
            headers=self.auth("runtime") | (headers or {}),
        )

    def run(
        self, body: Any, *, model: str = LEGACY_MODEL, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """A native run."""
        return self.http.post(
            self.url(f"/ai/run/{model}"),
            json=body,
            headers=self.auth("runtime") | (headers or {}),
        )

    def get(self, path: str, *, role: str = "reader", **params: str) -> httpx.Response:
        return self.http.get(self.url(path), params=params, headers=self.auth(role))

    def logs(self, **params: str) -> Any:
        """The rows of the default gateway."""
        answer = self.get("/ai-gateway/gateways/default/logs", **params)
        assert answer.status_code == 200, answer.text
        return answer.json()["result"]

    def row_of(self, answer: httpx.Response) -> Any:
        """The log row of one answer."""
        wanted = [{"key": "id", "operator": "eq", "value": [answer.headers["cf-aig-log-id"]]}]
        (row,) = self.logs(filters=json.dumps(wanted))
        return row


def events_of(answer: httpx.Response) -> list[Any]:
    """The decoded events of a stream, which must end with [DONE]."""
    assert answer.headers["content-type"].startswith("text/event-stream")
    frames = answer.text.split("\n\n")
    assert frames[-2:] == ["data: [DONE]", ""]
    return [json.loads(frame.removeprefix("data: ")) for frame in frames[:-2]]
