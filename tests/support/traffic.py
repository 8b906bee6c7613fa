"""Seeded agent traffic against a running emulator: many tenants, turns that grow, some that fail.

The calls are made by a plain HTTP client, so nothing of `wai` but the metadata contract is in them.
"""

import json
import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx

from support.emulator import Emulator
from wai_ops.core.metadata import Metadata, to_header

MODELS = (
    "@cf/moonshotai/kimi-k2.6",
    "@cf/meta/llama-3.3-70b-instruct-fp8-fast",
    "@cf/google/gemma-4-26b-a4b-it",
)
TENANTS = ("acme", "globex", "initech")
WORKFLOWS = ("support", "invoice")
PROMPTS = ("answer", "extract")
BROKEN = "a call without messages"


@dataclass(frozen=True, slots=True)
class Conversation:
    """One conversation's calls, made one after the other as its turns."""

    seed: int
    turns: int

    def send(self, client: httpx.Client, emulator: Emulator) -> int:
        """Make all calls; return how many."""
        rng = random.Random(self.seed)
        tenant, workflow = rng.choice(TENANTS), rng.choice(WORKFLOWS)
        prompt, model = rng.choice(PROMPTS), rng.choice(MODELS)
        name = f"conversation-{self.seed}"
        messages: list[dict[str, str]] = [
            {"role": "system", "content": f"You are {prompt} of {workflow}. " * 40}
        ]
        for turn in range(self.turns):
            messages.append({"role": "user", "content": f"Turn {turn} of {name}. " * 12})
            is_broken = rng.random() < 0.08
            labels = Metadata(
                tenant=tenant,
                workflow=workflow,
                conversation_id=name,
                turn_index=turn,
                attempt=1,
                prompt_name=prompt,
                prompt_version="1",
                trace=f"trace-{self.seed}-{turn}",
            )
            answer = client.post(
                f"{emulator.base_url}/accounts/{emulator.account_id}/ai/v1/chat/completions",
                json=_body(model, messages, rng, is_broken=is_broken),
                headers={
                    "authorization": f"Bearer {emulator.tokens['runtime']}",
                    "cf-aig-gateway-id": emulator.gateway_id,
                    "x-session-affinity": f"session-{self.seed}",
                    "cf-aig-metadata": to_header(labels),
                },
            )
            if is_broken:
                assert answer.status_code == 400, answer.text
                continue
            assert answer.status_code == 200, answer.text
            said = answer.json()["choices"][0]["message"]["content"]
            messages.append({"role": "assistant", "content": said})
        return self.turns


def _body(
    model: str, messages: list[dict[str, str]], rng: random.Random, *, is_broken: bool
) -> dict[str, Any]:
    body: dict[str, Any] = {"model": model, "max_tokens": rng.choice((16, 64, 200))}
    return body | {"messages": BROKEN if is_broken else messages}


def send_traffic(emulator: Emulator, *, conversations: int, seed: int = 1, workers: int = 8) -> int:
    """Make the calls of so many conversations, several at a time; return how many calls."""
    rng = random.Random(seed)
    plans = [
        Conversation(seed * 100_000 + number, rng.randint(1, 6)) for number in range(conversations)
    ]
    limits = httpx.Limits(max_connections=workers)
    with httpx.Client(timeout=60, limits=limits) as client, ThreadPoolExecutor(workers) as pool:
        return sum(pool.map(lambda plan: plan.send(client, emulator), plans))


def truth_of(emulator: Emulator) -> Any:
    """What the emulator knows it served."""
    root = emulator.base_url.removesuffix("/client/v4")
    headers = {"authorization": f"Bearer {emulator.tokens['reader']}"}
    answer = httpx.get(f"{root}/__wai/truth", headers=headers, timeout=30)
    answer.raise_for_status()
    return answer.json()["result"]


def told_by(emulator: Emulator, name: str) -> dict[Any, dict[str, Any]]:
    """The truth by one of its dimensions."""
    return {item[name]: item for item in json.loads(json.dumps(truth_of(emulator)))["by"][name]}
