"""What a model is asked: the typed form of every accepted request body."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message; parts of content are already joined into text."""

    role: str
    content: str = ""
    tool_calls: Sequence[Mapping[str, Any]] = ()
    """In the OpenAI form, as the client sent them."""
    tool_call_id: str | None = None
    reasoning: str = ""
    """What an earlier answer thought, as the client sends it back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One tool on offer; `parameters` is a JSON Schema."""

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request to a model. None: the client did not say, and the backend decides."""

    messages: Sequence[Message]
    tools: Sequence[Tool] = ()
    tool_choice: Literal["auto", "none", "required"] = "auto"
    forced_tool: str | None = None
    """The tool that `tool_choice` names."""
    json_schema: Mapping[str, Any] | None = None
    """The answer must be JSON of this schema; an empty one allows any object."""
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    stream: bool = False
    include_usage: bool = False
    reasoning_effort: str | None = None
    """How hard to think before answering, in the model's own words; None: not at all."""
    reject_if_busy: bool = False
    """Refuse at once instead of waiting for capacity."""
