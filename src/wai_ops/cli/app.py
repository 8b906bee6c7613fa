"""The root of the command tree. A group's module is imported only when that group is called."""

import importlib
import sys
from typing import Any

import typer
import typer.core
import typer.main
from typer.exceptions import TyperException

from wai_ops._version import __version__
from wai_ops.cli import diagnostics
from wai_ops.cli.context import AppContext
from wai_ops.cli.parameters import quicken
from wai_ops.cli.process import Interrupted, PipeClosed
from wai_ops.core.errors import ExitCode, UsageError

GROUPS: dict[str, tuple[str, str]] = {
    "init": ("wai_ops.cli.init", "Write a commented wai.yaml and a first prompt."),
    "doctor": ("wai_ops.cli.doctor", "Check configuration, credentials, gateway and local data."),
    "run": ("wai_ops.cli.run", "Send one prompt; record and price the call."),
    "chat": ("wai_ops.cli.chat", "Talk in a conversation that is kept, with tools under policy."),
    "conversations": (
        "wai_ops.cli.conversations",
        "List, show, fork, export and delete conversations.",
    ),
    "prompts": ("wai_ops.cli.prompts", "Freeze, review, release and compare prompts."),
    "tools": ("wai_ops.cli.tools", "List, check and call tools, under policy."),
    "policy": ("wai_ops.cli.policy", "Check, test, explain and backtest policies."),
    "route": ("wai_ops.cli.route", "Explain and backtest which model serves which risk."),
    "audit": ("wai_ops.cli.audit", "Verify, prove, anchor and reconstruct recorded decisions."),
    "envelope": ("wai_ops.cli.envelope", "Show and reconcile money that is set aside."),
    "budget": ("wai_ops.cli.budget", "Plan, push and prove budgets as guards of the gateway."),
    "affinity": ("wai_ops.cli.affinity", "Show, list and rotate affinity sessions."),
    "report": ("wai_ops.cli.report", "Answer questions from the ledger."),
    "logs": ("wai_ops.cli.logs", "Pull, import, check and export gateway logs."),
    "outcomes": ("wai_ops.cli.outcomes", "Record how conversations ended."),
    "ledger": ("wai_ops.cli.ledger", "Fold, inspect, query and export the ledger."),
    "models": ("wai_ops.cli.models", "List models and prices; refresh them from the catalogue."),
    "config": ("wai_ops.cli.config", "Show and validate the configuration."),
    "emulator": ("wai_ops.cli.emulator", "Run a local Cloudflare for development and tests."),
    "redact": ("wai_ops.cli.redact", "Mask credentials in text on stdin."),
    "schema": ("wai_ops.cli.schema", "Print the JSON Schema of a command's --json output."),
    "completion": ("wai_ops.cli.completion", "Print the shell completion script."),
}
"""Command name -> the module that holds its `app`, and its line in `wai --help`."""

SETTINGS = {"help_option_names": ["-h", "--help"], "terminal_width": 80, "max_content_width": 80}


class Group(typer.core.TyperGroup):
    """Lists its commands with their whole first sentence, where Click would cut it off."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of commands; a long line wraps."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(n, first_sentence(c.help or "")) for n, c in commands if c])


def first_sentence(text: str) -> str:
    """Return the first sentence of a help text, on one line."""
    line = " ".join(text.partition("\n\n")[0].split())
    sentence, dot, _ = line.partition(". ")
    return sentence + "." if dot else line


class RootGroup(typer.core.TyperGroup):
    """Imports only what was asked for; the list of commands needs no import at all."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the command names in the order of the help page."""
        return list(GROUPS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import the module of one command; None when there is no such command."""
        if cmd_name not in GROUPS:
            return None
        module, _ = GROUPS[cmd_name]
        command = typer.main.get_command(importlib.import_module(module).app)
        command.name = cmd_name
        return quicken(command)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; keep a closed pipe and Ctrl-C from Typer, which would exit by itself."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise PipeClosed from error
        except KeyboardInterrupt as error:
            raise Interrupted from error

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of commands from the table, without importing their modules."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in GROUPS.items()])


root = typer.Typer(
    cls=RootGroup,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings=SETTINGS,
    no_args_is_help=True,
)


def _print_version(value: bool) -> None:
    if value:
        typer.echo(f"wai {__version__}")
        raise typer.Exit


@root.callback()
def wai(
    ctx: typer.Context,
    *,
    version: bool = typer.Option(
        False, "--version", "-V", is_eager=True, callback=_print_version, help="Print the version."
    ),
) -> None:
    """Operations for agents on Cloudflare Workers AI: affinity, cost, evidence.

    \b
    Examples:
      wai run --local "Why is the sky blue?"
      wai report cost --by workflow --since 7d
      wai doctor
    """
    del version
    if ctx.obj is None:
        ctx.obj = AppContext()


def new_app(help_text: str | None = None) -> typer.Typer:
    """Make the Typer app of one command module, with the settings that all of them share."""
    return typer.Typer(
        cls=Group,
        help=help_text,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings=SETTINGS,
        no_args_is_help=help_text is not None,
    )


def command_tree() -> Any:
    """Build the whole root command: for running, and for generating help and completions."""
    return quicken(typer.main.get_command(root))


def run(arguments: list[str]) -> int:
    """Run one command line in this process and return its exit code; WaiError passes through."""
    try:
        result = command_tree().main(args=arguments, prog_name="wai", standalone_mode=False)
    except TyperException as error:
        return _report_usage(error)
    return result if isinstance(result, int) else 0


def _report_usage(error: TyperException) -> int:
    """Say what is wrong with the command line; a group called with nothing shows its help."""
    context: Any = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        sys.stderr.write(f"{error.format_message()}\n")
    else:
        path = "wai" if context is None else context.command_path
        # "Value error" is pydantic's word for what it says anyway.
        words = error.format_message().replace(": Value error, ", ": ", 1)
        diagnostics.report(UsageError(words, hint=f"see: {path} --help"))
    return ExitCode.USAGE
