"""`wai prompts show` and `render`: one prompt as it is written, and as it is sent."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from wai_ops.core.clock import to_utc_text
from wai_ops.core.text import one_line, printable
from wai_ops.prompts.includes import where_of
from wai_ops.prompts.listing import labels_text
from wai_ops.prompts.lockfile import PromptLock
from wai_ops.prompts.prefix import stable_prefix
from wai_ops.prompts.reference import Resolved
from wai_ops.prompts.rendering import render_messages, variables_of
from wai_ops.prompts.tokens import EstimatingCounter
from wai_ops.prompts.version import digest


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionDetail:
    """One section: its template with the includes put in."""

    role: str
    text: str
    line: int
    """Where it begins in the prompt file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VariableDetail:
    """One variable that the prompt takes."""

    name: str
    type: str
    required: bool
    default: Any
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptDetail:
    """Everything about one version of a prompt."""

    prompt: str
    prompt_version: str
    """As metadata and records name it."""
    sha256: str
    label: str | None
    """The label that led to this version."""
    frozen_at: datetime | None
    author: str | None
    message: str | None
    labels: str
    """All labels of the prompt."""
    model: str | None
    route: str | None
    parameters: Mapping[str, Any]
    variables: tuple[VariableDetail, ...]
    tools: tuple[str, ...]
    """Their names, in the order in which they are sent."""
    has_output_schema: bool
    envelope: Mapping[str, Any]
    includes: tuple[str, ...]
    owners: tuple[str, ...]
    tags: tuple[str, ...]
    description: str
    sections: tuple[SectionDetail, ...]

    def to_text(self) -> str:
        """Write it for people: what is known line by line, then the sections."""
        return "".join(f"{line}\n" for line in self._lines())

    def _lines(self) -> Iterator[str]:
        name = f"{self.prompt}@{self.prompt_version}"
        yield f"{name}  sha256:{self.sha256}"
        frozen = f"{to_utc_text(self.frozen_at)} by {self.author}" if self.frozen_at else None
        for label, value in (
            ("description", self.description),
            ("frozen", frozen),
            ("message", self.message),
            ("labels", self.labels),
            ("model", self.model),
            ("route", self.route),
            ("parameters", _pairs(self.parameters)),
            ("tools", ", ".join(self.tools)),
            ("output schema", "yes" if self.has_output_schema else None),
            ("envelope", _pairs(self.envelope)),
            ("includes", ", ".join(self.includes)),
            ("owners", ", ".join(self.owners)),
            ("tags", ", ".join(self.tags)),
        ):
            if value:
                yield f"  {label}: {one_line(value, 1000)}"
        for item in self.variables:
            kind = "" if item.required else ", optional"
            about = f": {one_line(item.description)}" if item.description else ""
            yield f"  variable {item.name} ({item.type}{kind}){about}"
        for section in self.sections:
            yield f"\n{section.role} (line {section.line})"
            yield from _indented(section.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedMessage:
    """One message, exactly as it is sent."""

    role: str
    content: str
    stable_characters: int
    """How many characters at its beginning are the same in every conversation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendering:
    """The messages of a prompt, and how much of them a prefix cache can share."""

    prompt: str
    prompt_version: str
    messages: tuple[RenderedMessage, ...]
    prefix_characters: int
    prefix_estimated_tokens: int
    """By length: about four bytes a token."""
    prefix_ends_at: str | None
    """`file:line:column` of the tag that ends the stable prefix; null when all is stable."""
    prefix_variable: str | None
    prefix_reason: str

    def to_text(self) -> str:
        """Write the messages for people, with a mark where the stable prefix ends."""
        return "".join(f"{line}\n" for line in self._lines())

    def _lines(self) -> Iterator[str]:
        is_stable = True
        for message in self.messages:
            yield message.role
            stable = message.stable_characters
            if is_stable and stable < len(message.content):
                is_stable = False
                if stable:
                    yield from _indented(message.content[:stable])
                yield f"--- the stable prefix ends here: {self.prefix_ends_at} ---"
                yield from _indented(message.content[stable:])
            else:
                yield from _indented(message.content)
            yield ""
        size = f"{self.prefix_characters} characters, about {self.prefix_estimated_tokens} tokens"
        yield f"stable prefix: {size}; {self.prefix_reason}"


def show_prompt(resolved: Resolved, known: PromptLock) -> PromptDetail:
    """Everything about the version that a reference led to."""
    source, frozen = resolved.source, resolved.frozen
    front = source.front
    declared = front.variables or {}
    return PromptDetail(
        prompt=source.name,
        prompt_version=resolved.version_text,
        sha256=digest(source),
        label=resolved.label,
        frozen_at=frozen.frozen_at if frozen else None,
        author=frozen.author if frozen else None,
        message=frozen.message if frozen else None,
        labels=labels_text(known),
        model=front.model,
        route=front.route,
        parameters={
            item.name: value
            for item in fields(front.parameters)
            if (value := getattr(front.parameters, item.name)) is not None
        },
        variables=tuple(
            VariableDetail(
                name=name,
                type=declared[name].type.value if name in declared else "string",
                required=required,
                default=declared[name].default if name in declared else None,
                description=declared[name].description if name in declared else "",
            )
            for name, required in variables_of(source).items()
        ),
        tools=tuple(tool.get("function", tool)["name"] for tool in front.tools),
        has_output_schema=front.output_schema is not None,
        envelope=front.envelope,
        includes=tuple(item.path for item in source.includes),
        owners=front.owners,
        tags=front.tags,
        description=front.description,
        sections=tuple(
            SectionDetail(role=item.role, text=item.text, line=item.line)
            for item in source.sections
        ),
    )


def render_prompt(resolved: Resolved, values: Mapping[str, Any]) -> Rendering:
    """Render with these values, and say what is stable whatever they are."""
    source = resolved.source
    messages = render_messages(source, values)
    prefix = stable_prefix(source)
    stable = [len(message["content"]) for message in prefix.messages]
    stable += [0] * (len(messages) - len(stable))
    rendered = tuple(
        RenderedMessage(
            role=message["role"],
            content=message["content"],
            stable_characters=min(size, len(message["content"])),
        )
        for message, size in zip(messages, stable, strict=False)
    )
    return Rendering(
        prompt=source.name,
        prompt_version=resolved.version_text,
        messages=rendered,
        prefix_characters=len(prefix.text),
        prefix_estimated_tokens=EstimatingCounter().count(prefix.as_chat(source.front.tools)),
        prefix_ends_at=where_of(prefix.ends_at) if prefix.ends_at else None,
        prefix_variable=prefix.variable,
        prefix_reason=prefix.reason,
    )


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _indented(text: str) -> Iterator[str]:
    for line in printable(text).split("\n"):
        yield f"    {line}".rstrip()
