"""For GitHub: workflow commands that annotate files, and a Markdown summary of the step.

The runner reads commands from stdout line by line, so whatever is printed there is escaped: no
finding can end its line and begin a command of its own.
"""

import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from wai_ops.core.errors import DataError
from wai_ops.core.findings import Finding, Level, count_levels, verdict_of
from wai_ops.core.table import Verdict
from wai_ops.core.text import one_line, printable
from wai_ops.render.markdown import escape

MOST_SUMMARY_BYTES = 1024 * 1024
"""GitHub drops the whole summary of a step that is larger."""
MOST_ROWS = 500
"""Findings that a summary lists; the annotations name all of them."""
_COMMANDS = {Level.ERROR: "error", Level.WARNING: "warning", Level.NOTE: "notice"}


def to_annotations(findings: Sequence[Finding], *, prefix: str = "") -> str:
    """One workflow command a finding: `::error file=…,line=…,col=…,title=…::message`.

    `prefix` is the way from the root of the repository to the folder that files are relative to.
    """
    return "".join(f"{_command(finding, prefix)}\n" for finding in findings)


def _command(finding: Finding, prefix: str) -> str:
    properties: dict[str, str] = {}
    if finding.file:
        properties["file"] = prefix + finding.file
        if finding.line:
            properties["line"] = str(finding.line)
            if finding.end_line > finding.line:
                properties["endLine"] = str(finding.end_line)
            if finding.column:
                properties["col"] = str(finding.column)
                # GitHub takes columns on one line only.
                if finding.end_column and finding.end_line in (0, finding.line):
                    properties["endColumn"] = str(max(finding.end_column - 1, finding.column))
    properties["title"] = finding.rule
    text = finding.message + (f"\n{finding.hint}" if finding.hint else "")
    listed = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{_COMMANDS[finding.level]} {listed}::{_data(printable(text))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(printable(text)).replace(":", "%3A").replace(",", "%2C")


def to_summary(
    title: str,
    findings: Sequence[Finding],
    *,
    verdict: Verdict | None = None,
    headline: str = "",
    sections: Sequence[str] = (),
) -> str:
    """Markdown: title, one line that begins with PASS, WARN or FAIL, sections, the findings.

    Without a verdict it is that of the findings, without a headline their number. Sections are
    Markdown already: the caller has escaped what is in them.
    """
    verdict = verdict or verdict_of(findings)
    line = escape(one_line(headline or count_levels(findings), 2000))
    parts = [f"## {escape(one_line(title))}", f"**{verdict.value.upper()}** · {line}", *sections]
    if findings:
        parts.append(_table(findings))
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _table(findings: Sequence[Finding]) -> str:
    rows = ["| Level | Rule | Where | What |", "| --- | --- | --- | --- |"]
    for finding in findings[:MOST_ROWS]:
        what = one_line(finding.text, 1000)
        where = one_line(finding.place)
        cells = [finding.level.value, one_line(finding.rule), where, what]
        rows.append(f"| {' | '.join(map(escape, cells))} |")
    if (more := len(findings) - MOST_ROWS) > 0:
        rows += ["", f"… and {more:,} more."]
    return "\n".join(rows)


def repository_prefix(folder: Path, environ: Mapping[str, str]) -> str:
    """The way from the checkout that GitHub works in to `folder`, as `sub/` or empty."""
    workspace = environ.get("GITHUB_WORKSPACE")
    if not workspace:
        return ""
    try:
        relative = folder.resolve().relative_to(Path(workspace).resolve()).as_posix()
    except ValueError:
        return ""
    return "" if relative == "." else f"{relative}/"


def append_step_summary(text: str, environ: Mapping[str, str]) -> bool:
    """Append to the file that $GITHUB_STEP_SUMMARY names; False when there is none, or no room.

    Raises DataError when the file cannot be written.
    """
    name = environ.get("GITHUB_STEP_SUMMARY")
    if not name:
        return False
    data = text.encode()
    try:
        # O_NONBLOCK so that a FIFO cannot make this wait; it is then refused by what it is.
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(name, flags, 0o644)
        with open(descriptor, "ab") as file:  # noqa: PTH123 - a descriptor
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise DataError(f"$GITHUB_STEP_SUMMARY names {name}, which is not a regular file")
            if status.st_size + len(data) > MOST_SUMMARY_BYTES:
                return False
            file.write(data)
    except OSError as error:
        raise DataError(
            f"cannot write $GITHUB_STEP_SUMMARY {name}: {error.strerror}",
            hint="unset it, or choose another format",
        ) from error
    return True
