"""The PowerShell script, by its grammar: no PowerShell is at hand to run it.

What it would do on TAB is therefore not tested; that it parses, and carries every command, option
and value of the tree, is.
"""

import pytest
import tree_sitter
import tree_sitter_powershell
from generator.completions import completion_files
from generator.model import Kind, read_tree

from house.sample_cli import sample_tree

TREE = read_tree(sample_tree())


@pytest.fixture
def script() -> str:
    return completion_files(TREE, ("@cf/acme/large",))["wai.ps1"]


def has_error(script: str) -> bool:
    language = tree_sitter.Language(tree_sitter_powershell.language())
    return tree_sitter.Parser(language).parse(script.encode()).root_node.has_error


def test_the_script_parses(script: str) -> None:
    assert not has_error(script)


def test_the_parser_would_notice_a_broken_script(script: str) -> None:
    assert has_error(script.replace("foreach ($value in $values) {", "foreach ($value in ) {"))


def test_every_command_option_and_choice_is_in_its_tables(script: str) -> None:
    for command in TREE.walk():
        for child in command.children:
            assert f"'{child.path[-1]}' = '" in script
        for option in command.options:
            for name in option.names:
                assert f"'{name}' = '" in script
                if option.value is not None and option.value.kind is Kind.CHOICE:
                    choices = ", ".join(f"'{choice}'" for choice in option.value.choices)
                    assert f"'{command.name} {name}' = @('choice', {choices})" in script


def test_help_text_stays_inside_its_quotes(script: str) -> None:
    assert "'Who pays: it''s named.'" in script
    assert "'Send one prompt; `$(touch executed)` is not run.'" in script


def test_of_two_options_that_differ_in_case_alone_the_first_stays() -> None:
    """PowerShell's tables know no case: a second key would be an error at load."""
    import typer
    import typer.main

    app = typer.Typer(rich_markup_mode=None, add_completion=False)

    @app.command()
    def run(
        version: bool = typer.Option(False, "-V", help="Version."),
        verbose: bool = typer.Option(False, "-v", help="Verbose."),
    ) -> None:
        """Run."""

    script = completion_files(read_tree(typer.main.get_command(app)), ())["wai.ps1"]
    assert "'-V' = 'Version.'" in script
    assert "'-v' = " not in script
