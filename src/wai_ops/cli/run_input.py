"""From the flags of `wai run` to an `Ask`: reading files and standard input, checking names."""

import json
import sys
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from wai_ops.config.settings import Settings
from wai_ops.core.errors import UsageError
from wai_ops.core.ids import is_name, uuid7
from wai_ops.prompts.template import load_template, read_input, render
from wai_ops.runtime.request import INLINE_PROMPT, Ask, Endpoint

MAX_STDIN = 16 * 1024 * 1024


def build_ask(
    settings: Settings,
    *,
    now: datetime,
    text: str | None,
    prompt: Path | None,
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
    streamed: bool,
) -> tuple[Ask, Any]:
    """Return the question and, with a schema, the check of its answer. Raises UsageError."""
    defaults = settings.defaults
    name, version = INLINE_PROMPT
    values = _variables(variables)
    if prompt is not None:
        if text is not None:
            raise UsageError("give either TEXT or --prompt, not both")
        template = load_template(_prompt_path(prompt, settings))
        name, version, text = template.name, template.version, render(template, values)
    elif values:
        raise UsageError("--var needs a --prompt file", hint="wai run --prompt FILE --var k=v")
    elif text == "-":
        text = _stdin()
    if text is None:
        raise UsageError("no prompt", hint='wai run "text", wai run - < file, or --prompt FILE')
    if not text.strip():
        raise UsageError("the prompt is empty")
    schema, check = _schema(json_schema)
    ask = Ask(
        text=_unicode(text, "the prompt"),
        system=None if system is None else _unicode(system, "--system"),
        model=_model(model or defaults.model),
        tenant=_name(tenant or defaults.tenant, "--tenant"),
        workflow=_name(workflow or defaults.workflow, "--workflow"),
        conversation_id=uuid7(now)
        if conversation is None
        else _name(conversation, "--conversation"),
        prompt_name=name,
        prompt_version=version,
        max_output_tokens=defaults.max_output_tokens if max_tokens is None else max_tokens,
        temperature=defaults.temperature if temperature is None else Decimal(str(temperature)),
        seed=seed,
        schema=schema,
        tools=_tools(tools),
        streamed=streamed,
        endpoint=_endpoint(endpoint),
    )
    return ask, check


def _prompt_path(prompt: Path, settings: Settings) -> Path:
    """A path as it is; a bare name stands for `prompts/NAME.prompt` beside `wai.yaml`."""
    if prompt.exists() or len(prompt.parts) != 1 or prompt.suffix:
        return prompt
    root = settings.config_file.parent if settings.config_file else Path()
    named = root / "prompts" / f"{prompt}.prompt"
    return named if named.exists() else prompt


def _variables(pairs: Sequence[str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.isidentifier():
            raise UsageError(f"--var {pair!r} is not NAME=VALUE")
        if name in values:
            raise UsageError(f"--var {name} is given twice")
        values[name] = value
    return values


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
    try:
        return json.loads(read_input(path, what))
    except json.JSONDecodeError as error:
        raise UsageError(
            f"not JSON: {error.msg}", where=f"{path}:{error.lineno}:{error.colno}"
        ) from error
    except RecursionError as error:
        raise UsageError("nested too deeply", where=str(path)) from error
