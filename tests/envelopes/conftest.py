"""A governed project, and an emulator whose faults and meter belong to one test module."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.cli import Wai
from wai_ops.emulator.testing import WaiEmulator, wai_emulator

SMALL = "@cf/meta/llama-3.1-8b-instruct-fp8"
LARGE = "@cf/zai-org/glm-5.3-flash"
POLICY = f"""\
version: 1
policy: support
policy_version: "2026-11-23.1"
mode: enforce
workflows:
  support:
    default_risk: low
    risk: [low, medium]
    data: [public]
    models:
      low: ["{SMALL}", "{LARGE}"]
      medium: ["{LARGE}"]
    routing:
      models: {{low: "{SMALL}", medium: "{LARGE}"}}
"""
"""What every test adds more of its routing, and its envelope, to."""
Govern = Callable[..., Wai]


@pytest.fixture(scope="module")
def emulator() -> Iterator[WaiEmulator]:
    """One emulator for the tests of a module."""
    with wai_emulator() as started:
        yield started


@pytest.fixture
def govern(wai: Wai, emulator: WaiEmulator) -> Govern:
    """Write the policy with some limits, and call `wai` on a fresh emulator."""
    emulator.reset()
    wai.environ.update(emulator.environ)

    def begin(*limits: str, policy: str = POLICY, mode: str = "enforce", routing: str = "") -> Wai:
        text = policy.replace("mode: enforce", f"mode: {mode}") + routing
        if limits:
            text += "    envelope:\n" + "".join(f"      {limit}\n" for limit in limits)
        folder = Path(wai.folder) / "policies"
        folder.mkdir(exist_ok=True)
        (folder / "support.yaml").write_text(text)
        return wai

    return begin
