"""Shell completions: the tables of one shell put into its template."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from generator.model import Command, Kind, Value

TEMPLATES = Path(__file__).with_name("templates")
_SAFE = re.compile(r"[A-Za-z0-9._@/+-]+\Z")
"""What a choice, option or command may consist of, so that no shell needs to quote it."""

Tables = dict[str, str]


def completion_files(root: Command, models: Iterable[str]) -> dict[str, str]:
    """Map each file name below `completions/` to its text."""
    models = [_safe(model) for model in models]
    return {name: _fill(name, tables(root, models)) for name, tables in _SHELLS.items()}


def _fill(name: str, tables: Tables) -> str:
    text = (TEMPLATES / name).read_text("utf-8")
    for marker, table in tables.items():
        text = text.replace(f"@@{marker}@@", table)
    assert "@@" not in text, name
    return text


def _safe(word: str) -> str:
    if not _SAFE.match(word):
        raise ValueError(f"completion cannot carry {word!r}: allowed are {_SAFE.pattern}")
    return word


def _words(command: Command) -> list[tuple[str, str]]:
    """The options of a command, one pair (name, help) for each name."""
    return [(_safe(name), option.help) for option in command.options for name in option.names]


def _children(command: Command) -> list[tuple[str, str]]:
    return [(_safe(child.path[-1]), child.summary) for child in command.children]


def _kinds(root: Command) -> list[tuple[tuple[str, ...], list[tuple[str, str]]]]:
    """Group what takes a value by its kind: (kind and choices) -> [(command, option or place)].

    The place of an argument is its number; a repeatable one takes all numbers up to 9.
    """
    groups: dict[tuple[str, ...], list[tuple[str, str]]] = {}
    for command in root.walk():
        for option in command.options:
            if option.value is not None:
                group = groups.setdefault(_words_of(option.value), [])
                group += [(command.name, name) for name in option.names]
        for number, argument in enumerate(command.arguments, start=1):
            group = groups.setdefault(_words_of(argument.value), [])
            last = 9 if argument.is_repeatable else number
            group += [(command.name, str(place)) for place in range(number, last + 1)]
    return sorted(groups.items())


def _words_of(value: Value) -> tuple[str, ...]:
    if value.kind is Kind.CHOICE:
        return (Kind.CHOICE, *(_safe(choice) for choice in value.choices))
    return (value.kind,)


def _lines(lines: Iterable[str], indent: int) -> str:
    return "\n".join(f"{' ' * indent}{line}" for line in lines)


def _bash(root: Command, models: list[str]) -> Tables:
    table = (
        f"'{c.name}') commands='{_names(_children(c))}' options='{_names(_words(c))}' ;;"
        for c in root.walk()
    )
    kinds = (
        f"{_posix_patterns(places)}) kind='{' '.join(kind)}' ;;" for kind, places in _kinds(root)
    )
    return {
        "TABLE": _lines(table, 8),
        "KINDS": _lines(kinds, 8),
        "MODELS": " ".join(models),
    }


def _posix_patterns(places: list[tuple[str, str]]) -> str:
    return " | ".join(f"'{command} {place}'" for command, place in places)


def _names(pairs: list[tuple[str, str]]) -> str:
    return " ".join(name for name, _ in pairs)


def _zsh(root: Command, models: list[str]) -> Tables:
    table: list[str] = []
    for command in root.walk():
        table += [
            f"('{command.name}')",
            f"    subcommands=({_zsh_items(_children(command))})",
            f"    flags=({_zsh_items(_words(command))})",
            "    ;;",
        ]
    kinds = (
        f"({_posix_patterns(places)}) kind=({' '.join(kind)}) ;;" for kind, places in _kinds(root)
    )
    return {"TABLE": _lines(table, 8), "KINDS": _lines(kinds, 8), "MODELS": _lines(models, 4)}


def _zsh_items(pairs: list[tuple[str, str]]) -> str:
    return " ".join(_single_quoted(f"{name}:{text}", r"'\''") for name, text in pairs)


def _fish(root: Command, models: list[str]) -> Tables:
    def table(pairs_of: Callable[[Command], list[tuple[str, str]]]) -> str:
        lines: list[str] = []
        for command in root.walk():
            if pairs := pairs_of(command):
                lines.append(f"case '{command.name}'")
                lines.append("    printf '%s\\t%s\\n' \\")
                items = [f"{name} {_single_quoted(text, _FISH_QUOTE)}" for name, text in pairs]
                lines += [f"        {item} \\" for item in items[:-1]] + [f"        {items[-1]}"]
        return _lines(lines, 8)

    kinds: list[str] = []
    for kind, places in _kinds(root):
        patterns = (f"'{command} {place}'" for command, place in places)
        kinds += [f"case {' '.join(patterns)}", f"    printf '%s\\n' {' '.join(kind)}"]
    return {
        "COMMANDS": table(_children),
        "OPTIONS": table(_words),
        "KINDS": _lines(kinds, 8),
        "MODELS": " ".join(models),
    }


_FISH_QUOTE = r"\'"


def _powershell(root: Command, models: list[str]) -> Tables:
    """PowerShell's keys know no case: of two that differ in case alone the first stays."""

    def table(pairs_of: Callable[[Command], list[tuple[str, str]]]) -> str:
        lines: list[str] = []
        for command in root.walk():
            if pairs := pairs_of(command):
                lines.append(f"'{command.name}' = [ordered]@{{")
                unique = {name.lower(): (name, text) for name, text in reversed(pairs)}
                lines += [
                    f"    '{name}' = {_single_quoted(text, _PS_QUOTE)}"
                    for name, text in reversed(unique.values())
                ]
                lines.append("}")
        return _lines(lines, 4)

    kinds = {
        f"{command} {place}".lower(): f"'{command} {place}' = @({_ps_list(kind)})"
        for kind, places in _kinds(root)
        for command, place in places
    }
    return {
        "COMMANDS": table(_children),
        "OPTIONS": table(_words),
        "KINDS": _lines(kinds.values(), 4),
        "MODELS": _lines((f"'{model}'" for model in models), 4),
    }


_PS_QUOTE = "''"


def _ps_list(words: Iterable[str]) -> str:
    return ", ".join(f"'{word}'" for word in words)


def _single_quoted(text: str, quote: str) -> str:
    r"""Quote help text; fish alone also reads a backslash inside single quotes."""
    if quote == _FISH_QUOTE:
        text = text.replace("\\", "\\\\")
    return "'" + text.replace("'", quote) + "'"


_SHELLS: dict[str, Callable[[Command, list[str]], Tables]] = {
    "wai.bash": _bash,
    "_wai": _zsh,
    "wai.fish": _fish,
    "wai.ps1": _powershell,
}
