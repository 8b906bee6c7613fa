"""The commands of `wai chat`: a line that begins with a slash. `//` begins a message with one."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from wai_ops.cli.chat_screen import Screen
from wai_ops.cli.chat_session import ChatSession
from wai_ops.core.errors import UsageError


class Left(Exception):  # noqa: N818 - it names what happened
    """The user wants to leave."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command: its arguments for people, its line of help, what it does.

    `run` gets the session, the screen and what stands behind the name; a text that it returns is
    said to the model.
    """

    arguments: str
    help: str
    run: Callable[[ChatSession, Screen, str], str | None]


def parse(line: str) -> tuple[str, str] | None:
    """Take a command apart into name and rest; None: the line is a message."""
    if not line.startswith("/") or line.startswith("//"):
        return None
    name, _, rest = line[1:].partition(" ")
    return name.strip().lower(), rest.strip()


def message_of(line: str) -> str:
    """The message of a line that is no command."""
    return line[1:] if line.startswith("//") else line


def run_command(name: str, rest: str, session: ChatSession, screen: Screen) -> str | None:
    """Do it. Raises UsageError for an unknown name, with the nearest one, and Left."""
    command = COMMANDS.get(name)
    if command is None:
        from wai_ops.config.problems import nearest

        near = nearest(name, COMMANDS)
        hint = f"did you mean /{near}?" if near else "see: /help"
        raise UsageError(f"there is no command /{name}", hint=hint)
    if rest and not command.arguments:
        raise UsageError(f"/{name} takes nothing behind it")
    return command.run(session, screen, rest)


def _help(session: ChatSession, screen: Screen, rest: str) -> None:
    del session, rest
    width = max(len(f"/{name} {item.arguments}") for name, item in COMMANDS.items()) + 2
    lines = [f"{f'/{n} {item.arguments}':<{width}}{item.help}" for n, item in COMMANDS.items()]
    screen.lines(
        [
            *lines,
            "",
            'Several lines: end a line with \\, or put them between """ and """ (or ```).',
            "Ctrl-C stops an answer, Ctrl-D leaves; everything that was said is kept.",
        ]
    )


def _cost(session: ChatSession, screen: Screen, rest: str) -> None:
    from wai_ops.runtime.conversation_text import cost_lines

    del rest
    detail = session.detail()
    screen.lines(["nothing was said yet"] if detail is None else cost_lines(detail.cost))


def _affinity(session: ChatSession, screen: Screen, rest: str) -> None:
    from wai_ops.cli.affinity_wire import affinity_wire
    from wai_ops.runtime.affinity_view import show_affinity

    del rest
    if session.detail() is None:
        screen.lines(["nothing was said yet"])
        return
    context = session.context
    affinity = context.settings.affinity
    detail = show_affinity(
        context.settings.state_dir,
        session.key,
        (affinity.idle_ttl_s, affinity.max_age_s),
        affinity_wire(context),
        context.clock,
    )
    screen.lines(detail.to_text().splitlines())


def _checkpoint(session: ChatSession, screen: Screen, rest: str) -> None:
    from wai_ops.runtime.checkpoint_plan import NotDue

    if rest:
        session.change_policy(rest)
        turns = session.policy.every_turns
        screen.lines([f"a checkpoint every {turns} turns" if turns else "no checkpoints"])
        return
    made = session.checkpoint()
    if isinstance(made, NotDue):
        screen.lines([f"no checkpoint: {made.reason}"])


def _retry(session: ChatSession, screen: Screen, rest: str) -> str:
    del rest
    question = session.retry()
    screen.quiet(f"asking again: {question}")
    return question


def _undo(session: ChatSession, screen: Screen, rest: str) -> None:
    del rest
    screen.lines([f"taken back: {session.undo()}"])


def _export(session: ChatSession, screen: Screen, rest: str) -> None:
    from wai_ops.cli.conversations_read import exported_text, write_new

    if session.detail() is None:
        screen.lines(["nothing was said yet"])
        return
    formats = {".json": "json", ".jsonl": "jsonl"}
    path = Path(rest)
    text = exported_text(session.context, session.key, formats.get(path.suffix, "md"))
    if rest:
        write_new(path, text)
        screen.lines([f"written: {rest}"])
    else:
        sys.stdout.write(text)
        sys.stdout.flush()


def _system(session: ChatSession, screen: Screen, rest: str) -> None:
    if rest:
        session.change_system(rest)
    said = session.system
    screen.lines([f"system: {said}" if said else "system: as the conversation or its prompt says"])


def _model(session: ChatSession, screen: Screen, rest: str) -> None:
    model = session.change_model(rest) if rest else session.ask("?").model
    around = session.caller.around
    priced = around.prices.rates(model, around.clock.now()) is not None
    screen.lines([f"model: {model}" + ("" if priced else " (no price is known)")])


def _tools(session: ChatSession, screen: Screen, rest: str) -> None:
    del rest
    names = session.tool_names
    screen.lines(names or ["no tools: name them with --tool, in a project with policies"])


def _quit(session: ChatSession, screen: Screen, rest: str) -> None:
    del session, screen, rest
    raise Left


COMMANDS: dict[str, Command] = {
    "help": Command("", "these lines", _help),
    "cost": Command("", "tokens and dollars, with and without checkpoints", _cost),
    "affinity": Command("", "its session: header, epoch, when it goes stale", _affinity),
    "checkpoint": Command("[N|off]", "sum up the older turns now; or every N turns", _checkpoint),
    "retry": Command("", "ask the last question again; its answer is taken back", _retry),
    "undo": Command("", "take the last exchange back", _undo),
    "export": Command("[FILE]", "write the conversation: .md, .json, .jsonl; else here", _export),
    "system": Command("[TEXT]", "show the system text, or set it before the first turn", _system),
    "model": Command("[ID]", "show the model, or ask another one from now on", _model),
    "tools": Command("", "the tools that the model may ask for", _tools),
    "quit": Command("", "leave; so does Ctrl-D", _quit),
}
