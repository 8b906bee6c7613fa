"""The knobs of spend limits, over the wire."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from emulator.api import OPENAI_MODEL
from wai_ops.emulator.testing import WaiEmulator, wai_emulator

RULE = {"id": "r", "limit": 1e-9, "limitType": "cost", "window": 86_400, "technique": "sliding"}


@pytest.fixture
def limited() -> Iterator[WaiEmulator]:
    """A gateway whose budget is spent by its first call."""
    with wai_emulator() as emulator:
        chat(emulator)
        emulator.api(
            "PUT",
            "/ai-gateway/gateways/default",
            {
                "cache_invalidate_on_update": False,
                "cache_ttl": 0,
                "collect_logs": True,
                "rate_limiting_interval": 0,
                "rate_limiting_limit": 0,
                "spend_limits": {"enabled": True, "rules": [RULE]},
            },
        )
        yield emulator


def chat(emulator: WaiEmulator) -> httpx.Response:
    return httpx.post(
        f"{emulator.openai_base_url}/chat/completions",
        json={"model": OPENAI_MODEL, "messages": [{"role": "user", "content": "Hello"}]},
        headers={
            "authorization": f"Bearer {emulator.tokens['runtime']}",
            "cf-aig-gateway-id": "default",
        },
    )


def test_the_refusal_has_the_code_that_is_asked_for(limited: WaiEmulator) -> None:
    assert chat(limited).status_code == 200
    codes: list[Any] = []
    for code in (2045, 2041):
        limited.knobs["spend.refusal_code"] = code
        refused = chat(limited)
        assert refused.status_code == 429
        codes.append(refused.json()["internalCode"])
    assert codes == [2045, 2041]


def test_a_lost_settlement_is_never_enforced(limited: WaiEmulator) -> None:
    limited.knobs["spend.lost_ratio"] = 1
    assert [chat(limited).status_code for _ in range(3)] == [200, 200, 200]
    limited.knobs["spend.lost_ratio"] = 0
    assert [chat(limited).status_code for _ in range(2)] == [200, 429]


def test_a_late_settlement_lets_calls_through_until_it_is_seen(limited: WaiEmulator) -> None:
    limited.knobs["spend.settle_delay_ms"] = 3_600_000
    assert [chat(limited).status_code for _ in range(3)] == [200, 200, 200]
