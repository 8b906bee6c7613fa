"""Policy files, read strictly: every problem of every file at once, with file, line and column."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wai_ops.config.problems import Mark, Problem, lines, usage_error
from wai_ops.config.yaml_strict import DataPath, Document
from wai_ops.control.policy.files import Contents, Problems, read_folder
from wai_ops.control.policy.model import (
    Effect,
    OutboundSection,
    PolicySection,
    ToolSection,
    WorkflowSection,
)
from wai_ops.control.policy.schema import plain, schema_problems
from wai_ops.control.routing.check import routing_problems
from wai_ops.control.routing.model import placed
from wai_ops.core.text import one_line


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """One file without problems: what it says, and where."""

    file: str
    """Relative to the project, such as `policies/support.yaml`."""
    section: PolicySection
    document: Document


def load_folder(folder: Path, root: Path) -> list[Loaded]:
    """Read all policies of a folder, sorted by file. Raises UsageError with every problem."""
    label = folder_label(folder, root)
    contents, problems = read_folder(folder, label)
    return load_contents(contents, label, problems)


def folder_label(folder: Path, root: Path) -> str:
    """How the folder is named in messages and records."""
    if folder.is_relative_to(root):
        return folder.relative_to(root).as_posix()
    return os.path.normpath(folder)


def load_contents(contents: Contents, label: str, problems: Sequence[str] = ()) -> list[Loaded]:
    """Decode the files of one folder together. Raises UsageError with every problem of all."""
    loaded: list[Loaded] = []
    texts = list(problems)
    for name in sorted(contents):
        found, more = _load(contents[name], f"{label}/{one_line(name, 200)}")
        texts += more
        if found is not None:
            loaded.append(found)
    texts += _twice(loaded)
    if texts:
        raise usage_error(texts, hint="docs/policy.md describes the format")
    return loaded


def _load(content: bytes, label: str) -> tuple[Loaded | None, Problems]:
    from wai_ops.config.decode import validate
    from wai_ops.config.yaml_strict import parse

    document = parse(content, label)
    if not isinstance(document.data, dict | None):  # which the parser has noted
        return None, lines(label, document.problems)
    section, problems = validate(document, PolicySection)
    if document.is_complete and isinstance(document.data, dict):
        problems = [*problems, *_beyond_types(document)]
    if section is not None:
        problems = [*problems, *_contradictions(section, document)]
    if section is None or problems:
        return None, lines(label, dict.fromkeys(problems))
    return Loaded(file=label, section=section, document=document), []


def _beyond_types(document: Document) -> Iterator[Problem]:
    """Problems that types cannot express, of whatever can be looked at."""
    workflows = document.data.get("workflows")
    if not isinstance(workflows, dict):
        return
    for name, section in workflows.items():
        if not isinstance(section, dict):
            continue
        at: DataPath = ("workflows", name)
        for place, rule in enumerate(_items(section.get("tools"))):
            schema = rule.get("arguments") if isinstance(rule, dict) else None
            if isinstance(schema, dict):
                yield from _schema(schema, (*at, "tools", place, "arguments"), document)


def _schema(schema: Mapping[str, Any], at: DataPath, document: Document) -> Iterator[Problem]:
    for inner, text in schema_problems(plain(schema)):
        path = (*at, *inner)
        yield Problem(_mark(document, path), f"{_dotted(path)}: {text}", path)


def _contradictions(section: PolicySection, document: Document) -> Iterator[Problem]:
    for name, workflow in section.workflows.items():
        at: DataPath = ("workflows", name)
        if workflow.default_risk not in workflow.risk:
            text = f"`{workflow.default_risk}` is not among the tiers of `risk`"
            yield _problem(document, (*at, "default_risk"), text)
        yield from _rules(workflow, at, document)
        yield from _routing(name, workflow, at, document)


def _routing(
    name: str, workflow: WorkflowSection, at: DataPath, document: Document
) -> Iterator[Problem]:
    if workflow.routing is None:
        return
    path: DataPath = (*at, "routing")
    routing = placed(workflow.routing, document, path, workflow=name)
    for found in routing_problems(routing, tiers=workflow.risk, allowed=workflow.models):
        yield _problem(document, (*path, *found.path), found.message)


def _rules(workflow: WorkflowSection, at: DataPath, document: Document) -> Iterator[Problem]:
    for place, tool in enumerate(workflow.tools):
        yield from _tool(tool, (*at, "tools", place), document)
    for place, rule in enumerate(workflow.outbound):
        yield from _outbound(rule, (*at, "outbound", place), document)


_NOT_IN_DENIALS = {
    "risk": "a denial holds for every tier",
    "data": "a denial holds for every class of data",
    "approval": "a denial cannot be approved",
    "raw_output": "a denied call has no output",
    "schemes": "a denial holds for every scheme",
    "allow_private": "a denial allows nothing",
}


def _tool(rule: ToolSection, at: DataPath, document: Document) -> Iterator[Problem]:
    if rule.effect is Effect.DENY:
        yield from _denial(at, document)


def _outbound(rule: OutboundSection, at: DataPath, document: Document) -> Iterator[Problem]:
    if rule.effect is Effect.DENY:
        yield from _denial(at, document)
    else:
        for key in ("methods", "paths"):
            if getattr(rule, key) is None:
                text = f"`{key}` is required where requests are allowed"
                yield Problem(_mark(document, at), f"{_dotted(at)}: {text}", at)
    for key in ("methods", "paths", "ports", "schemes", "tools"):
        if getattr(rule, key) == ():
            yield _problem(document, (*at, key), "an empty list fits nothing: leave the rule out")


def _denial(at: DataPath, document: Document) -> Iterator[Problem]:
    for key, why in _NOT_IN_DENIALS.items():
        if (*at, key) in document.key_marks:
            yield _problem(document, (*at, key), f"has no meaning here: {why}")


def _twice(loaded: list[Loaded]) -> Iterator[str]:
    """Workflows and policies that two files define."""
    workflows: dict[str, str] = {}
    policies: dict[str, str] = {}
    for item in loaded:
        marks = item.document.key_marks
        name = item.section.policy
        first = policies.setdefault(name, f"{item.file}:{marks['policy',].line}")
        if not first.startswith(f"{item.file}:"):
            problem = Problem(marks["policy",], f"policy `{name}` is also defined at {first}")
            yield problem.at(item.file)
        for workflow in item.section.workflows:
            mark = marks["workflows", workflow]
            first = workflows.setdefault(workflow, f"{item.file}:{mark.line}")
            if not first.startswith(f"{item.file}:"):
                text = f"workflow `{workflow}` is also defined at {first}"
                yield Problem(mark, text).at(item.file)


def _problem(document: Document, path: DataPath, text: str) -> Problem:
    return Problem(_mark(document, path), f"{_dotted(path)}: {text}", path)


def _mark(document: Document, path: DataPath) -> Mark:
    for length in range(len(path), -1, -1):
        mark = document.key_marks.get(path[:length]) or document.marks.get(path[:length])
        if mark is not None:
            return mark
    return Mark()


def _dotted(path: DataPath) -> str:
    return ".".join(str(part) for part in path)


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
