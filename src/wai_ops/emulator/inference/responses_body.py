"""Requests of OpenAI's Responses API, rewritten as chat completions. Pure.

Only what text needs: nothing is stored, so nothing can be continued by id.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from wai_ops.emulator.errors import invalid_input

_SAME = ("model", "temperature", "top_p", "stream", "reasoning", "options", "seed")
_TEXT_PARTS = ("input_text", "output_text", "text", "refusal")


def to_chat_body(body: Mapping[str, Any]) -> dict[str, Any]:
    """The same request as a body of chat completions. Raises 400/8001."""
    if body.get("previous_response_id") is not None:
        raise invalid_input("previous_response_id: responses are not stored")
    chat = {name: body[name] for name in _SAME if name in body}
    chat["messages"] = list(_messages(body))
    if "max_output_tokens" in body:
        chat["max_completion_tokens"] = body["max_output_tokens"]
    if body.get("tools"):
        chat["tools"] = body["tools"]
    choice = body.get("tool_choice")
    if isinstance(choice, dict) and choice.get("type") == "function":
        choice = {"type": "function", "function": {"name": choice.get("name")}}
    if choice is not None:
        chat["tool_choice"] = choice
    if (form := _format(body.get("text"))) is not None:
        chat["response_format"] = form
    if isinstance(chat.get("tools"), list):
        chat["tools"] = [_tool(item, index) for index, item in enumerate(chat["tools"])]
    return chat


def _tool(item: Any, index: int) -> Any:
    if not isinstance(item, dict) or item.get("type") != "function":
        raise invalid_input(f"tools[{index}]: only functions are emulated")
    return {"type": "function", "function": {k: v for k, v in item.items() if k != "type"}}


def _format(text: Any) -> dict[str, Any] | None:
    """`text.format` as a `response_format`; its schema bare, which every model takes."""
    match text:
        case None | {"format": None}:
            return None
        case {"format": {"type": "json_schema", "schema": dict(schema)}}:
            return {"type": "json_schema", "json_schema": schema}
        case {"format": {"type": "json_object" | "text" as kind}}:
            return {"type": kind}
        case dict() if "format" not in text:
            return None
    raise invalid_input("text.format must be text, json_object or json_schema with a schema")


def _messages(body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    instructions = body.get("instructions")
    if instructions is not None:
        if not isinstance(instructions, str):
            raise invalid_input("instructions must be text")
        yield {"role": "system", "content": instructions}
    given = body.get("input")
    if isinstance(given, str) and given:
        yield {"role": "user", "content": given}
        return
    if not isinstance(given, list) or not given:
        raise invalid_input("input is required: text, or a list with an item")
    for index, item in enumerate(given):
        yield from _item(item, f"input[{index}]")


def _item(item: Any, where: str) -> Iterator[dict[str, Any]]:
    match item:
        case {"type": "function_call", "call_id": str(call_id), "name": str(name)}:
            function = {"name": name, "arguments": item.get("arguments", "")}
            call = {"id": call_id, "type": "function", "function": function}
            yield {"role": "assistant", "content": "", "tool_calls": [call]}
        case {"type": "function_call_output", "call_id": str(call_id)}:
            content = _content(item.get("output"), f"{where}.output")
            yield {"role": "tool", "tool_call_id": call_id, "content": content}
        case {"type": "reasoning"}:
            pass  # what was thought before is not needed again
        case {"role": str(role)}:
            yield {"role": role, "content": _content(item.get("content"), f"{where}.content")}
        case _:
            raise invalid_input(f"{where} is neither a message nor a function call or its output")


def _content(content: Any, where: str) -> Any:
    """Parts in chat's own names."""
    if not isinstance(content, list):
        return content
    parts = []
    for part in content:
        match part:
            case {"type": str(kind)} if kind in _TEXT_PARTS:
                parts.append({"type": "text", "text": part.get("text", part.get("refusal", ""))})
            case {"type": "input_image", "image_url": str(url)}:
                parts.append({"type": "image_url", "image_url": {"url": url}})
            case _:
                raise invalid_input(f"{where} has a part that is neither text nor image")
    return parts
