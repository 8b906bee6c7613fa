"""The command tree as plain values: what the generators need of it, and nothing of Typer's."""

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, StrEnum
from pathlib import Path
from typing import Any, Literal, get_args, get_origin


class Kind(StrEnum):
    """What the value of an option or argument is, as far as completion can know."""

    TEXT = "text"
    CHOICE = "choice"
    FILE = "file"
    DIRECTORY = "directory"
    MODEL = "model"
    TENANT = "tenant"
    WORKFLOW = "workflow"
    CONVERSATION = "conversation"
    PROMPT = "prompt"


NAMED = (Kind.TENANT, Kind.WORKFLOW, Kind.CONVERSATION, Kind.PROMPT)
"""Kinds whose values a shell finds in the `names` file."""


@dataclass(frozen=True, slots=True)
class Value:
    """What may stand after an option or in an argument's place."""

    kind: Kind
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option; `value` is None for a flag."""

    names: tuple[str, ...]
    help: str
    value: Value | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """One positional argument; `is_repeatable` for the last one that takes any number."""

    name: str
    help: str
    value: Value
    is_repeatable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command or a group of them. `path` starts with `wai`; `page` is what `--help` prints."""

    path: tuple[str, ...]
    summary: str
    page: str
    options: tuple[Option, ...]
    arguments: tuple[Argument, ...]
    children: tuple["Command", ...]

    @property
    def name(self) -> str:
        """The whole command as one types it."""
        return " ".join(self.path)

    def walk(self) -> Iterator["Command"]:
        """This command, then everything below it, in the order of the help pages."""
        yield self
        for child in self.children:
            yield from child.walk()


def read_tree(root: Any) -> Command:
    """Turn the root of a Typer command tree into values."""
    return _command(root, ("wai",), None)


def completed_models() -> tuple[str, ...]:
    """The text generation models of the built-in price book that were in service at its date."""
    from wai_ops.core.prices import built_in

    snapshot = built_in()
    day = dt.date.fromisoformat(snapshot.as_of)
    models = (m for m in snapshot.models.values() if m.task == "Text Generation")
    return tuple(sorted(m.id for m in models if not m.is_retired(day)))


def _command(command: Any, path: tuple[str, ...], parent: Any) -> Command:
    from wai_ops.cli.app import first_sentence

    with command.make_context(path[-1], [], parent=parent, resilient_parsing=True) as context:
        params = [p for p in command.get_params(context) if not getattr(p, "hidden", False)]
        names = command.list_commands(context) if hasattr(command, "list_commands") else []
        children = [(name, command.get_command(context, name)) for name in names]
        return Command(
            path=path,
            summary=first_sentence(command.help or ""),
            page=command.get_help(context) + "\n",
            options=tuple(_option(p) for p in params if p.param_type_name == "option"),
            arguments=tuple(_argument(p) for p in params if p.param_type_name == "argument"),
            children=tuple(
                _command(child, (*path, name), context)
                for name, child in children
                if child is not None and not child.hidden
            ),
        )


def _option(param: Any) -> Option:
    is_flag = bool(param.is_flag or param.count)
    return Option(
        # Long names first; those of --help come out of a set, in no order of their own.
        names=tuple(sorted([*param.opts, *param.secondary_opts], key=lambda n: n[:2] != "--")),
        help=" ".join((param.help or "").split()),
        value=None if is_flag else _value(param),
    )


def _argument(param: Any) -> Argument:
    return Argument(
        name=param.name,
        help=" ".join((param.help or "").split()),
        value=_value(param),
        is_repeatable=param.nargs == -1,
    )


def _value(param: Any) -> Value:
    name = param.name if param.param_type_name == "argument" else param.opts[0].lstrip("-")
    if name in (*NAMED, Kind.MODEL):
        return Value(Kind(name))
    if param.metavar == "DIR":
        return Value(Kind.DIRECTORY)
    if param.metavar and _LISTED_CHOICES.match(param.metavar):
        return Value(Kind.CHOICE, tuple(param.metavar.split("|")))
    descriptor = getattr(param, "type_descriptor", None)  # --help, which Click adds, has none
    return Value(Kind.TEXT) if descriptor is None else _described(descriptor)


_LISTED_CHOICES = re.compile(r"[a-z0-9]+(\|[a-z0-9]+)+\Z")
"""A metavar such as `auto|chat|run` names the values of a plain text option."""


def _described(descriptor: Any) -> Value:
    annotation = descriptor.annotation
    if get_origin(annotation) is list:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) is Literal:
        return Value(Kind.CHOICE, tuple(str(choice) for choice in get_args(annotation)))
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return Value(Kind.CHOICE, tuple(str(member.value) for member in annotation))
    if isinstance(annotation, type) and issubclass(annotation, Path):
        takes_files = getattr(descriptor.parameter_info, "file_okay", True)
        return Value(Kind.FILE if takes_files else Kind.DIRECTORY)
    return Value(Kind.TEXT)
