"""The tools folder: every file read strictly, every problem with its place, one name once."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from wai_ops.config.decode import validate
from wai_ops.config.files import read_small_file
from wai_ops.config.problems import Mark, Problem, lines, nearest, usage_error
from wai_ops.config.settings import Settings, ToolSettings
from wai_ops.config.yaml_strict import DataPath, Document, parse
from wai_ops.core.errors import UsageError
from wai_ops.runtime.tools.arguments import ArgumentCheck, schema_problem
from wai_ops.runtime.tools.limits import wire_name
from wai_ops.runtime.tools.model import CommandTool, HttpTool, McpTool, ToolEntry, ToolFile
from wai_ops.runtime.tools.shape import schema_problems
from wai_ops.runtime.tools.template import VARIABLE, split_url, variables_in, variables_of

_MOST_FILES = 500
_SEPARATOR = re.compile(r"[./:]|__")
_SINGLE = frozenset(("string", "number", "integer", "boolean"))
_OUR_VARIABLES = re.compile(r"(?:WAI_|CLOUDFLARE_)")


@dataclass(frozen=True)
class Tool:
    """One declared tool, checked."""

    entry: ToolEntry
    family: str
    max_tokens: int
    """The most that a result may take of the context."""
    where: str
    """`tools/crm.yaml:4`."""

    @property
    def name(self) -> str:
        """As policies and logs have it."""
        return self.entry.name

    @property
    def wire_name(self) -> str:
        """As models have it."""
        return wire_name(self.entry.name)

    @property
    def kind(self) -> str:
        """`http`, `command` or `mcp`."""
        if self.entry.http is not None:
            return "http"
        return "command" if self.entry.command is not None else "mcp"

    @property
    def max_attempts(self) -> int:
        """Requests of one call, the first included."""
        if self.entry.max_attempts is not None:
            return self.entry.max_attempts
        http = self.entry.http
        return 3 if http is not None and http.method.is_safe_to_repeat else 1

    @cached_property
    def check(self) -> ArgumentCheck:
        """Judges arguments against the declared schema."""
        return ArgumentCheck(self.entry.parameters, where=self.where)

    @property
    def definition(self) -> dict[str, Any]:
        """The tool as a request offers it."""
        return {
            "type": "function",
            "function": {
                "name": self.wire_name,
                "description": self.entry.description,
                "parameters": dict(self.entry.parameters),
            },
        }


@dataclass(frozen=True)
class Toolbox:
    """All declared tools, by name."""

    tools: Mapping[str, Tool]
    folder: Path
    root: Path
    """The folder of wai.yaml."""

    def choose(self, names: Sequence[str]) -> "Toolbox":
        """Only these, by exact name or `crm.*`. Raises UsageError for one that nobody declared."""
        chosen: dict[str, Tool] = {}
        for name in names:
            prefix = name.removesuffix("*")
            if name.endswith(".*"):
                found = {n: t for n, t in self.tools.items() if n.startswith(prefix)}
            else:
                found = {n: t for n, t in self.tools.items() if name in (n, t.wire_name)}
            if not found:
                near = nearest(name, self.tools)
                hint = f"did you mean {near}?" if near else "see: wai tools list"
                raise UsageError(f"there is no tool {name}", hint=hint, where=str(self.folder))
            chosen |= found
        return Toolbox(dict(sorted(chosen.items())), self.folder, self.root)

    def by_wire_name(self, name: str) -> Tool | None:
        """The tool that a model means. Its declared name is understood as well."""
        by_wire = {tool.wire_name: tool for tool in self.tools.values()}
        return by_wire.get(name) or self.tools.get(name)

    @property
    def definitions(self) -> tuple[dict[str, Any], ...]:
        """What a request offers, in one order, so that the cached prefix does not depend on it."""
        return tuple(self.tools[name].definition for name in sorted(self.tools))


def tools_folder(settings: Settings, cwd: Path) -> Path:
    """Where tools are declared: `tools.folder`, beside wai.yaml."""
    base = cwd if settings.config_file is None else settings.config_file.parent
    return base / settings.tools.folder


def load_tools(folder: Path, root: Path, settings: ToolSettings) -> Toolbox:
    """Load every `*.yaml` of the folder. Raises UsageError with every problem, one a line."""
    files = sorted(folder.glob("*.yaml")) if folder.is_dir() else []
    if not files:
        raise UsageError(
            "no tools are declared: there is no *.yaml here",
            hint="write a first one: wai tools init",
            where=str(folder),
        )
    if len(files) > _MOST_FILES:
        raise UsageError(f"more than {_MOST_FILES} files", where=str(folder))
    found: dict[str, Tool] = {}
    problems: list[str] = []
    for file in files:
        label = str(file.relative_to(root)) if file.is_relative_to(root) else str(file)
        tools, wrong = _load_file(file, label, settings)
        problems += wrong
        for tool in tools:
            other = next((t for t in found.values() if t.wire_name == tool.wire_name), None)
            if other is not None:
                problems.append(f"{tool.where}: {tool.name} is declared at {other.where} as well")
            found.setdefault(tool.name, tool)
    if problems:
        raise usage_error(problems)
    return Toolbox(dict(sorted(found.items())), folder, root)


def family_of(name: str, settings: ToolSettings) -> str:
    """The family of a tool by its name, as reports have it."""
    fits = [prefix for prefix in settings.families if name.startswith(prefix)]
    if fits:
        return settings.families[max(fits, key=len)]
    return _SEPARATOR.split(name, maxsplit=1)[0] or name


def _load_file(file: Path, label: str, settings: ToolSettings) -> tuple[list[Tool], list[str]]:
    document = parse(read_small_file(file), label)
    value, problems = validate(document, ToolFile)
    if value is None:
        return [], lines(label, problems)
    tools: list[Tool] = []
    for index, entry in enumerate(value.tools):
        path: DataPath = ("tools", index)
        family = entry.family or family_of(entry.name, settings)
        most = entry.output.max_tokens or settings.result_tokens.get(
            family, settings.default_result_tokens
        )
        mark = document.marks.get((*path, "name"), Mark())
        problems += [
            Problem(_mark(document, (*path, *at)), f"{entry.name}: {text}")
            for at, text in _problems(entry)
        ]
        tools.append(Tool(entry, family, most, f"{label}:{mark.line}"))
    return tools, lines(label, problems)


def _mark(document: Document, path: DataPath) -> Mark:
    for length in range(len(path), -1, -1):
        if (mark := document.marks.get(path[:length])) is not None:
            return mark
    return Mark()


def _problems(entry: ToolEntry) -> Iterator[tuple[DataPath, str]]:
    kinds = [name for name in ("http", "command", "mcp") if getattr(entry, name) is not None]
    if len(kinds) != 1:
        given = f"it has {' and '.join(kinds)}" if kinds else "it has none"
        yield (), f"a tool has exactly one of http, command and mcp; {given}"
    schema = entry.parameters
    problem = schema_problem(schema)
    if problem is not None:
        yield ("parameters",), problem
        return
    for text in schema_problems(entry.output):
        yield ("output", "pick"), text
    if entry.http is not None:
        yield from _of_http(entry, entry.http)
    if entry.command is not None:
        yield from _of_command(entry, entry.command)
    if entry.mcp is not None:
        yield from _of_mcp(entry.mcp)


def _of_http(entry: ToolEntry, http: HttpTool) -> Iterator[tuple[DataPath, str]]:
    required = set(entry.parameters.get("required", ()))
    at: DataPath = ("http", "url")
    try:
        _, path = split_url(http.url)
    except ValueError as error:
        yield at, f"url {error}"
        return
    for name in variables_of(path):
        yield from _unknown(entry, at, name)
        if name not in required:
            yield at, f"{name} stands in the path: it must be one of `required`"
        if _type_of(entry, name) not in _SINGLE:
            yield at, f"{name} stands in the path: its type must be one of {_words(_SINGLE)}"
    yield from _of_parts(entry, http)
    for header, source in http.secrets.items():
        yield from _of_variables((source.env,), ("http", "secrets", header))


def _of_parts(entry: ToolEntry, http: HttpTool) -> Iterator[tuple[DataPath, str]]:
    for part in ("query", "body"):
        for name in variables_in(getattr(http, part) or {}):
            yield from _unknown(entry, ("http", part), name)
    if http.body is not None and http.method.value in ("GET", "HEAD", "DELETE"):
        yield ("http", "body"), f"a {http.method} request has no body"
    lowered = [name.lower() for name in (*http.headers, *http.secrets)]
    for name in sorted({name for name in lowered if lowered.count(name) > 1}):
        yield ("http",), f"the header {name} is set twice"


def _of_command(entry: ToolEntry, command: CommandTool) -> Iterator[tuple[DataPath, str]]:
    if not command.argv:
        yield ("command", "argv"), "argv must name a program"
        return
    if VARIABLE.search(command.argv[0]):
        yield ("command", "argv", 0), "the program itself cannot be an argument"
    for index, element in enumerate(command.argv):
        at: DataPath = ("command", "argv", index)
        for name in variables_in(element):
            yield from _unknown(entry, at, name)
            if _type_of(entry, name) not in _SINGLE:
                yield at, f"the type of {name} must be one of {_words(_SINGLE)}"
    yield from _of_variables(command.env, ("command", "env"))


def _of_mcp(mcp: McpTool) -> Iterator[tuple[DataPath, str]]:
    if not mcp.server:
        yield ("mcp", "server"), "server must name a program"
    for index, element in enumerate(mcp.server):
        if VARIABLE.search(element):
            yield ("mcp", "server", index), "a server's arguments are the same for every call"
    yield from _of_variables(mcp.env, ("mcp", "env"))


def _of_variables(names: Sequence[str], at: DataPath) -> Iterator[tuple[DataPath, str]]:
    for name in names:
        if _OUR_VARIABLES.match(name):
            yield at, f"{name} belongs to wai and goes to no tool"


def _unknown(entry: ToolEntry, at: DataPath, name: str) -> Iterator[tuple[DataPath, str]]:
    known = entry.parameters.get("properties", {})
    if name not in known:
        near = nearest(name, known)
        yield (
            at,
            f"{{{name}}} is no property of parameters"
            + (f"; did you mean {{{near}}}?" if near else ""),
        )


def _type_of(entry: ToolEntry, name: str) -> Any:
    declared = entry.parameters.get("properties", {}).get(name, {})
    return declared.get("type") if isinstance(declared, Mapping) else None


def _words(names: frozenset[str]) -> str:
    return ", ".join(sorted(names))
