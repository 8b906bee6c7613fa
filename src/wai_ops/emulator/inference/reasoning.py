"""How hard a model thinks, and under which name it shows that: per model, and pure.

A model that is not listed here thinks only when a request asks for it. The efforts that only third
parties report are taken as what may be asked for, not as what happens by itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wai_ops.core.prices import Model
from wai_ops.emulator.errors import invalid_input

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_OFF = "none"
_OLD_FIELD = ("@cf/moonshotai/kimi-k2.5", "@cf/zai-org/glm-4.7-flash")
"""Kimi K2.5 and GLM-4.7 call the field `reasoning_content`; from Kimi K2.6 on it is `reasoning`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Efforts:
    """What a model makes of each effort. `default`: without a word from the client."""

    default: str = _OFF
    normalised: Mapping[str, str] = field(default_factory=dict)
    null: str = _OFF
    """What an explicit null means."""
    mandatory: bool = False
    """Whether thinking cannot be switched off."""


_ON_REQUEST = _Efforts()
_GLM_5_3 = {"none": "max", "minimal": "max", "medium": "max", "xhigh": "max"}
_BY_MODEL = {
    "@cf/openai/gpt-oss-120b": _Efforts(
        default="medium", null="medium", normalised={"none": "medium"}, mandatory=True
    ),
    "@cf/deepseek-ai/deepseek-v4-flash-0731": _Efforts(
        default="high",
        null="high",
        normalised={"minimal": "low", "medium": "high", "xhigh": "high"},
    ),
    "@cf/zai-org/glm-5.3-flash": _Efforts(
        default="max", null="max", normalised=_GLM_5_3, mandatory=True
    ),
    "@cf/zai-org/glm-5.3": _Efforts(null="max", normalised={"medium": "max", "none": "max"}),
    "@cf/moonshotai/kimi-k2.6": _Efforts(
        null="high",
        normalised={"minimal": "high", "low": "high", "medium": "high", "xhigh": "high"}
        | {"max": "high"},
    ),
    "@cf/moonshotai/kimi-k2.7-code": _Efforts(
        default="high", null="high", normalised={"none": "high"}, mandatory=True
    ),
}


def reasoning_field(model: Model) -> str:
    """The name of the field in messages and deltas."""
    return "reasoning_content" if model.id in _OLD_FIELD else "reasoning"


def effort_of(body: Mapping[str, Any], model: Model) -> str | None:
    """The effort that a request comes to; None: no thinking. Raises 400/8001.

    Read from `reasoning_effort`, from `reasoning.effort` (Responses), and from the switches in
    `chat_template_kwargs`, in this order.
    """
    if not model.reasoning:
        return None
    efforts = _BY_MODEL.get(model.id, _ON_REQUEST)
    nested = body.get("reasoning")
    if "reasoning_effort" in body:
        wanted = body["reasoning_effort"]
    elif isinstance(nested, dict) and "effort" in nested:
        wanted = nested["effort"]
    else:
        wanted = _switched(body, efforts)
    if wanted is None:
        found = efforts.null
    elif wanted in EFFORTS:
        found = efforts.normalised.get(wanted, wanted)
    else:
        raise invalid_input(f"reasoning_effort must be one of {', '.join(EFFORTS)}")
    return None if found == _OFF else found


def _switched(body: Mapping[str, Any], efforts: _Efforts) -> str:
    """The model's default, or what the template's own switch makes of it."""
    arguments = body.get("chat_template_kwargs")
    if not isinstance(arguments, dict):
        return efforts.default
    switch = arguments.get("thinking", arguments.get("enable_thinking"))
    if switch is False and not efforts.mandatory:
        return _OFF
    if switch is True and efforts.default == _OFF:
        return "high"
    return efforts.default
