"""`wai completion`: the script on stdout, how to install it on stderr."""

import pytest

from house.project import ROOT
from support.cli import Wai


@pytest.mark.parametrize(
    ("shell", "file"),
    [("bash", "wai.bash"), ("zsh", "_wai"), ("fish", "wai.fish"), ("powershell", "wai.ps1")],
)
def test_the_script_of_the_shell_is_printed_unchanged(wai: Wai, shell: str, file: str) -> None:
    ran = wai("completion", shell)
    assert ran.exit_code == 0
    assert ran.stdout == (ROOT / "completions" / file).read_text()
    assert ran.stderr.startswith(f"wai: note: to install: wai completion {shell} ")


def test_an_unknown_shell_is_a_usage_error(wai: Wai) -> None:
    ran = wai("completion", "tcsh")
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert "tcsh" in ran.stderr
