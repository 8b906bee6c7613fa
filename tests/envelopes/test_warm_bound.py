"""In a long conversation the bound is the model's own count of the prefix, and still a bound."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from support.cli import Wai
from wai_ops.emulator.testing import WaiEmulator

LONG = "remember every word of this. " * 300
RUN = ("run", "-w", "support", "-c", "c1")


def preview(wai: Wai, *arguments: str) -> dict[str, Any]:
    """What a dry run says."""
    ran = wai(*RUN, "--dry-run", "--json", *arguments)
    assert ran.exit_code == 0, ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout)["governed"]
    return found


def test_what_the_model_has_counted_needs_no_bound_of_its_bytes(
    govern: Callable[..., Wai], emulator: WaiEmulator
) -> None:
    wai = govern("per_conversation_usd: 1")
    cold = preview(wai, LONG)["input_tokens_bound"]
    assert cold > len(LONG)
    assert wai(*RUN, "-q", LONG).exit_code == 0
    warm = preview(wai, "and now?")["input_tokens_bound"]
    assert warm < cold / 2
    result = json.loads(wai(*RUN, "--json", "and now?").stdout)
    assert result["usage"]["input_tokens"] <= warm
    assert Decimal(result["cost"]["cost_usd"]) <= Decimal(result["governed"]["reserved_usd"])
    assert emulator.truth()["totals"]["requests"] == 2


def test_another_model_or_a_new_schema_is_bounded_by_bytes_again(
    govern: Callable[..., Wai],
) -> None:
    wai = govern("per_conversation_usd: 1")
    assert wai(*RUN, "-q", LONG).exit_code == 0
    (wai.folder / "schema.json").write_text('{"type": "object"}')
    for changed in (["-m", "@cf/zai-org/glm-5.3-flash"], ["--json-schema", "schema.json"]):
        assert preview(wai, *changed, "and now?")["input_tokens_bound"] > len(LONG)
