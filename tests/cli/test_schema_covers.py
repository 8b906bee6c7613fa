"""`--json` is documented: every command that has it is in `wai schema`."""

from collections.abc import Iterator
from typing import Any

from wai_ops.cli.app import command_tree
from wai_ops.cli.schema import RECORDS, TABLES

ELSEWHERE = {
    "emulator ": "what the emulator says of itself; see docs/emulator.md",
    "ledger sql": "the columns are those of the query",
    "report html": "a page",
}
"""Beginnings of commands whose --json has no fixed shape, and why."""


def with_json(command: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    names = command.list_commands(None) if hasattr(command, "list_commands") else []
    for name in names:
        yield from with_json(command.get_command(None, name), (*path, name))
    if not names and any("--json" in item.opts for item in command.params):
        yield " ".join(path)


def test_every_command_with_json_has_a_schema() -> None:
    known = RECORDS | TABLES
    missing = [
        name
        for name in with_json(command_tree())
        if not name.startswith(tuple(ELSEWHERE)) and not any(key.startswith(name) for key in known)
    ]
    assert missing == []
