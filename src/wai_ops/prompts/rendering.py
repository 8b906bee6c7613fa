"""Rendering."""

from collections.abc import Mapping
from typing import Any

from wai_ops.prompts.source import Source


def check_source(source: Source) -> None:
    """Compile everything; raises PromptError for what could never be rendered."""


def render_messages(source: Source, values: Mapping[str, Any]) -> list[dict[str, str]]:
    """Fill in the variables."""
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
    return [
        {"role": item.role, "content": environment.from_string(item.text).render(**values)}
        for item in source.sections
    ]
