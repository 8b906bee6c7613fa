"""The worst case of a call is never below what a tokenizer makes of it."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.facts import ManualClock
from support.prompts import write_prompt
from wai_ops.cli.context import AppContext
from wai_ops.cli.run_service import dry_service, surroundings_of
from wai_ops.core.money import Usage, cost_of
from wai_ops.emulator.backends.scripted import render
from wai_ops.emulator.inference.parse import parse_call
from wai_ops.prompts.dataset import Case
from wai_ops.prompts.release import Policy
from wai_ops.runtime.compare_plan import Defaults, Planner
from wai_ops.runtime.plan import prepare
from wai_ops.runtime.prompt_use import Changes, Found, find_prompt

MODEL = "@cf/meta/llama-3.1-8b-instruct-fp8"
PROMPT = """---
model: "@cf/meta/llama-3.1-8b-instruct-fp8"
parameters: {max_output_tokens: 50}
variables: {ticket: string}
tools:
  - name: look_up
    description: "Sucht etwas: äöü 漢字"
    parameters: {type: object, properties: {id: {type: string}}}
---
{% role system %}
Sort.
{% role user %}
Q {{ ticket }}
{% role assistant %}
A {{ ticket }}
{% role user %}
{{ ticket }}!
"""


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Planner, Found, Any]:
    folder = tmp_path_factory.mktemp("worst")
    (folder / "wai.yaml").write_text('version: "1"\n')
    write_prompt(folder, "triage", PROMPT)
    context = AppContext(environ={}, cwd=folder, clock=ManualClock())
    service, around = dry_service(context, local=True, placeholder=""), surroundings_of(context)
    defaults = Defaults(
        model=MODEL, max_output_tokens=50, temperature=None, tenant="t", changes=Changes()
    )
    found = find_prompt(
        "triage",
        folder=Path(folder) / "prompts",
        policy=Policy(),
        tenant=None,
        conversation_id=None,
    )
    return Planner(defaults, service, around), found, (service, around)


@given(ticket=st.text(st.characters(codec="utf-8"), max_size=300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_text_costs_more_than_the_worst_case(
    planned: tuple[Planner, Found, Any], ticket: str
) -> None:
    planner, found, (service, around) = planned
    case = Case(id="c", line=1, variables={"ticket": ticket}, text=None, assertions=())
    call = planner.side(found, case)
    prepared = prepare(call.ask, service, around, None)
    now = prepared.started_at
    model = around.prices.model(MODEL, now)
    assert model is not None
    seen = parse_call(json.loads(prepared.call.body), model=model, prompt_allowed=False)
    tokens = len(render(seen))
    usage = Usage(input_tokens=tokens, output_tokens=call.ask.max_output_tokens)
    cost = cost_of(usage, around.prices.rates(MODEL, now)).cost_usd
    assert cost is not None
    assert Decimal(0) < cost <= call.worst_usd


def test_whatever_decides_the_answer_is_part_of_the_key(
    planned: tuple[Planner, Found, Any],
) -> None:
    planner, found, (service, around) = planned

    def key(ticket: str, case_id: str = "c", planning: Planner = planner) -> str:
        case = Case(id=case_id, line=1, variables={"ticket": ticket}, text=None, assertions=())
        return planning.side(found, case).key

    hotter = Planner(
        Defaults(
            model=MODEL,
            max_output_tokens=50,
            temperature=Decimal(1),
            tenant="t",
            changes=Changes(),
        ),
        service,
        around,
    )
    keys = [key("a"), key("b"), key("a", "d"), key("a", planning=hotter)]
    assert len(set(keys)) == 4
    assert key("a") == keys[0]
