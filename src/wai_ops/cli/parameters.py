"""Quick conversion of command-line values.

Typer converts every value, even a plain string, through pydantic, whose import costs a third of
the time until a call is sent. Here the ordinary values are converted directly; whatever is not
plainly right goes to Typer's own conversion, which also words the error.
"""

from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any

UNDECIDED = object()


def quicken(command: Any) -> Any:
    """Give every parameter of a command, and of its subcommands, the quick conversion."""
    command.get_params = partial(_quick_params, command.get_params)
    for subcommand in getattr(command, "commands", {}).values():
        quicken(subcommand)
    return command


def _quick_params(all_params: Any, context: Any) -> Any:
    """The command's parameters; the help option is among them only here."""
    parameters = all_params(context)
    for parameter in parameters:
        known = isinstance(parameter.process_value, partial)
        if hasattr(parameter, "type_descriptor") and not known:
            parameter.process_value = partial(_process, parameter, parameter.process_value)
    return parameters


def _process(parameter: Any, thorough: Any, context: Any, value: Any) -> Any:
    quick = convert(parameter, value)
    if quick is UNDECIDED:
        return thorough(context, value)
    return quick if parameter.callback is None else parameter.callback(context, parameter, quick)


def convert(parameter: Any, value: Any) -> Any:
    """Convert a value that is plainly right; UNDECIDED for everything else."""
    annotation = parameter.type_descriptor.annotation
    if value is None:
        if parameter.required:
            return UNDECIDED
        return None if parameter.nargs == 1 and not parameter.multiple else ()
    if annotation is bool:
        return value if isinstance(value, bool) else UNDECIDED
    if annotation is str:
        return value if type(value) is str else UNDECIDED
    if annotation == list[str]:
        plain = isinstance(value, list | tuple) and all(type(item) is str for item in value)
        return list(value) if plain else UNDECIDED
    if annotation is Path:
        return Path(value) if type(value) is str and _unchecked(parameter) else UNDECIDED
    if annotation is int or annotation is float:
        return _number(parameter, annotation, value)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return _member(annotation, value)
    return UNDECIDED


def _unchecked(parameter: Any) -> bool:
    info = parameter.type_descriptor.parameter_info
    return not (info.exists or info.resolve_path or info.writable or info.allow_dash) and (
        info.file_okay and info.dir_okay
    )


def _number(parameter: Any, kind: type[int] | type[float], value: Any) -> Any:
    try:
        number = kind(value)
    except (TypeError, ValueError):
        return UNDECIDED
    if number != number or (isinstance(value, str) and not value.strip().isascii()):  # noqa: PLR0124 - NaN
        return UNDECIDED
    low, high = parameter.min, parameter.max
    if (low is not None and number < low) or (high is not None and number > high):
        return UNDECIDED
    return number


def _member(annotation: type[Enum], value: Any) -> Any:
    try:
        return annotation(value)
    except ValueError:
        return UNDECIDED
