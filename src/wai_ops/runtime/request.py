"""From what the user asks to the bytes that are sent.

The text of earlier turns goes into the body exactly as it was stored: a body is put together from
JSON texts, never by encoding the same message a second time.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

from wai_ops.config.envelope import Envelope
from wai_ops.core.errors import UsageError
from wai_ops.core.money import Cost, CostState, Rates, Usage, cost_of
from wai_ops.core.prices import Model
from wai_ops.core.tokens import TOKENS_PER_MESSAGE, estimate_tokens
from wai_ops.runtime.history import compose, history_parts, is_complete, opening_of
from wai_ops.state.checkpoints import Checkpoint
from wai_ops.state.conversations import Turn

INLINE_PROMPT = ("inline", "0")
"""Name and version in the metadata of a run whose text came from the command line."""


class Endpoint(StrEnum):
    """Which endpoint a model is called on."""

    AUTO = "auto"
    CHAT = "chat"
    RUN = "run"


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptRelease:
    """How a prompt's version was chosen, for whoever wants to know."""

    sha256: str
    """Of everything in the prompt that decides behaviour."""
    frozen: bool
    label: str | None
    """The label that led to the version, with its tenant if it has one."""
    canary: bool
    """This conversation is part of the label's canary."""
    canary_percent: int | None
    """The share of the label's canary, if one stands."""
    overrides: tuple[str, ...]
    """What the command line changed of what the version says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptLimits:
    """What the envelope of a prompt says besides the workflow. It can only tighten a policy."""

    envelope: Envelope
    risk_tier: str | None
    places: Mapping[str, str]
    """Key -> `prompts/triage.prompt:7`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One question, with everything that decides the answer."""

    text: str
    system: str | None = None
    opening: tuple[Mapping[str, str], ...] = ()
    """The messages of a prompt that come before `text`; then `system` is not given."""
    results: tuple[Mapping[str, Any], ...] = ()
    """What tools gave back, as messages: they are sent in place of `text`."""
    model: str
    tenant: str
    workflow: str
    conversation_id: str
    charged_to: str | None = None
    """The conversation whose budget pays; None: its own."""
    prompt_name: str = INLINE_PROMPT[0]
    prompt_version: str = INLINE_PROMPT[1]
    release: PromptRelease | None = None
    limits: PromptLimits | None = None
    """Of the prompt's envelope; None: it has none."""
    is_model_fixed: bool = False
    """Whoever asks, or the prompt, names the model: nothing is routed, and nothing falls back."""
    is_output_fixed: bool = False
    """Whoever asks gives the output limit: an envelope refuses it rather than lower it."""
    max_output_tokens: int
    temperature: Decimal | None = None
    seed: int | None = None
    sampling: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of the body that say how the answer is drawn: `top_p`, `stop`."""
    schema: dict[str, Any] | None = None
    tools: Sequence[dict[str, Any]] | None = None
    streamed: bool = True
    endpoint: Endpoint = Endpoint.AUTO


def compact_json(value: Any) -> str:
    """Encode with no spaces, keys in the given order, text as it is: one value, one spelling."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def endpoint_for(ask: Ask, model: Model | None) -> Endpoint:
    """Decide on the endpoint; chat unless the model is known to need its own input.

    Raises UsageError for a model of a task that takes no prompt.
    """
    if ask.endpoint is not Endpoint.AUTO:
        return ask.endpoint
    if model is None or model.task == "Text Generation":
        return Endpoint.CHAT
    if model.task is None:
        return Endpoint.RUN
    raise UsageError(
        f"{ask.model} is a {model.task} model: it takes no prompt",
        hint="see: wai models list --task 'Text Generation'",
    )


def new_messages(
    ask: Ask, turns: Sequence[Turn], *, stored: Callable[[str], str] = lambda text: text
) -> str:
    """The messages that this turn adds, as comma-joined JSON.

    `stored` says how a message is spelled in the stored conversation.
    Raises UsageError when `--system` would change the start of a running conversation.
    """
    added = ask.results or ({"role": "user", "content": ask.text},)
    said = ",".join(compact_json(dict(message)) for message in added)
    return new_opening(ask, turns, stored=stored) + said


def new_opening(
    ask: Ask, turns: Sequence[Turn], *, stored: Callable[[str], str] = lambda text: text
) -> str:
    """The opening that this turn adds, with a comma behind it; empty when it goes on as before.

    Another prompt than before takes the place of the old opening. Raises UsageError as above.
    """
    messages = ask.opening
    if ask.system is not None:
        messages = ({"role": "system", "content": ask.system},)
    opening = "".join(f"{compact_json(dict(message))}," for message in messages)
    first = next((turn for turn in turns if is_complete(turn)), None)
    if first is None or not opening:
        return opening
    kept = stored(opening[:-1]) + ","
    is_known = first.opening_chars is not None
    before = opening_of(turns) if is_known else first.messages_json
    if kept == before or (not is_known and before.startswith(kept)):
        return ""
    if ask.opening and is_known:
        return opening
    what = "text" if ask.system is not None else "messages"
    raise UsageError(
        f"conversation {ask.conversation_id} began with another system {what}",
        hint="leave --system out to keep it, or start another --conversation",
    )


def message_text(
    turns: Sequence[Turn],
    messages_json: str,
    opening_chars: int = 0,
    checkpoint: Checkpoint | None = None,
) -> str:
    """All messages of a request as comma-joined JSON: the finished turns, then the new ones."""
    return compose(turns, messages_json, opening_chars, checkpoint=checkpoint)


def reply_message(text: str, reasoning: str, tool_calls: Sequence[dict[str, Any]]) -> str:
    """The assistant's message as later requests send it back.

    Reasoning goes into its own field: folded into the content it corrupts later turns. The content
    is never null, which some models refuse.
    """
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if reasoning:
        message["reasoning"] = reasoning
    if tool_calls:
        message["tool_calls"] = list(tool_calls)
    return compact_json(message)


def body_of(ask: Ask, *, endpoint: Endpoint, model: Model | None, messages: str) -> bytes:
    """The request body. `messages` is comma-joined JSON and is copied as it stands."""
    openai_shape = model is not None and model.schema == "openai"
    fields: dict[str, Any] = {} if endpoint is Endpoint.RUN else {"model": ask.model}
    # Models of the older shape cut at 256 tokens without a limit, and know only this name for it.
    limit = "max_completion_tokens" if openai_shape else "max_tokens"
    fields[limit] = ask.max_output_tokens
    if ask.temperature is not None:
        fields["temperature"] = float(ask.temperature)
    if ask.seed is not None:
        fields["seed"] = ask.seed
    fields.update(ask.sampling)
    if ask.schema is not None:
        # The provider's own models want the bare schema, not OpenAI's wrapper around it.
        fields["response_format"] = {"type": "json_schema", "json_schema": ask.schema}
    if ask.tools is not None:
        fields["tools"] = list(ask.tools)
    fields["stream"] = ask.streamed
    if ask.streamed and endpoint is Endpoint.CHAT:
        fields["stream_options"] = {"include_usage": True}
    head = compact_json(fields)
    return f'{head[:-1]},"messages":[{messages}]}}'.encode()


def estimate_input_tokens(
    turns: Sequence[Turn],
    messages: str,
    messages_json: str,
    opening_chars: int = 0,
    checkpoint_id: str | None = None,
) -> int:
    """Estimate a request's input: calibrated on the conversation's last request if there is one."""
    last = turns[-1] if turns and not opening_chars else None
    if last is not None and last.checkpoint_id != checkpoint_id:
        last = None  # a summary took the place of what it counted
    if last is not None and history_parts(last) and last.input_tokens is not None:
        reply = last.output_tokens or 0
        return last.input_tokens + reply + estimate_tokens(messages_json) + TOKENS_PER_MESSAGE
    return estimate_tokens(messages) + TOKENS_PER_MESSAGE


def worst_case(input_tokens: int, max_output_tokens: int, rates: Rates | None) -> Cost:
    """What one attempt can cost at most, by the estimate of its input: nothing cached, all used."""
    usage = Usage(input_tokens=input_tokens, output_tokens=max_output_tokens)
    return cost_of(usage, rates, CostState.ESTIMATED)
