"""`wai prompts compare` calls models as well: it is decided upon like every run."""

import json
from collections.abc import Callable
from pathlib import Path

from support.cli import Wai
from support.prompts import freeze_prompt
from wai_ops.emulator.testing import WaiEmulator

MODEL = "@cf/meta/llama-3.1-8b-instruct-fp8"
PROMPT = f"""---
model: "{MODEL}"
parameters: {{max_output_tokens: 40}}
variables: {{ticket: string}}
---
Ticket: {{{{ ticket }}}}
"""
COMPARE = f"""\
  compare:
    models: {{low: ["{MODEL}"]}}
"""


def test_a_comparison_needs_leave_and_every_call_of_it_is_on_record(
    govern: Callable[..., Wai], emulator: WaiEmulator, project: Path
) -> None:
    wai = govern()
    freeze_prompt(project, "triage", PROMPT)
    freeze_prompt(project, "triage", PROMPT.replace("Ticket", "The ticket"))
    case = {"id": "c1", "vars": {"ticket": "late"}, "assert": []}
    (project / "cases.jsonl").write_text(json.dumps(case) + "\n")
    compare = ("prompts", "compare", "triage@1", "@2", "-d", "cases.jsonl", "--yes", "--json")
    refused = wai(*compare)
    assert refused.exit_code == 5, refused.stderr
    assert "no policy names workflow compare" in refused.stderr
    assert emulator.truth()["totals"]["requests"] == 0
    policy = project / "policies" / "support.yaml"
    policy.write_text(policy.read_text() + COMPARE)
    assert wai(*compare).exit_code == 0
    lines = (project / ".wai" / "decisions" / "decisions.jsonl").read_text().splitlines()
    ended = [record for line in lines if (record := json.loads(line))["type"] == "action_end"]
    assert len(ended) == emulator.truth()["totals"]["requests"] == 2
