"""Help, reference and completions: present for every command, and what the program says."""

import os
import re
import subprocess
import sys

import pytest
from _pytest.mark import ParameterSet
from generate import generated_files, stale_files
from generator.model import Command, read_tree

from house.project import ROOT
from support.cli import Wai
from wai_ops.cli.app import command_tree

TREE = read_tree(command_tree())
COMMANDS = list(TREE.walk())
LEAVES = [command for command in COMMANDS if not command.children]


def names(commands: list[Command]) -> list[ParameterSet]:
    return [pytest.param(command, id=command.name) for command in commands]


@pytest.mark.parametrize("command", names(COMMANDS))
def test_a_command_says_what_it_does(command: Command) -> None:
    assert command.summary.endswith("."), f"{command.name} lacks a one-line summary"


@pytest.mark.parametrize("command", names(LEAVES))
def test_a_command_shows_examples_that_call_it(command: Command) -> None:
    _, mark, rest = command.page.partition("Examples:\n")
    assert mark, f"{command.name} has no block of examples"
    examples = [line for line in rest.splitlines() if line.strip()]
    called = re.compile(rf"(?<![\w-]){re.escape(command.name)}(?![\w-])")
    assert called.search(examples[0]), examples[0]


@pytest.mark.parametrize("command", names(COMMANDS))
def test_an_option_says_what_it_is_for(command: Command) -> None:
    silent = [option.names[0] for option in command.options if not option.help]
    silent += [argument.name for argument in command.arguments if not argument.help]
    assert silent == []


@pytest.mark.parametrize("command", names([c for c in COMMANDS if c.children]))
def test_no_summary_is_cut_in_the_list_of_commands(command: Command) -> None:
    _, _, listed = command.page.partition("Commands:\n")
    assert [line for line in listed.splitlines() if line.endswith("...")] == []


@pytest.mark.parametrize("command", names(COMMANDS))
def test_a_page_fits_into_80_columns(command: Command) -> None:
    assert [line for line in command.page.splitlines() if len(line) > 80] == []


def test_the_generated_files_are_what_the_program_says() -> None:
    assert stale_files(generated_files()) == [], "run: make docs"


@pytest.mark.parametrize("seed", ["1", "2"])
def test_what_is_generated_does_not_depend_on_the_order_of_sets(seed: str) -> None:
    result = subprocess.run(
        [sys.executable, "scripts/generate.py", "--check"],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
    )
    assert (result.returncode, result.stderr) == (0, "")


def test_the_check_names_what_differs_is_missing_or_has_no_command() -> None:
    files = generated_files()
    page = "src/wai_ops/cli/help/wai.run.txt"
    new = "completions/wai.elvish"
    without_page = {name: text for name, text in files.items() if name != page}
    assert stale_files(without_page | {"docs/cli.md": "# Other\n", new: ""}) == sorted(
        [new, "docs/cli.md", page]
    )


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_is_served_from_the_page(wai: Wai, flag: str) -> None:
    """The page answers before the parser is built; both must say the same."""
    for command in (TREE, *(c for c in COMMANDS if c.name in {"wai run", "wai report cost"})):
        ran = wai(*command.path[1:], flag)
        assert (ran.exit_code, ran.stdout, ran.stderr) == (0, command.page, "")


def test_help_of_the_parser_is_the_page(wai: Wai) -> None:
    """An option before --help leaves the quick way; what is printed stays the same."""
    ran = wai("run", "--json", "--help")
    page = next(command.page for command in COMMANDS if command.name == "wai run")
    assert (ran.exit_code, ran.stdout) == (0, page)
