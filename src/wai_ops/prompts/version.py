"""What decides a prompt's behaviour, spelled one way, and the SHA-256 over it.

Not hashed: description, owners, tags, comments and white space of the YAML, the order of its keys,
blank lines around a section, the names of the included files. Hashed in their order: sections,
tools, and the keys inside tools and output schema, because that is the text a model reads.
"""

import hashlib
import json
from dataclasses import fields
from typing import Any

from wai_ops.prompts.frontmatter import FrontMatter, Parameters
from wai_ops.prompts.source import Source

FORMAT = 1


def behaviour(source: Source) -> dict[str, Any]:
    """Everything that decides what a model is sent, as plain data in its canonical order."""
    front = source.front
    return {
        "format": FORMAT,
        "model": front.model,
        "route": front.route,
        "parameters": _parameters(front.parameters),
        "variables": _variables(front),
        "sections": [{"role": item.role, "text": item.text} for item in source.sections],
        "tools": [dict(tool) for tool in front.tools],
        "output_schema": None if front.output_schema is None else dict(front.output_schema),
        "envelope": _sorted(dict(front.envelope)),
    }


def canonical(source: Source) -> bytes:
    """The bytes that are hashed: compact JSON in UTF-8, on one line."""
    return compact(behaviour(source))


def digest(source: Source) -> str:
    """The SHA-256 of everything that decides behaviour, as 64 hex digits."""
    return hashlib.sha256(canonical(source)).hexdigest()


def work_version(source: Source) -> str:
    """How an unfrozen prompt is named in metadata and records: `work-` and 12 hex digits."""
    return f"work-{digest(source)[:12]}"


def compact(value: Any) -> bytes:
    """One value, one spelling: no spaces, keys as given, no infinities."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8")


def _parameters(parameters: Parameters) -> dict[str, Any]:
    found = {item.name: getattr(parameters, item.name) for item in fields(parameters)}
    return {name: value for name, value in sorted(found.items()) if value is not None}


def _variables(front: FrontMatter) -> dict[str, Any] | None:
    if front.variables is None:
        return None
    return {
        name: {
            "type": item.type.value,
            "required": item.required,
            "default": _sorted(item.default),
        }
        for name, item in sorted(front.variables.items())
    }


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(item) for key, item in sorted(value.items())}
    if isinstance(value, list | tuple):
        return [_sorted(item) for item in value]
    return value
