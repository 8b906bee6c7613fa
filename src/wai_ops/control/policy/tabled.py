"""Table tests of policies: `policies/tests/*.yaml`, each row an action and what it must come to.

workflow: support
tests:
  - name: a refund above 50 needs an approval
    action: {tool: crm.refund, risk: medium, arguments: {amount: 80}}
    expect: needs_approval
    rule: "support.tools.crm.refund#2"
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from wai_ops.config import rules
from wai_ops.config.problems import Problem, lines, usage_error
from wai_ops.config.yaml_strict import Document
from wai_ops.control.policy.action import VerdictWord
from wai_ops.control.policy.asking import ActionSection, ask, kind_of
from wai_ops.control.policy.compiled import WorkflowPolicy
from wai_ops.control.policy.files import TESTS, read_folder
from wai_ops.control.policy.registry import Registry
from wai_ops.core.errors import UsageError
from wai_ops.core.table import Table, Verdict, col
from wai_ops.core.text import counted


@dataclass(frozen=True, slots=True, kw_only=True)
class TestSection:
    """One row."""

    __test__ = False  # pytest takes every class of this name for its own

    name: Annotated[str, rules.TEXT]
    action: ActionSection
    expect: VerdictWord
    rule: Annotated[str | None, rules.TEXT] = None
    """The rule that has to decide. None: any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TestFile:
    """One file of rows."""

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 - read once by pydantic
    __test__ = False

    workflow: Annotated[str | None, rules.NAME] = None
    """Of the actions that name none."""
    tests: tuple[TestSection, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedTest:
    """One row, with its place and the workflow that holds for it."""

    __test__ = False

    where: str
    workflow: str
    section: TestSection


@dataclass(frozen=True, slots=True, kw_only=True)
class TestRow:
    """What came of one row."""

    __test__ = False

    test: str = col("Test")
    workflow: str = col("Workflow")
    expected: str = col("Expected")
    verdict: str = col("Verdict")
    rule: str = col("Rule")
    outcome: str = col("Outcome")
    """`pass` or `fail`."""
    where: str = col("Where")
    reason: str = col("Reason")


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncovered:
    """A rule that decides no row."""

    rule: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TestRun:
    """All rows of a project, and the rules that none of them reaches."""

    __test__ = False

    verdict: Verdict
    test_count: int
    failed_count: int
    rule_count: int
    tests: tuple[TestRow, ...]
    uncovered: tuple[Uncovered, ...]


def load_tests(folder: Path, label: str) -> list[PlacedTest]:
    """Read the rows below a policy folder; without `tests/` there are none.

    Raises UsageError with every problem of every file.
    """
    if not (folder / TESTS).is_dir():
        return []
    contents, problems = read_folder(folder / TESTS, f"{label}/{TESTS}")
    found: list[PlacedTest] = []
    for name, content in contents.items():
        more, texts = _load(content, f"{label}/{TESTS}/{name}")
        found += more
        problems += texts
    if problems:
        raise usage_error(problems, hint="docs/policy.md describes the format")
    return found


def _load(content: bytes, label: str) -> tuple[list[PlacedTest], list[str]]:
    from wai_ops.config.decode import validate
    from wai_ops.config.yaml_strict import parse

    document = parse(content, label)
    if not isinstance(document.data, dict | None):
        return [], lines(label, document.problems)
    file, problems = validate(document, TestFile)
    if file is not None:
        problems = list(_contradictions(file, document))
    if file is None or problems:
        return [], lines(label, problems)
    return [
        PlacedTest(
            where=f"{label}:{document.marks['tests', place].line}",
            workflow=test.action.workflow or file.workflow or "",
            section=test,
        )
        for place, test in enumerate(file.tests)
    ], []


def _contradictions(file: TestFile, document: Document) -> Iterator[Problem]:
    names: dict[str, int] = {}
    for place, test in enumerate(file.tests):
        mark = document.marks["tests", place]
        if test.action.workflow is None and file.workflow is None:
            yield Problem(mark, f"tests.{place}: the action names no workflow, nor does the file")
        try:
            kind_of(test.action)
        except UsageError as error:
            yield Problem(mark, f"tests.{place}: {error.message}")
        first = names.setdefault(test.name, mark.line)
        if first != mark.line:
            yield Problem(mark, f"tests.{place}: the name is also that of line {first}")


def run_tests(
    registry: Registry,
    tests: list[PlacedTest],
    *,
    known_hosts: frozenset[str],
    only: str | None = None,
    is_strict: bool = False,
) -> TestRun:
    """Decide every row. `only`: the workflow whose rules are to be covered, else all.

    Strict: a rule that no row reaches fails the run as well.
    """
    rows: list[TestRow] = []
    reached: set[str] = set()
    for test in tests:
        section = test.section
        said = ask(registry, section.action, workflow=test.workflow, known_hosts=known_hosts)
        verdict = said.verdict
        reached.add(verdict.rule)
        is_met = verdict.word is section.expect and section.rule in (None, verdict.rule)
        expected = section.expect.value + (f" by {section.rule}" if section.rule else "")
        rows.append(
            TestRow(
                test=section.name,
                workflow=test.workflow,
                expected=expected,
                verdict=verdict.word.value,
                rule=verdict.rule,
                outcome="pass" if is_met else "fail",
                where=test.where,
                reason=verdict.reason,
            )
        )
    chosen = [item for item in registry.workflows.values() if only in (None, item.name)]
    everything = [rule for workflow in chosen for rule in rules_of(workflow)]
    uncovered = tuple(rule for rule in everything if rule.rule not in reached)
    failed = sum(row.outcome == "fail" for row in rows)
    is_failed = failed > 0 or (is_strict and len(uncovered) > 0)
    return TestRun(
        verdict=Verdict.FAIL if is_failed else Verdict.WARN if uncovered else Verdict.PASS,
        test_count=len(rows),
        failed_count=failed,
        rule_count=len(everything),
        tests=tuple(rows),
        uncovered=uncovered,
    )


def rules_of(policy: WorkflowPolicy) -> Iterator[Uncovered]:
    """Every rule of a workflow that can decide about something."""
    for tier, models in policy.models.items():
        if models and tier in policy.risk:
            place = policy.places[f"models.{tier.value}"]
            yield Uncovered(rule=place.rule, where=place.where)
    for section in ("deny_models", "changes"):
        if getattr(policy, section):
            place = policy.places[section]
            yield Uncovered(rule=place.rule, where=place.where)
    for tool in policy.tools:
        yield Uncovered(rule=tool.place.rule, where=tool.place.where)
    for outbound in policy.outbound:
        yield Uncovered(rule=outbound.place.rule, where=outbound.place.where)


def tests_table(run: TestRun) -> Table[TestRow]:
    """The rows, with what is not covered in the notes."""
    covered = run.rule_count - len(run.uncovered)
    done = f"{counted(run.test_count, 'test')}, {run.failed_count:,} failed"
    notes = [f"{done}; {covered:,} of {counted(run.rule_count, 'rule')} decided one"]
    notes += [f"no test reaches {item.rule} ({item.where})" for item in run.uncovered]
    return Table(
        row_type=TestRow,
        title="Table tests of policies",
        rows=run.tests,
        notes=tuple(notes),
        verdict=run.verdict,
    )
