"""Findings of a review of files, in every format that `--format` takes: one way for all of them."""

import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

import typer

from wai_ops.core.errors import ExitCode, UsageError
from wai_ops.core.findings import Finding, Rule
from wai_ops.core.table import Table, Verdict


class FindingsFormat(StrEnum):
    """How findings come out."""

    TABLE = "table"
    JSON = "json"
    SARIF = "sarif"
    GITHUB = "github"


def show_findings(
    report: Any,
    fmt: FindingsFormat,
    *,
    findings: Sequence[Finding],
    verdict: Verdict,
    rules: Sequence[Rule],
    title: str,
    counted: str,
    root: Path,
    environ: Mapping[str, str],
) -> None:
    """Print on stdout, and exit 1 when the verdict is FAIL.

    `report` is the record that JSON shows, `counted` says how much was looked at (`12 prompts`),
    and files of findings are relative to `root`. For GitHub the summary of the step is written too.
    """
    sys.stdout.write(
        _text(
            report,
            fmt,
            findings=findings,
            verdict=verdict,
            rules=rules,
            title=title,
            counted=counted,
            root=root,
            environ=environ,
        )
    )
    sys.stdout.flush()
    if verdict is Verdict.FAIL:
        raise typer.Exit(ExitCode.VERDICT_NO)


def _text(
    report: Any,
    fmt: FindingsFormat,
    *,
    findings: Sequence[Finding],
    verdict: Verdict,
    rules: Sequence[Rule],
    title: str,
    counted: str,
    root: Path,
    environ: Mapping[str, str],
) -> str:
    if fmt is FindingsFormat.JSON:
        from wai_ops.cli.output import to_json_text

        return to_json_text(report) + "\n"
    if fmt is FindingsFormat.TABLE:
        from wai_ops.cli.output import terminal_width
        from wai_ops.render.findings import to_text

        by_id = {rule.id: rule for rule in rules}
        width = terminal_width()
        return to_text(findings, rules=by_id, verdict=verdict, width=width, counted=counted)
    from wai_ops.render.annotations import (
        append_step_summary,
        repository_prefix,
        to_annotations,
        to_summary,
    )

    prefix = repository_prefix(root, environ)
    if fmt is FindingsFormat.SARIF:
        from wai_ops.render.sarif import to_sarif

        return to_sarif(findings, rules, prefix=prefix)
    summary = to_summary(title, findings, verdict=verdict, sections=[counted])
    append_step_summary(summary, environ)
    return to_annotations(findings, prefix=prefix) + summary


def list_rules(rules: Sequence[Rule], table: Table[Any], fmt: FindingsFormat) -> None:
    """Print what `--rules` asks for: every rule, why it matters and what to do.

    Raises UsageError for a format that is for findings alone.
    """
    from wai_ops.cli.output import Format, emit, terminal_width
    from wai_ops.render.findings import rules_to_text

    if fmt is FindingsFormat.TABLE:
        sys.stdout.write(rules_to_text(rules, width=terminal_width()))
        sys.stdout.flush()
    elif fmt is FindingsFormat.JSON:
        emit(table, Format.JSON)
    else:
        raise UsageError(
            f"--rules has no format {fmt.value}",
            hint="table or json; SARIF lists the rules with every run",
        )
