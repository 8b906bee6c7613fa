"""What a tool file says: the shape that `tools/*.yaml` is validated against, and every default."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any

from wai_ops.config import rules
from wai_ops.control.policy.action import RiskTier
from wai_ops.control.policy.model import FILE_VERSION
from wai_ops.runtime.tools.limits import (
    ARGUMENT_ROOM,
    ATTEMPTS,
    BYTES,
    DESCRIPTION,
    HEADER_NAME,
    HEADER_VALUE,
    MEGABYTES,
    PROCESSES,
    REDIRECTS,
    REPEATS,
    ROWS,
    SHA256,
    TOOL_NAME,
    TOOL_SECONDS,
)


class Method(StrEnum):
    """The HTTP methods that a tool may use."""

    GET = "GET"
    HEAD = "HEAD"
    POST = "POST"
    PUT = "PUT"
    PATCH = "PATCH"
    DELETE = "DELETE"

    @property
    def is_safe_to_repeat(self) -> bool:
        """Whether HTTP itself promises that a second request does no more than the first."""
        return self not in (Method.POST, Method.PATCH)


class OutputFormat(StrEnum):
    """How a tool's output is read."""

    AUTO = "auto"
    """JSON if it is JSON, else text."""
    JSON = "json"
    TEXT = "text"


class Stdin(StrEnum):
    """What a command reads."""

    NONE = "none"
    ARGUMENTS = "arguments"
    """The call's arguments as one JSON object, and the end of the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretSource:
    """Where the value of a header comes from: never from the file itself."""

    env: Annotated[str, rules.VARIABLE]
    """The environment variable of the runtime side that holds it."""
    prefix: Annotated[str, HEADER_VALUE] = ""
    """What stands before it: `Bearer `."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpTool:
    """A request to a host that the policy's outbound list must allow as well."""

    url: Annotated[str, rules.TEXT]
    """With `{name}` in path segments only."""
    method: Method = Method.GET
    query: Mapping[str, str] = field(default_factory=dict)
    """Name -> value, with `{name}` inside; left out when the argument was not given."""
    body: Mapping[str, Any] | None = None
    """A JSON object; a text that is `{name}` and nothing else becomes the argument itself."""
    headers: Mapping[Annotated[str, HEADER_NAME], Annotated[str, HEADER_VALUE]] = field(
        default_factory=dict
    )
    secrets: Mapping[Annotated[str, HEADER_NAME], SecretSource] = field(default_factory=dict)
    """Header -> where its value comes from. Not sent to another origin."""
    max_redirects: Annotated[int, REDIRECTS] = 0
    """Each hop is decided upon like a request of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandTool:
    """A local program: an argument list, never a shell, in a folder made for the call."""

    argv: tuple[Annotated[str, ARGUMENT_ROOM], ...]
    """`{name}` inside; `{@root}` is the folder of wai.yaml."""
    stdin: Stdin = Stdin.NONE
    env: tuple[Annotated[str, rules.VARIABLE], ...] = ()
    """Variables that it gets besides the harmless ones; tokens of `wai` never."""
    cpu_s: Annotated[int, TOOL_SECONDS] = 30
    memory_mb: Annotated[int, MEGABYTES] = 1024
    file_mb: Annotated[int, MEGABYTES] = 64
    """The largest file that it may write."""
    max_processes: Annotated[int, PROCESSES] = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class McpTool:
    """A tool of a Model Context Protocol server that is started here and spoken to over pipes."""

    server: tuple[Annotated[str, ARGUMENT_ROOM], ...]
    """Its argument list, without variables but `{@root}`."""
    tool: Annotated[str, rules.TEXT]
    """The tool's name over there."""
    env: tuple[Annotated[str, rules.VARIABLE], ...] = ()
    schema_sha256: Annotated[str | None, SHA256] = None
    """Of the server's own schema, when `parameters` is narrower on purpose."""
    memory_mb: Annotated[int, MEGABYTES] = 1024
    max_processes: Annotated[int, PROCESSES] = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputShape:
    """What of a tool's output goes to the model."""

    format: OutputFormat = OutputFormat.AUTO
    pick: tuple[Annotated[str, rules.TEXT], ...] = ()
    """The fields that stay: `customer.name`, `orders[].id`. Empty: all."""
    rows: Annotated[int, ROWS] = 50
    """The most items of a list, or lines of a text."""
    max_tokens: Annotated[int | None, rules.OUTPUT_TOKENS] = None
    """None: what the tool's family may say (`tools.result_tokens` of wai.yaml)."""
    max_bytes: Annotated[int, BYTES] = 1024 * 1024
    """Of the raw output; a tool that says more is stopped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolEntry:
    """One tool. Exactly one of `http`, `command` and `mcp` says what it does."""

    name: Annotated[str, TOOL_NAME]
    description: Annotated[str, DESCRIPTION]
    family: Annotated[str | None, rules.NAME] = None
    """None: by `tools.families` of wai.yaml, else the part of the name before the first dot."""
    risk: RiskTier = RiskTier.LOW
    parameters: Mapping[str, Any] = field(
        default_factory=lambda: {"type": "object", "properties": {}}
    )
    """A JSON Schema of an object. What it does not name is refused, unless it says otherwise."""
    http: HttpTool | None = None
    command: CommandTool | None = None
    mcp: McpTool | None = None
    timeout_s: Annotated[float, TOOL_SECONDS] = 30
    """Of one call with all its attempts."""
    max_attempts: Annotated[int | None, ATTEMPTS] = None
    """None: 3 where a repeated request does no harm (GET, HEAD, PUT, DELETE), else 1."""
    max_repeats: Annotated[int, REPEATS] = 3
    """So many calls with the same arguments for one message of the user are a loop."""
    output: OutputShape = field(default_factory=OutputShape)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolFile:
    """One file of the tools folder."""

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 - read once by pydantic

    version: Annotated[int | str, FILE_VERSION]
    tools: tuple[ToolEntry, ...]
