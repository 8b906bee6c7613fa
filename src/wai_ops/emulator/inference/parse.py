"""From the bytes of a request to a `Call`: pure, and strict where the provider is.

Fields that nobody here understands are ignored, as the provider does.
"""

import hashlib
from collections.abc import Mapping
from typing import Any, Literal

from wai_ops.core.prices import Model
from wai_ops.emulator.decoding import decode_json
from wai_ops.emulator.errors import incomplete, invalid_input
from wai_ops.emulator.inference.call import Call, Message, Tool
from wai_ops.emulator.inference.reasoning import effort_of

LEGACY_MAX_TOKENS = 256
"""The older schemas' default; the newer ones state none."""
_ROLES = frozenset({"system", "developer", "user", "assistant", "tool"})
# field -> (lowest, highest) of the older schemas
_LEGACY_RANGES = {
    "temperature": (0, 5),
    "top_p": (0.001, 1),
    "top_k": (1, 50),
    "seed": (1, 9_999_999_999),
    "repetition_penalty": (0, 2),
    "frequency_penalty": (-2, 2),
    "presence_penalty": (-2, 2),
}
_RANGES = {
    "temperature": (0, 2),
    "top_p": (0, 1),
    "frequency_penalty": (-2, 2),
    "presence_penalty": (-2, 2),
}


def decode_body(body: bytes) -> dict[str, Any]:
    """The request's JSON object. Raises 400/3003."""
    if not body.strip():
        raise incomplete("the body is missing")
    try:
        value = decode_json(body)
    except ValueError:
        raise incomplete("the body is not valid JSON") from None
    if not isinstance(value, dict):
        raise incomplete("the body is not a JSON object")
    return value


def parse_call(body: Mapping[str, Any], *, model: Model, prompt_allowed: bool) -> Call:
    """Read a request body. `prompt_allowed`: the run endpoint takes a bare prompt. Raises 8001."""
    is_legacy = model.schema != "openai"
    for name, (lowest, highest) in (_LEGACY_RANGES if is_legacy else _RANGES).items():
        _number(body, name, lowest, highest)
    count = body.get("n")
    if count not in (None, 1):
        raise invalid_input("n: only one choice is emulated")
    tool_choice, forced_tool = _tool_choice(body.get("tool_choice"))
    tools = _tools(body.get("tools"))
    if forced_tool is not None and forced_tool not in {tool.name for tool in tools}:
        raise invalid_input(f"tool_choice names {forced_tool!r}, which is not among the tools")
    max_tokens = _count(body, "max_completion_tokens") or _count(body, "max_tokens")
    options = body.get("stream_options")
    if options is not None and not isinstance(options, dict):
        raise invalid_input("stream_options must be an object")
    return Call(
        messages=_messages(body, prompt_allowed=prompt_allowed),
        tools=tools,
        tool_choice=tool_choice,
        forced_tool=forced_tool,
        json_schema=_json_schema(body.get("response_format"), is_legacy=is_legacy),
        max_tokens=max_tokens or (LEGACY_MAX_TOKENS if is_legacy else None),
        temperature=body.get("temperature"),
        top_p=body.get("top_p"),
        seed=_integer(body, "seed"),
        stream=_flag(body, "stream"),
        include_usage=options is not None and options.get("include_usage") is True,
        reasoning_effort=effort_of(body, model),
        reject_if_busy=rejects_if_busy(body),
    )


def rejects_if_busy(body: Mapping[str, Any]) -> bool:
    """Whether `options.rejectIfBusy` asks for a refusal instead of a place in the queue."""
    options = body.get("options")
    return isinstance(options, dict) and options.get("rejectIfBusy") is True


def _number(body: Mapping[str, Any], name: str, lowest: float, highest: float) -> None:
    value = body.get(name)
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise invalid_input(f"{name} must be a number")
    if not lowest <= value <= highest:
        raise invalid_input(f"{name} must be between {lowest} and {highest}")


def _integer(body: Mapping[str, Any], name: str) -> int | None:
    value = body.get(name)
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise invalid_input(f"{name} must be an integer")


def _count(body: Mapping[str, Any], name: str) -> int | None:
    value = _integer(body, name)
    if value is not None and value < 1:
        raise invalid_input(f"{name} must be at least 1")
    return value


def _flag(body: Mapping[str, Any], name: str) -> bool:
    value = body.get(name, False)
    if not isinstance(value, bool):
        raise invalid_input(f"{name} must be true or false")
    return value


def _messages(body: Mapping[str, Any], *, prompt_allowed: bool) -> tuple[Message, ...]:
    messages = body.get("messages")
    prompt = body.get("prompt")
    if messages is None and prompt_allowed and prompt is not None:
        if not isinstance(prompt, str) or not prompt:
            raise invalid_input("prompt must be text, and not empty")
        return (Message(role="user", content=prompt),)
    if not isinstance(messages, list) or not messages:
        wanted = "messages or prompt" if prompt_allowed else "messages"
        raise invalid_input(f"{wanted} is required, and messages must be a list with an item")
    return tuple(_message(item, f"messages[{index}]") for index, item in enumerate(messages))


def _message(item: Any, where: str) -> Message:
    if not isinstance(item, dict):
        raise invalid_input(f"{where} must be an object")
    role = item.get("role")
    if role not in _ROLES:
        raise invalid_input(f"{where}.role must be one of {', '.join(sorted(_ROLES))}")
    calls = item.get("tool_calls") or []
    if not isinstance(calls, list) or not all(isinstance(call, dict) for call in calls):
        raise invalid_input(f"{where}.tool_calls must be a list of objects")
    content = item.get("content")
    if content is None and not calls:
        raise invalid_input(f"{where}.content is required")
    call_id = item.get("tool_call_id")
    if call_id is not None and not isinstance(call_id, str):
        raise invalid_input(f"{where}.tool_call_id must be text")
    thought = item.get("reasoning", item.get("reasoning_content"))
    return Message(
        role=role,
        content=_text(content, where),
        tool_calls=calls,
        tool_call_id=call_id,
        reasoning=thought if isinstance(thought, str) else "",
    )


def _text(content: Any, where: str) -> str:
    """Content as text; an image part becomes a short mark that stands for exactly that image."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise invalid_input(f"{where}.content must be text or a list of parts")
    pieces = []
    for part in content:
        match part:
            case {"type": "text", "text": str(text)}:
                pieces.append(text)
            case {"type": "image_url", "image_url": {"url": str(url)}}:
                digest = hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()
                pieces.append(f"[image {digest[:12]}]")
            case _:
                raise invalid_input(f"{where}.content has a part that is neither text nor image")
    return "".join(pieces)


def _tools(value: Any) -> tuple[Tool, ...]:
    """Both accepted forms: `{name, ...}` and `{"type": "function", "function": {name, ...}}`."""
    if value is None:
        return ()
    if not isinstance(value, list):
        raise invalid_input("tools must be a list")
    tools = []
    for index, item in enumerate(value):
        where = f"tools[{index}]"
        if not isinstance(item, dict):
            raise invalid_input(f"{where} must be an object")
        function = item.get("function") if item.get("type") == "function" else item
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise invalid_input(f"{where} has no name")
        description = function.get("description", "")
        parameters = function.get("parameters", {})
        if not isinstance(description, str):
            raise invalid_input(f"{where}.description must be text")
        if not isinstance(parameters, dict):
            raise invalid_input(f"{where}.parameters must be a JSON Schema object")
        tools.append(Tool(name=function["name"], description=description, parameters=parameters))
    return tuple(tools)


def _tool_choice(value: Any) -> tuple[Literal["auto", "none", "required"], str | None]:
    match value:
        case None:
            return "auto", None
        case "auto" | "none" | "required":
            return value, None
        case {"type": "function", "function": {"name": str(name)}}:
            return "required", name
    raise invalid_input("tool_choice must be auto, none, required or a named function")


def _json_schema(value: Any, *, is_legacy: bool) -> Mapping[str, Any] | None:
    """The schema of the answer: native models take it bare, newer ones in OpenAI's wrapper too."""
    match value:
        case None | {"type": "text"}:
            return None
        case {"type": "json_object"}:
            return {"type": "object"}
        case {"type": "json_schema", "json_schema": dict(schema)}:
            wrapped = schema.get("schema")
            if not isinstance(wrapped, dict):
                return schema
            if is_legacy:
                raise invalid_input(
                    "JSON Mode couldn't be met: this model takes json_schema as a bare JSON "
                    "Schema, without OpenAI's wrapper of name, schema and strict"
                )
            return wrapped
    raise invalid_input("response_format must be text, json_object or json_schema with a schema")
