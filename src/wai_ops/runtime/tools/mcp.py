"""MCP tools: servers of the Model Context Protocol, started here and spoken to over pipes.

The `mcp` package (extra `mcp`) speaks the protocol. Starting the server is ours: the same
supervisor, the same short environment and the same limits as for commands, and lines that are
longer than the limit end the session instead of filling the memory. What the server says about
its tools is compared with the declaration, and never goes to a model.
"""

import hashlib
import importlib.util
import os
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

from wai_ops.core.errors import UsageError
from wai_ops.runtime.tools.canonical import canonical_json
from wai_ops.runtime.tools.child import (
    Child,
    Limits,
    environment_for,
    not_started,
    program,
    scratch_folder,
    start,
)
from wai_ops.runtime.tools.load import Tool, Toolbox
from wai_ops.runtime.tools.model import McpTool
from wai_ops.runtime.tools.outcome import UNAVAILABLE, Raw, ToolFailed, ToolProblem
from wai_ops.runtime.tools.template import ROOT

if TYPE_CHECKING:
    from mcp import ClientSession

_MOST_PAGES = 50
_FILE_MB = 64
_START_S = 30.0
_NOISE = frozenset(("title", "description", "examples", "default", "$schema", "$id", "$comment"))
"""What says nothing about which arguments pass."""


def require_mcp() -> None:
    """Raise UsageError when the extra is not installed."""
    if importlib.util.find_spec("mcp") is None:
        raise UsageError(
            "tools of MCP servers need the extra `mcp`", hint="pip install 'wai-ops[mcp]'"
        )


class McpServers:
    """The servers of one process, each started at its first call. Close it."""

    def __init__(self, toolbox: Toolbox, environ: Mapping[str, str]) -> None:
        """Nothing is started yet."""
        self._root = toolbox.root
        self._environ = environ
        # Tools share servers: a line is held to the largest limit, a result to its tool's own.
        entries = (tool.entry for tool in toolbox.tools.values())
        self._most = max((item.output.max_bytes for item in entries if item.mcp), default=0)
        self._sessions: dict[tuple[Any, ...], _Session] = {}

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop every server."""
        self.close()

    def close(self) -> None:
        """Stop every server."""
        while self._sessions:
            self._sessions.popitem()[1].close()

    def call(self, tool: Tool, arguments: Mapping[str, Any]) -> Raw:
        """Call a tool, after a comparison with its declaration. Raises ToolFailed."""
        mcp = _mcp_of(tool)
        session = self._session(mcp)
        try:
            problem = session.drift(tool)
            if problem is None:
                raw = session.call(mcp.tool, arguments, tool.entry.timeout_s)
                return _limited(raw, tool.entry.output.max_bytes)
        finally:
            if session.is_broken:
                self._drop(mcp)
        raise ToolFailed(ToolProblem.CHANGED, UNAVAILABLE, sent=False, detail=problem)

    def drift(self, tool: Tool) -> str | None:
        """How a server's tool differs from its declaration; None when it does not.

        Starts the server. Raises ToolFailed when that cannot be done.
        """
        return self._session(_mcp_of(tool)).drift(tool)

    def _session(self, mcp: McpTool) -> "_Session":
        key = _key(mcp)
        session = self._sessions.get(key)
        if session is None:
            session = self._sessions[key] = _Session(mcp, self._root, self._environ, self._most)
        return session

    def _drop(self, mcp: McpTool) -> None:
        session = self._sessions.pop(_key(mcp), None)
        if session is not None:
            session.close()


def _limited(raw: Raw, most: int) -> Raw:
    if len(raw.content) <= most:
        return raw
    raise ToolFailed(
        ToolProblem.TOO_LARGE,
        f"the tool wrote more than {most:,} bytes",
        raw=Raw(content=raw.content[:most]),
    )


def _mcp_of(tool: Tool) -> McpTool:
    assert tool.entry.mcp is not None
    return tool.entry.mcp


def _key(mcp: McpTool) -> tuple[Any, ...]:
    return (mcp.server, mcp.env, mcp.memory_mb, mcp.max_processes)


class _Session:
    """One running server."""

    def __init__(
        self, mcp: McpTool, root: Path, environ: Mapping[str, str], max_bytes: int
    ) -> None:
        require_mcp()
        from anyio.from_thread import start_blocking_portal

        self.is_broken = False
        self._faults: list[Exception] = []
        self._stack = ExitStack()
        self._declared: dict[str, Any] | None = None
        scratch = self._stack.enter_context(scratch_folder())
        try:
            env, _ = environment_for(mcp.env, environ, scratch)
            argv = [part.replace(ROOT, str(root)) for part in mcp.server]
            limits = Limits(
                cpu_s=None,
                memory_mb=mcp.memory_mb,
                file_mb=_FILE_MB,
                max_processes=mcp.max_processes,
            )
            self._child = start(
                program(argv, root),
                env=env,
                scratch=scratch,
                limits=limits,
                stdin=subprocess.PIPE,
                keeps_stderr=False,
            )
        except BaseException:
            self._stack.close()
            raise
        self._stack.callback(self._child.close)
        try:
            self._portal = self._stack.enter_context(start_blocking_portal())
            opened: AbstractContextManager[ClientSession] = self._portal.wrap_async_context_manager(
                _open(self._child, 2 * max_bytes, self._faults)
            )
            self._session = self._within(lambda: self._stack.enter_context(opened), "start")
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Stop the server."""
        # First the program: who reads from it wakes up at the end of the pipe.
        self._child.stop()
        with suppress(Exception):  # what a broken session says about itself is of no use now
            self._stack.close()

    def drift(self, tool: Tool) -> str | None:
        """How the server's tool differs from its declaration; None when it does not."""
        mcp = _mcp_of(tool)
        if self._declared is None:
            self._declared = self._within(
                lambda: self._portal.call(_list_tools, self._session), "list its tools"
            )
        theirs = self._declared.get(mcp.tool)
        if theirs is None:
            return f"{tool.name} ({tool.where}): the server has no tool {mcp.tool}"
        if mcp.schema_sha256 is not None:
            digest = schema_sha256(theirs)
            if digest == mcp.schema_sha256:
                return None
            return (
                f"{tool.name} ({tool.where}): the server's schema of {mcp.tool} is another one "
                f"than was reviewed (schema_sha256 is {digest} now)"
            )
        difference = schema_difference(tool.entry.parameters, theirs)
        if difference is None:
            return None
        return (
            f"{tool.name} ({tool.where}): its parameters differ from the server's {mcp.tool} at "
            f"{difference}; its schema_sha256 is {schema_sha256(theirs)}"
        )

    def call(self, name: str, arguments: Mapping[str, Any], timeout_s: float) -> Raw:
        """Call a tool of the server."""

        async def call() -> Any:
            import anyio

            with anyio.fail_after(timeout_s):
                return await self._session.call_tool(name, dict(arguments))

        try:
            result = self._portal.call(call)
        except TimeoutError as error:
            self.is_broken = True
            raise ToolFailed(ToolProblem.TIMEOUT, f"no answer within {timeout_s:g} s") from error
        except Exception as error:
            raise self._failed(error) from error
        return _raw_of(result)

    def _failed(self, error: Exception) -> ToolFailed:
        from mcp import MCPError
        from mcp_types import CONNECTION_CLOSED

        if isinstance(error, MCPError) and error.code != CONNECTION_CLOSED:
            return ToolFailed(ToolProblem.FAILED, f"the server said: {error}"[:300])
        self.is_broken = True
        if self._faults:
            return ToolFailed(ToolProblem.TOO_LARGE, str(self._faults[0]))
        reason = type(_reason(error)).__name__
        return ToolFailed(ToolProblem.FAILED, f"the server ended, or made no sense ({reason})")

    def _within(self, do: Callable[[], Any], what: str) -> Any:
        try:
            return do()
        except TimeoutError as error:
            self.is_broken = True
            raise not_started(f"the server did not {what} within {_START_S:g} s") from error
        except Exception as error:
            self.is_broken = True
            reason = type(_reason(error)).__name__
            raise not_started(f"the server did not {what}: {reason}") from error


class _TooLong(Exception):  # noqa: N818 - a finding
    """A line beyond the limit."""


def _reason(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


@asynccontextmanager
async def _open(
    child: Child, longest: int, faults: list[Exception]
) -> AsyncIterator["ClientSession"]:
    """A session over the pipes of a running server, initialised. `faults`: why it broke."""
    import anyio
    from mcp import ClientSession
    from mcp.shared.message import SessionMessage
    from mcp_types import Implementation

    from wai_ops._version import __version__

    incoming, read_stream = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    write_stream, outgoing = anyio.create_memory_object_stream[SessionMessage](0)

    async def read() -> None:
        assert child.process.stdout is not None
        async with incoming:
            while True:
                try:
                    line = await anyio.to_thread.run_sync(
                        _read_line, child.process.stdout, longest, abandon_on_cancel=True
                    )
                except _TooLong as error:
                    faults.append(error)
                    return
                if line is None:
                    return
                with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
                    await incoming.send(_message(line))

    async def write() -> None:
        assert child.process.stdin is not None
        async with outgoing:
            async for message in outgoing:
                text = message.message.model_dump_json(by_alias=True, exclude_unset=True)
                data = text.encode() + b"\n"
                await anyio.to_thread.run_sync(
                    _write_all, child.process.stdin, data, abandon_on_cancel=True
                )

    async with anyio.create_task_group() as group:
        group.start_soon(read)
        group.start_soon(write)
        info = Implementation(name="wai", version=__version__)
        async with ClientSession(read_stream, write_stream, client_info=info) as session:
            with anyio.fail_after(_START_S):
                await session.initialize()
            yield session
        group.cancel_scope.cancel()


def _message(line: bytes) -> Any:
    from mcp.shared.message import SessionMessage
    from mcp_types import jsonrpc_message_adapter

    try:
        return SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValueError as error:
        return error


def _read_line(pipe: IO[bytes], longest: int) -> bytes | None:
    """One line; None at the end. A longer one is the end as well."""
    line = pipe.readline(longest + 1)
    if len(line) > longest:
        raise _TooLong(f"the server wrote more than {longest:,} bytes in one line")
    return line or None


def _write_all(pipe: IO[bytes], data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(pipe.fileno(), view) :]


async def _list_tools(session: "ClientSession") -> dict[str, Any]:
    import anyio
    from mcp_types import PaginatedRequestParams

    found: dict[str, Any] = {}
    cursor: str | None = None
    with anyio.fail_after(_START_S):
        for _ in range(_MOST_PAGES):
            params = None if cursor is None else PaginatedRequestParams(cursor=cursor)
            page = await session.list_tools(params=params)
            for tool in page.tools:
                found[tool.name] = tool.input_schema
            cursor = page.next_cursor
            if not cursor:
                return found
    raise ValueError("the list of tools has no end")


def _raw_of(result: Any) -> Raw:
    """What a call gave back: structured content where there is some, else its texts."""
    texts = [block.text for block in result.content if block.type == "text"]
    others = sorted(block.type for block in result.content if block.type != "text")
    if result.structured_content is not None:
        content = canonical_json(result.structured_content).encode("utf-8", "surrogatepass")
    else:
        content = "\n".join(texts).encode("utf-8", "surrogatepass")
    note = f"left out, no text: {', '.join(others)}" if others else None
    raw = Raw(content=content, note=note)
    if result.is_error:
        first = texts[0] if texts else "the tool failed"
        raise ToolFailed(ToolProblem.FAILED, first[:300], raw=raw)
    return raw


def schema_sha256(schema: Any) -> str:
    """The digest of what in a schema decides which arguments pass."""
    return hashlib.sha256(canonical_json(_bare(schema)).encode()).hexdigest()


def schema_difference(ours: Any, theirs: Any) -> str | None:
    """The first place where two schemas let other arguments pass; None when they do not."""
    return _difference(_bare(ours), _bare(theirs), "")


def _difference(ours: Any, theirs: Any, path: str) -> str | None:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in sorted({*ours, *theirs}):
            place = f"{path}/{key}"
            if key not in ours:
                return f"{place} (only the server has it)"
            if key not in theirs:
                return f"{place} (only the declaration has it)"
            found = _difference(ours[key], theirs[key], place)
            if found is not None:
                return found
        return None
    return None if canonical_json(ours) == canonical_json(theirs) else path or "/"


def _bare(schema: Any, *, names_follow: bool = False) -> Any:
    """A schema without its words; the names of properties are no words."""
    if isinstance(schema, Mapping):
        bare = {
            key: _bare(value, names_follow=key in ("properties", "$defs", "patternProperties"))
            for key, value in schema.items()
            if names_follow or key not in _NOISE
        }
        if "required" in bare and not names_follow and isinstance(bare["required"], list):
            bare["required"] = sorted(map(str, bare["required"]))
            if not bare["required"]:
                del bare["required"]
        return bare
    if isinstance(schema, list | tuple):
        return [_bare(item) for item in schema]
    return schema
