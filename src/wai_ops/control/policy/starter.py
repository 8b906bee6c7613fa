"""`wai policy init`: a first policy with its tests, for the workflow and model of wai.yaml."""

import os
import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from wai_ops.control.policy.files import SUFFIX, TESTS
from wai_ops.core.errors import DataError, UsageError

_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_-]+")
POLICY = """\
# What workflow {workflow} may do. Everything that no rule allows is denied.
# See what holds with `wai policy show`, ask with `wai policy explain`, and check changes with
# `wai policy lint`, `wai policy test` and `wai policy diff`.
version: 1
policy: {name}
# Raise it with every change: a date, and a number within the day.
policy_version: "{today}.1"
# enforce, or observe: verdicts are recorded and nothing is refused.
mode: enforce

workflows:
  {workflow_key}:
    # How much harm a wrong turn could do: the tiers that are allowed, and what a run without
    # --risk is taken to be.
    default_risk: low
    risk: [low]
    # Whose actions: runtime, operator.
    roles: [runtime]
    # Classes of data that may go to models; a run names those in it.
    data: [public]
    # Models that may be called, by tier.
    models:
      low: ["{model}"]

    # What a turn and a conversation may use at most.
    # envelope:
    #   max_output_tokens: 2000
    #   max_turns: 60
    #   per_conversation_usd: "0.50"

    # Tools that may be called, and with which arguments (JSON Schema). `risk` is the lowest tier of
    # a turn that may call it; `approval` is never, always, above-low or above-medium.
    # tools:
    #   - name: crm.lookup
    #     risk: low
    #     arguments:
    #       type: object
    #       required: [id]
    #       additionalProperties: false
    #       properties: {{id: {{type: string, pattern: "^[0-9]{{1,12}}$"}}}}
    #   - name: crm.delete
    #     effect: deny

    # Where requests may go: exact hosts, or `*.` and a name for one label more.
    # outbound:
    #   - host: api.example.com
    #     methods: [GET]
    #     paths: [/v1/]
    #     tools: [crm.lookup]
"""
TESTS_TEXT = """\
# Table tests: what an action comes to, and by which rule. Run them with `wai policy test`.
workflow: {workflow_key}
tests:
  - name: the model of this project serves turns of tier low
    action: {{model: "{model}"}}
    expect: allow
    rule: {rule}
  - name: another model does not
    action: {{model: "@cf/example/other"}}
    expect: deny
  - name: there is no tier high
    action: {{model: "{model}", risk: high}}
    expect: deny
  - name: internal data stays here
    action: {{model: "{model}", data: [internal]}}
    expect: deny
  - name: no tool may be called
    action: {{tool: shell.run, arguments: {{command: ls}}}}
    expect: deny
  - name: no request may go out
    action: {{url: "https://example.com/"}}
    expect: deny
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The files of a first policy, relative to the project."""

    files: tuple[str, ...]


def write_starter(folder: Path, *, workflow: str, model: str, today: date) -> Written:
    """Write a first policy and its tests. Nothing that is there is touched.

    Raises UsageError when a policy is there already, DataError when one cannot be written.
    """
    name = _NOT_IN_A_NAME.sub("-", workflow).strip("-") or "policy"
    fields = {
        "workflow": workflow,
        "workflow_key": _quoted(workflow),
        "rule": _quoted(f"{workflow}.models.low"),
        "name": _quoted(name),
        "model": model,
        "today": today.isoformat(),
    }
    texts = {
        folder / f"{name}{SUFFIX}": POLICY.format(**fields),
        folder / TESTS / f"{name}{SUFFIX}": TESTS_TEXT.format(**fields),
    }
    there = sorted(folder.glob(f"*{SUFFIX}")) if folder.is_dir() else []
    there += [path for path in texts if os.path.lexists(path)]
    if there:
        raise UsageError(
            "there are policies already",
            where=str(there[0]),
            hint="edit them; a workflow more is one more key under `workflows`",
        )
    try:
        (folder / TESTS).mkdir(parents=True, exist_ok=True)
        for path, text in texts.items():
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        raise DataError(f"cannot be written: {error.strerror}", where=str(folder)) from error
    return Written(files=tuple(path.relative_to(folder.parent).as_posix() for path in texts))


def _quoted(text: str) -> str:
    """A name as a YAML scalar that is text whatever it looks like."""
    is_plain = re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]*", text)
    is_word = text.lower() in ("true", "false", "null", "yes", "no", "on", "off")
    return text if is_plain and not is_word else f'"{text}"'
