"""GitHub's annotations and summaries: read back by the runner's own rules, to the character."""

import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wai_ops.core.errors import DataError
from wai_ops.core.findings import Finding, Level, count_levels, in_order, verdict_of
from wai_ops.core.table import Verdict
from wai_ops.core.text import printable
from wai_ops.render.annotations import (
    MOST_ROWS,
    MOST_SUMMARY_BYTES,
    append_step_summary,
    repository_prefix,
    to_annotations,
    to_summary,
)


def finding(message: str = "the date is in the prefix", **others: object) -> Finding:
    """A finding with some of its fields."""
    fields: dict[str, object] = {
        "rule": "WP001",
        "level": Level.ERROR,
        "message": message,
        "file": "prompts/triage.prompt",
        "line": 3,
        "column": 9,
    }
    return Finding(**(fields | others))  # type: ignore[arg-type]


def runner_reads(line: str) -> tuple[str, dict[str, str], str] | None:
    """What GitHub's runner makes of one line of output: command, properties, data."""
    stripped = line.lstrip()
    if not stripped.startswith("::"):
        return None
    head, separator, data = stripped[2:].partition("::")
    if not separator:
        return None
    name, _, listed = head.partition(" ")
    properties = {}
    for pair in listed.split(","):
        key, equals, value = pair.partition("=")
        if equals:
            for code, character in (
                ("%0D", "\r"),
                ("%0A", "\n"),
                ("%3A", ":"),
                ("%2C", ","),
                ("%25", "%"),
            ):
                value = value.replace(code, character)
            properties[key] = value
    for code, character in (("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
        data = data.replace(code, character)
    return name, properties, data


def test_an_error_is_one_command_with_its_place() -> None:
    """GitHub puts it at the line of the file in the pull request."""
    text = to_annotations([finding(hint="move it behind the static text")])
    assert text == (
        "::error file=prompts/triage.prompt,line=3,col=9,title=WP001::"
        "the date is in the prefix%0Amove it behind the static text\n"
    )


def test_levels_become_error_warning_and_notice() -> None:
    """GitHub has no command `note`."""
    text = to_annotations([finding(level=level) for level in Level])
    assert [line.split(" ")[0] for line in text.splitlines()] == [
        "::error",
        "::warning",
        "::notice",
    ]


def test_a_finding_of_no_file_has_no_place() -> None:
    """A property that is empty would point at nothing."""
    assert to_annotations([finding(file="", line=0)]) == (
        "::error title=WP001::the date is in the prefix\n"
    )


def test_the_end_is_inclusive_and_on_one_line_only() -> None:
    """A finding's end is behind its last character; GitHub's is on it, and only within one line."""
    one = to_annotations([finding(end_line=3, end_column=12)])
    many = to_annotations([finding(end_line=5, end_column=12)])
    assert "line=3,col=9,endColumn=11," in one
    assert "line=3,endLine=5,col=9,title" in many


def test_the_prefix_leads_from_the_repository_to_the_file() -> None:
    """wai.yaml may lie in a folder of the repository."""
    assert "file=apps/desk/prompts/triage.prompt," in to_annotations(
        [finding()], prefix="apps/desk/"
    )


@given(
    message=st.text(st.characters(codec="utf-8")),
    file=st.text(st.characters(codec="utf-8"), min_size=1),
    rule=st.text(st.characters(codec="utf-8")),
)
def test_any_text_comes_back_as_it_was_and_begins_no_other_command(
    message: str, file: str, rule: str
) -> None:
    """Only what could steer a terminal is replaced; the runner sees one command a finding."""
    text = to_annotations([finding(message, file=file, rule=rule)])
    assert text.count("\n") == 1
    # The runner cuts lines at CR as well.
    assert "\r" not in text
    read = runner_reads(text[:-1])
    assert read is not None
    name, properties, data = read
    assert name == "error"
    assert properties == {
        "file": printable(file),
        "line": "3",
        "col": "9",
        "title": printable(rule),
    }
    assert data == printable(message)


def test_the_summary_says_pass_warn_or_fail_in_its_first_line() -> None:
    """What a reviewer reads first."""
    assert to_summary("Prompts", []) == "## Prompts\n\n**PASS** · nothing found\n"
    assert to_summary("Prompts", [finding(level=Level.WARNING)]).splitlines()[2] == (
        "**WARN** · 1 warning"
    )
    assert to_summary("Prompts", [finding(), finding()]).splitlines()[2:] == [
        "**FAIL** · 2 errors",
        "",
        "| Level | Rule | Where | What |",
        "| --- | --- | --- | --- |",
        "| error | WP001 | prompts/triage.prompt:3:9 | the date is in the prefix |",
        "| error | WP001 | prompts/triage.prompt:3:9 | the date is in the prefix |",
    ]


def test_the_caller_may_give_verdict_headline_and_sections() -> None:
    """A diff has its own verdict, and money to talk about."""
    text = to_summary(
        "Prompts",
        [],
        verdict=Verdict.WARN,
        headline="+$12 a month",
        sections=["### Money\n\n- x\n"],
    )
    assert text == "## Prompts\n\n**WARN** · +$12 a month\n\n### Money\n\n- x\n"


HOSTILE = "a | b\n::error::forged ##[error]x <img src=x> `code` **bold** \x1b[2J ]("


def test_the_summary_cannot_forge_a_command_a_cell_or_markup() -> None:
    """It is printed on stdout as well, where the runner reads every line."""
    text = to_summary(HOSTILE, [finding(HOSTILE, file=HOSTILE)], headline=HOSTILE)
    assert [runner_reads(line) for line in text.splitlines() if runner_reads(line)] == []
    assert "##[" not in text
    assert "<img" not in text
    assert "\x1b" not in text
    row = text.splitlines()[-1]
    assert len(re.findall(r"(?<!\\)\|", row)) == 5


def test_a_long_summary_is_cut_and_says_so() -> None:
    """GitHub would drop all of it otherwise."""
    text = to_summary("Prompts", [finding()] * (MOST_ROWS + 7))
    assert text.endswith("\n\n… and 7 more.\n")
    assert text.count("\n| error") == MOST_ROWS
    longest = to_summary("P", [finding("x" * 9999, hint="y" * 9999)] * (MOST_ROWS + 1))
    assert len(longest.encode()) < MOST_SUMMARY_BYTES


def test_the_step_summary_is_appended_to(tmp_path: Path) -> None:
    """A step may run several commands."""
    file = tmp_path / "summary.md"
    environ = {"GITHUB_STEP_SUMMARY": str(file)}
    assert append_step_summary("## One\n", environ)
    assert append_step_summary("## Zwei ü\n", environ)
    assert file.read_text() == "## One\n## Zwei ü\n"


def test_without_the_variable_nothing_is_written() -> None:
    """Outside of GitHub stdout is all there is."""
    assert not append_step_summary("x", {})
    assert not append_step_summary("x", {"GITHUB_STEP_SUMMARY": ""})


def test_a_summary_without_room_is_left_as_it_is(tmp_path: Path) -> None:
    """One byte too many, and GitHub shows nothing of what other commands wrote."""
    file = tmp_path / "summary.md"
    file.write_bytes(b"x" * (MOST_SUMMARY_BYTES - 2))
    environ = {"GITHUB_STEP_SUMMARY": str(file)}
    assert not append_step_summary("abc", environ)
    assert file.stat().st_size == MOST_SUMMARY_BYTES - 2
    assert append_step_summary("ab", environ)


@pytest.mark.parametrize("kind", ["folder", "fifo", "nowhere"])
def test_a_summary_that_cannot_be_written_is_an_error(tmp_path: Path, kind: str) -> None:
    """Not a silent loss, and no wait for a reader of a FIFO."""
    path = tmp_path / "target"
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    else:
        path = path / "missing" / "file"
    with pytest.raises(DataError, match="GITHUB_STEP_SUMMARY"):
        append_step_summary("x", {"GITHUB_STEP_SUMMARY": str(path)})
    if kind == "fifo":
        os.close(reader)


def test_a_fifo_that_nobody_reads_is_an_error_too(tmp_path: Path) -> None:
    """Opening it for writing fails at once instead of waiting."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    with pytest.raises(DataError, match="cannot write"):
        append_step_summary("x", {"GITHUB_STEP_SUMMARY": str(path)})


def test_the_prefix_is_found_from_the_workspace(tmp_path: Path) -> None:
    """Annotations need paths from the root of the checkout."""
    folder = tmp_path / "apps" / "desk"
    folder.mkdir(parents=True)
    assert repository_prefix(folder, {"GITHUB_WORKSPACE": str(tmp_path)}) == "apps/desk/"
    assert repository_prefix(tmp_path, {"GITHUB_WORKSPACE": str(tmp_path)}) == ""
    assert repository_prefix(tmp_path, {"GITHUB_WORKSPACE": str(folder)}) == ""
    assert repository_prefix(tmp_path, {}) == ""


def test_verdicts_counts_and_order_of_findings() -> None:
    """The same for every command that reviews files."""
    note = finding(level=Level.NOTE, file="b")
    warning = finding(level=Level.WARNING, file="a", line=20)
    assert verdict_of([]) is Verdict.PASS
    assert verdict_of([note]) is Verdict.PASS
    assert verdict_of([note], is_strict=True) is Verdict.PASS
    assert verdict_of([note, warning]) is Verdict.WARN
    assert verdict_of([note, warning], is_strict=True) is Verdict.FAIL
    assert verdict_of([finding()]) is Verdict.FAIL
    assert count_levels([note, warning, finding(), note]) == "1 error, 1 warning, 2 notes"
    assert in_order([note, warning, finding(file="a")]) == [finding(file="a"), warning, note]
    assert [finding().place, finding(column=0).place, finding(line=0).place] == [
        "prompts/triage.prompt:3:9",
        "prompts/triage.prompt:3",
        "prompts/triage.prompt",
    ]
    assert finding(file="").place == ""
