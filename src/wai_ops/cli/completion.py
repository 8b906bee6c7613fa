"""`wai completion`: the shell completion script, as a file that ships with the package."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from wai_ops.cli import diagnostics
from wai_ops.cli.app import new_app


class Shell(StrEnum):
    """The shells that have a completion script."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"
    POWERSHELL = "powershell"


_FILES = {
    Shell.BASH: "wai.bash",
    Shell.ZSH: "_wai",
    Shell.FISH: "wai.fish",
    Shell.POWERSHELL: "wai.ps1",
}
_INSTALL = {
    Shell.BASH: "wai completion bash > ~/.local/share/bash-completion/completions/wai",
    Shell.ZSH: "wai completion zsh > FOLDER/_wai, with FOLDER in $fpath before compinit",
    Shell.FISH: "wai completion fish > ~/.config/fish/completions/wai.fish",
    Shell.POWERSHELL: "wai completion powershell >> $PROFILE",
}

app = new_app()


@app.command()
def completion(
    shell: Annotated[Shell, typer.Argument(metavar="SHELL", help="bash, zsh, fish or powershell.")],
) -> None:
    """Print the completion script of a shell.

    The script starts nothing on TAB. It offers commands, options and values from itself, and
    tenants, workflows, conversations and prompts from a small file in the state folder.

    \b
    Examples:
      wai completion bash > ~/.local/share/bash-completion/completions/wai
      wai completion fish > ~/.config/fish/completions/wai.fish
    """
    sys.stdout.write(script_path(shell).read_text("utf-8"))
    sys.stdout.flush()
    diagnostics.note(f"to install: {_INSTALL[shell]}")


def script_path(shell: Shell) -> Path:
    """Find the script: inside an installed package, or at the top of a checkout."""
    installed = Path(__file__).parent / "completions" / _FILES[shell]
    if installed.is_file():
        return installed
    return Path(__file__).parents[3] / "completions" / _FILES[shell]
