"""Asking the gateway itself what a policy would do, before it is in force."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wai_ops.cloudflare.guards_api import GuardsApi
from wai_ops.control.budgets.native import PROVIDER

PROBE = "wai-probe"
"""The value of every metadata key that a condition does not ask for."""
_MODEL = "@cf/meta/llama-3.2-3b-instruct"
_KEYS = ("tenant", "workflow", "conversation", "prompt", "trace")
_EQUALS = re.compile(r'metadata\.(\w+) == "([^"]*)"')
_BEGINS = re.compile(r'metadata\.(\w+)\.startsWith\("([^"]*)"\)')


@dataclass(frozen=True, slots=True)
class SimulationProblem:
    """What the simulation says that it should not."""

    text: str


def sample_request(policy: Mapping[str, Any]) -> dict[str, Any]:
    """A request that a policy of ours is about: metadata, model and provider.

    Only the conditions that `forms.condition_of` writes are understood.
    """
    metadata = dict.fromkeys(_KEYS, PROBE)
    condition = str(policy.get("condition", ""))
    for pattern, tail in ((_EQUALS, ""), (_BEGINS, "1")):
        for key, value in reversed(pattern.findall(condition)):
            metadata[key] = value + tail
    resource = policy.get("resource")
    models = resource.get("model") if isinstance(resource, Mapping) else None
    model = models[0] if isinstance(models, list) and models else models
    return {
        "identity": {"metadata": metadata},
        "model": model if isinstance(model, str) else _MODEL,
        "provider": PROVIDER,
    }


def simulate_guard(api: GuardsApi, policy: Mapping[str, Any]) -> SimulationProblem | None:
    """Ask twice about a cap: with nothing spent and with all of it. None: as it should be.

    A call that another policy refuses with nothing spent is no problem of this one.
    """
    request = sample_request(policy)
    action = policy.get("action")
    if not isinstance(action, Mapping) or action.get("type") != "limit":
        api.simulate(request)  # that it is evaluated at all
        return None
    name = str(policy.get("name"))
    usage = {name: {"spent": action.get("amount")}}
    spent = _enforcement(api.simulate(request | {"bucketUsage": usage}))
    if spent.get("allowed") is not False:
        return SimulationProblem("a call is let through although the whole limit is spent")
    fresh = _enforcement(api.simulate(request))
    if fresh.get("allowed") is False and fresh.get("policyName") == name:
        return SimulationProblem("a call is refused although nothing is spent")
    return None


def _enforcement(result: Mapping[str, Any]) -> Mapping[str, Any]:
    found = result.get("enforcement")
    return found if isinstance(found, Mapping) else {}
