"""docs/cli.md: every command's help page on one page."""

from generator.model import Command

_HEAD = """\
# Command reference

Every command and what `--help` says about it. This page is generated from the program
(`make docs`); `make check` fails when the two differ.

"""


def reference(root: Command) -> str:
    """Write the reference: a list of links, then a section for each command and group."""
    links = "".join(
        f"{'  ' * (len(command.path) - 1)}- [`{command.name}`](#{_anchor(command)})"
        f"{': ' + command.summary if command.summary else ''}\n"
        for command in root.walk()
    )
    sections = "".join(
        f"\n## {command.name}\n\n```text\n{command.page}```\n" for command in root.walk()
    )
    return _HEAD + links + sections


def _anchor(command: Command) -> str:
    return "-".join(command.path)
