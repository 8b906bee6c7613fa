"""From the flags of `wai run` to an `Ask`: reading files and standard input, checking names."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wai_ops.config.settings import Settings
from wai_ops.core.errors import UsageError
from wai_ops.core.ids import is_name, uuid7
from wai_ops.runtime.request import INLINE_PROMPT, Ask, Endpoint

if TYPE_CHECKING:
    from wai_ops.runtime.prompt_use import PromptUse

MAX_STDIN = 16 * 1024 * 1024


def build_ask(
    settings: Settings,
    *,
    now: datetime,
    environ: Mapping[str, str],
    text: str | None,
    prompt: str | None,
    allow_work: bool,
    variables: Sequence[str],
    system: str | None,
    model: str | None,
    workflow: str | None,
    tenant: str | None,
    conversation: str | None,
    max_tokens: int | None,
    temperature: float | None,
    seed: int | None,
    json_schema: Path | None,
    tools: Path | None,
    endpoint: str,
    no_stream: bool,
) -> tuple[Ask, Any]:
    """Return the question and, with a schema, the check of its answer. Raises UsageError."""
    values: dict[str, str] = {}
    if variables:
        from wai_ops.prompts.values import parse_pairs

        values = parse_pairs(variables)
    if prompt is None and values:
        raise UsageError("--var needs a --prompt file", hint="wai run --prompt FILE --var k=v")
    if text == "-":
        text = _stdin()
    if text is None and prompt is None:
        raise UsageError("no prompt", hint='wai run "text", wai run - < file, or --prompt FILE')
    if text is not None:
        if not text.strip():
            raise UsageError("the prompt is empty")
        text = _unicode(text, "the prompt")
    conversation_id = uuid7(now) if conversation is None else _name(conversation, "--conversation")
    defaults = settings.defaults
    tenant = _name(tenant or defaults.tenant, "--tenant")
    if system is not None:
        system = _unicode(system, "--system")
    schema, check = _schema(json_schema)
    ask = Ask(
        text=text or "",
        system=system,
        model=_model(model or defaults.model),
        tenant=tenant,
        workflow=_name(workflow or defaults.workflow, "--workflow"),
        conversation_id=conversation_id,
        prompt_name=INLINE_PROMPT[0],
        prompt_version=INLINE_PROMPT[1],
        max_output_tokens=defaults.max_output_tokens if max_tokens is None else max_tokens,
        temperature=defaults.temperature if temperature is None else Decimal(str(temperature)),
        seed=seed,
        schema=schema,
        tools=_tools(tools),
        streamed=not no_stream and schema is None,
        endpoint=_endpoint(endpoint),
        is_model_fixed=model is not None,
        is_output_fixed=max_tokens is not None,
    )
    if prompt is None:
        return ask, check
    from wai_ops.cli.run_prompt import find
    from wai_ops.runtime.prompt_use import Changes, typed, use_prompt

    found = find(settings, environ, prompt, tenant, conversation_id, allow_work=allow_work)
    use = use_prompt(
        found,
        typed(found, {name: _unicode(value, f"--var {name}") for name, value in values.items()}),
        user_text=text,
        changes=Changes(
            model=model,
            max_output_tokens=max_tokens,
            temperature=None if temperature is None else ask.temperature,
            seed=seed,
            system=system,
            schema=schema,
            tools=_tools(tools),
        ),
    )
    return _with_prompt(ask, use, check, workflow=workflow, no_stream=no_stream)


def _with_prompt(
    ask: Ask, use: "PromptUse", check: Any, *, workflow: str | None, no_stream: bool
) -> tuple[Ask, Any]:
    """What the prompt says, changed by the flags; what neither says stays as it is."""
    if use.schema is not None and check is None:
        from wai_ops.runtime.schema_check import SchemaCheck

        check = SchemaCheck(use.schema, where=f"{use.name}@{use.version}: output_schema")
    asked = replace(
        ask,
        text=use.text,
        system=None,
        opening=use.opening,
        model=ask.model if use.model is None else _model(use.model),
        workflow=_name(workflow or use.workflow or ask.workflow, "--workflow"),
        prompt_name=use.name,
        prompt_version=use.version,
        release=use.release,
        limits=use.limits,
        is_model_fixed=use.model is not None,
        max_output_tokens=use.max_output_tokens or ask.max_output_tokens,
        temperature=ask.temperature if use.temperature is None else use.temperature,
        seed=use.seed,
        sampling=use.sampling,
        schema=use.schema,
        tools=use.tools,
        # Constrained decoding and streaming do not combine on every model.
        streamed=not no_stream and use.schema is None,
    )
    return asked, check


def _stdin() -> str:
    data = sys.stdin.buffer.read(MAX_STDIN + 1)
    if len(data) > MAX_STDIN:
        raise UsageError(f"standard input is larger than {MAX_STDIN} bytes")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"standard input is not UTF-8 (byte {error.start})") from error


def _unicode(text: str, what: str) -> str:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UsageError(f"{what} is not valid Unicode (character {error.start})") from error
    return text


def _name(text: str, flag: str) -> str:
    if not is_name(text):
        raise UsageError(
            f"{flag} {text!r} is not a usable name",
            hint="letters, digits and . _ @ / -, at most 128 characters",
        )
    return text


def _model(text: str) -> str:
    """A model id ends up in a path: it may hold slashes, but no way out of it."""
    bare = text.removeprefix("@")
    if not is_name(bare) or any(part in {"", ".", ".."} for part in bare.split("/")):
        raise UsageError(f"--model {text!r} is not a model id", hint="see: wai models list")
    return text


def _endpoint(text: str) -> Endpoint:
    try:
        return Endpoint(text)
    except ValueError as error:
        raise UsageError(f"--endpoint {text!r} is none of auto, chat, run") from error


def _schema(path: Path | None) -> tuple[dict[str, Any] | None, Any]:
    if path is None:
        return None, None
    from wai_ops.runtime.schema_check import SchemaCheck

    value = _json(path, "JSON Schema")
    if not isinstance(value, dict):
        raise UsageError("a JSON Schema is an object", where=str(path))
    return value, SchemaCheck(value, where=str(path))


def _tools(path: Path | None) -> list[dict[str, Any]] | None:
    if path is None:
        return None
    value = _json(path, "tools file")
    if not isinstance(value, list) or not value:
        raise UsageError("a tools file is a JSON list of tool definitions", where=str(path))
    for position, tool in enumerate(value):
        inner = tool.get("function", tool) if isinstance(tool, dict) else None
        if not isinstance(inner, dict) or not isinstance(inner.get("name"), str):
            raise UsageError(f"tool {position} has no name", where=str(path))
    return value


def _json(path: Path, what: str) -> Any:
    from wai_ops.prompts.input_file import read_input

    try:
        return json.loads(read_input(path, what))
    except json.JSONDecodeError as error:
        raise UsageError(
            f"not JSON: {error.msg}", where=f"{path}:{error.lineno}:{error.colno}"
        ) from error
    except RecursionError as error:
        raise UsageError("nested too deeply", where=str(path)) from error
