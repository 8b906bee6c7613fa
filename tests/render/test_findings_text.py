"""Findings and rules as people read them: wrapped, in order, harmless on a terminal."""

from wai_ops.core.findings import Finding, Level, Rule
from wai_ops.core.table import Verdict
from wai_ops.render.findings import rules_to_text, to_text

RULE = Rule(
    id="WP001",
    name="clock",
    level=Level.ERROR,
    why="A date in the prefix changes it every day, and the cache is empty at midnight.",
    fix="Move it to the end.",
    is_fixable=True,
)


def finding(message: str, hint: str = "", file: str = "a.prompt") -> Finding:
    """A finding on the third line."""
    return Finding(
        rule="WP001", level=Level.ERROR, message=message, file=file, line=3, column=4, hint=hint
    )


def text(*findings: Finding, width: int | None = None) -> str:
    """The list of some findings."""
    return to_text(
        findings,
        rules={"WP001": RULE},
        verdict=Verdict.FAIL,
        width=width,
        counted="2 prompts",
    )


def test_what_to_do_is_said_once_a_rule() -> None:
    """The tenth time it would hide the findings."""
    assert text(finding("one", "do it"), finding("two", "do it"), finding("three", "do that")) == (
        "a.prompt:3:4: error WP001 clock\n    one\n    fix: do it\n\n"
        "a.prompt:3:4: error WP001 clock\n    two\n\n"
        "a.prompt:3:4: error WP001 clock\n    three\n    fix: do that\n\n"
        "fail: 3 errors (2 prompts)\n"
    )


def test_without_findings_there_is_one_line() -> None:
    """And it says what was looked at."""
    assert (
        to_text([], rules={}, verdict=Verdict.PASS, width=80, counted="2 prompts")
        == "pass: nothing found (2 prompts)\n"
    )


def test_a_terminal_gets_wrapped_lines_and_no_control_signs() -> None:
    """Places stay whole, so that they can be clicked."""
    shown = text(finding("\x1b[2J" + "word " * 40, "word " * 40, file="x" * 60), width=50)
    assert "\x1b" not in shown
    long = [line for line in shown.splitlines() if len(line) > 50]
    assert long == ["x" * 60 + ":3:4: error WP001 clock"]
    assert "\n         word" in shown  # the second line of what to do stands below the first


def test_rules_are_listed_with_why_and_what_to_do() -> None:
    """Also wrapped on a terminal."""
    assert rules_to_text([RULE, RULE], width=None).startswith(
        "WP001 clock (error, --fix)\n"
        "    A date in the prefix changes it every day, and the cache is empty at midnight.\n"
        "    fix: Move it to the end.\n\nWP001"
    )
    assert max(map(len, rules_to_text([RULE], width=60).splitlines())) <= 60
