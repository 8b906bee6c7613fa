"""docs/tutorial.md does what it says."""

from pathlib import Path

import pytest
from tutorial import PAGE, CommandFailed, normal, run_page


def test_every_command_of_the_tutorial_prints_what_the_page_shows(tmp_path: Path) -> None:
    """Ids, numbers and places apart: those differ from run to run."""
    page = PAGE.read_text()
    assert normal(run_page(page, tmp_path)) == normal(page), "run: make docs"


def test_a_command_that_fails_is_shown_with_what_it_printed(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match=r"(?s)\$ wai report costs\n.*costs.*exit code 2"):
        run_page("```console\n$ wai report costs\n```\n", tmp_path)


def test_a_page_that_shows_other_words_is_noticed(tmp_path: Path) -> None:
    page = "```console\n$ echo the answer is 42\nthe answer is 41\n```\n"
    assert normal(run_page(page, tmp_path)) == normal(page)
    changed = page.replace("the answer is 41", "an answer was 41")
    assert normal(page) != normal(changed)
