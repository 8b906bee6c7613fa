"""What the front matter of a prompt says: the shape, and reading it with the place of every error.

The front matter is strict YAML between two `---` lines at the top of a prompt file. Every key is
optional. It is checked by hand and not by a validator, which would cost more than all the rest of
`wai run --prompt`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Json = Any
"""Plain data: what JSON can hold, with int and float for numbers."""


class VariableType(StrEnum):
    """What a value of a variable may be."""

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    LIST = "list"
    OBJECT = "object"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A declared variable. Without `required`, a value that is not given is `default`."""

    name: str
    type: VariableType = VariableType.STRING
    required: bool = True
    default: Json = None
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Sampling and limits, named as everywhere in `wai`. None: not said here."""

    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    repetition_penalty: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LintChoice:
    """What `wai prompts lint` leaves out in this prompt. Decides no behaviour: never hashed."""

    ignore: tuple[str, ...] = ()
    """Ids of rules."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontMatter:
    """Everything that stands above a template."""

    model: str | None = None
    route: str | None = None
    """At most one of model and route."""
    parameters: Parameters = field(default_factory=Parameters)
    variables: Mapping[str, Variable] | None = None
    """None: nothing is declared, and every name in the template is a required string."""
    tools: tuple[Mapping[str, Json], ...] = ()
    """In the order in which the model reads them; keys inside keep their order, too."""
    output_schema: Mapping[str, Json] | None = None
    """A JSON Schema; its keys keep their order, which is the order of the answer."""
    envelope: Mapping[str, Json] = field(default_factory=dict)
    owners: tuple[str, ...] = ()
    description: str = ""
    tags: tuple[str, ...] = ()
    lint: LintChoice = field(default_factory=LintChoice, compare=False)
    lines: Mapping[str, int] = field(default_factory=dict, compare=False)
    """Top-level key, or `envelope.key` -> its line in the prompt file; empty for a frozen
    version."""
