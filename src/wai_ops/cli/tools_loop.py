"""Tools as `wai run`, `wai chat` and `wai tools` use them: declared, under policy, asked about."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wai_ops.cli.context import AppContext

if TYPE_CHECKING:
    from wai_ops.runtime.keeping import Keeper
    from wai_ops.runtime.request import Ask
    from wai_ops.runtime.tools.approval import Approver, Question
    from wai_ops.runtime.tools.load import Toolbox
    from wai_ops.runtime.tools.loop import ToolLoop
    from wai_ops.state.live import LiveState


def toolbox_of(context: AppContext, names: Sequence[str], folder: Path | None) -> "Toolbox":
    """The declared tools of these names (`crm.*` too); all of them without names.

    Raises UsageError with every problem of the files, or for a name that nobody declared.
    """
    from wai_ops.config.governed import project_root
    from wai_ops.runtime.tools.load import load_tools, tools_folder

    settings = context.settings
    place = tools_folder(settings, context.cwd) if folder is None else context.cwd / folder
    toolbox = load_tools(place, project_root(settings, context.cwd), settings.tools)
    return toolbox.choose(names) if names else toolbox


def require_policies(context: AppContext) -> None:
    """Raise DeniedError in a project without policies: there is nothing that could allow a tool."""
    from wai_ops.config.governed import is_governed, policy_folder
    from wai_ops.core.errors import DeniedError

    if not is_governed(context.settings, context.cwd):
        raise DeniedError(
            "tools need policies: without one that allows them, none is called",
            where=str(policy_folder(context.settings, context.cwd)),
            hint="write a first one: wai policy init",
        )


def with_tools(context: AppContext, ask: "Ask", names: Sequence[str], folder: Path | None) -> "Ask":
    """The question as a loop would send it first. Raises as `tool_loop_of` does."""
    require_policies(context)
    from wai_ops.runtime.tools.loop import offering

    return offering(ask, toolbox_of(context, names, folder))


def tool_loop_of(
    context: AppContext,
    governance: Any,
    live: "LiveState",
    keeper: "Keeper",
    *,
    names: Sequence[str],
    folder: Path | None,
) -> "ToolLoop":
    """The tool loop of one command; close it. Raises UsageError, and DeniedError ungoverned."""
    require_policies(context)
    from wai_ops.runtime.request import Ask
    from wai_ops.runtime.tools.build import build_caller
    from wai_ops.runtime.tools.listing import unlisted_in
    from wai_ops.runtime.tools.loop import MAX_CALLS, LoopRules, ToolLoop

    toolbox = toolbox_of(context, names, folder)
    caller = build_caller(
        toolbox,
        gate=governance.gate,
        registry=governance.registry,
        live=live,
        settings=context.settings,
        keeper=keeper,
        clock=context.clock,
        environ=context.environ,
        approver=approver_of(context),
    )

    def rules(ask: Ask) -> LoopRules:
        limits, _ = governance.limits(ask)
        most = limits.envelope.max_tool_calls
        return LoopRules(
            risk_tier=governance.tier(ask),
            data_classes=governance.data_classes,
            max_calls=MAX_CALLS if most is None else most,
            unlisted=unlisted_in(ask.workflow, toolbox, governance.registry),
        )

    return ToolLoop(toolbox, caller, rules)


def approver_of(context: AppContext) -> "Approver":
    """Whoever sits at the terminal; nobody in CI, and where there is none."""
    from wai_ops.prompts.release import is_ci
    from wai_ops.runtime.tools.approval import Nobody

    if is_ci(context.environ) or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return Nobody()
    return _Terminal(context)


class _Terminal:
    """Asks on stderr, and reads the answer from standard input."""

    def __init__(self, context: AppContext) -> None:
        self._context = context

    def ask(self, question: "Question") -> str | None:
        """Show what is wanted; only `y` or `yes` is a yes."""
        import termios

        from wai_ops.cli import diagnostics
        from wai_ops.cli.actor import actor_of
        from wai_ops.cli.keyboard import typed_line

        for line in question.lines():
            diagnostics.message(line)
        # What was typed before the question was shown is no answer to it.
        termios.tcflush(sys.stdin, termios.TCIFLUSH)
        sys.stderr.write("wai: allow it? [y/N] ")
        sys.stderr.flush()
        answer = typed_line()
        if not answer.endswith("\n"):
            sys.stderr.write("\n")
        if answer.strip().lower() not in ("y", "yes"):
            return None
        return actor_of(self._context.environ)
