"""All policies of a project: which workflow may do what.

`load_registry` reads and prepares; `decide` is pure and total: every action has a verdict, and
what nothing allows is denied.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wai_ops.control.policy.action import Action, Mode, Verdict, VerdictWord
from wai_ops.control.policy.compiled import DEFAULT, OutboundRule, ToolRule, WorkflowPolicy
from wai_ops.control.policy.decide import answer
from wai_ops.core.text import one_line

if TYPE_CHECKING:
    from wai_ops.control.policy.loading import Loaded

NO_VERSION = "none"
"""The policy version of a verdict about a workflow that no policy names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One policy file."""

    name: str
    file: str
    """Relative to the project, such as `policies/support.yaml`."""
    declared_version: str
    """As the file has it: `2026-11-23.1`."""
    policy_version: str
    """As records have it: with the digest of the content."""
    policy_sha256: str
    mode: Mode
    workflows: Mapping[str, WorkflowPolicy]
    places: Mapping[str, str]
    """Key of the file (`mode`, `policy_version`, …) -> `file:line`."""

    def where(self, key: str) -> str:
        """Where a key of the file stands, or the file itself."""
        return self.places.get(key, f"{self.file}:1")


class Registry:
    """The policies that hold together. Never changes once made."""

    __slots__ = ("_rules", "_workflows", "policies", "sha256")

    def __init__(self, policies: Iterable[Policy]) -> None:
        """Take policies that define no workflow twice."""
        self.policies = tuple(sorted(policies, key=lambda policy: policy.name))
        self._workflows: dict[str, WorkflowPolicy] = {}
        self._rules: dict[str, ToolRule | OutboundRule] = {}
        for policy in self.policies:
            self._workflows |= policy.workflows
            for workflow in policy.workflows.values():
                self._rules |= {rule.place.rule: rule for rule in workflow.tools}
                self._rules |= {rule.place.rule: rule for rule in workflow.outbound}
        digests = "\n".join(f"{item.name} {item.policy_sha256}" for item in self.policies)
        self.sha256 = hashlib.sha256(digests.encode()).hexdigest()
        """Over all policies: what a verdict without a policy refers to."""

    def workflow(self, name: str) -> WorkflowPolicy | None:
        """The policy of a workflow; None when there is none."""
        return self._workflows.get(name)

    @property
    def workflows(self) -> Mapping[str, WorkflowPolicy]:
        """Every workflow by name, in the order of its policy."""
        return self._workflows

    def outbound_rule(self, rule: str) -> OutboundRule | None:
        """The outbound rule of this path (`Verdict.rule`); None when it is none."""
        found = self._rules.get(rule)
        return found if isinstance(found, OutboundRule) else None

    def tool_rule(self, rule: str) -> ToolRule | None:
        """The tool rule of this path (`Verdict.rule`); None when it is none."""
        found = self._rules.get(rule)
        return found if isinstance(found, ToolRule) else None

    def decide(self, action: Action) -> Verdict:
        """What the policies say to an action. Never raises."""
        policy = self._workflows.get(action.workflow)
        if policy is None:
            return Verdict(
                word=VerdictWord.DENY,
                rule=DEFAULT,
                where="",
                reason=f"no policy names workflow {one_line(action.workflow, 120)}",
                policy_version=NO_VERSION,
                policy_sha256=self.sha256,
            )
        try:
            word, rule, where, reason = answer(policy, action)
        except Exception as error:  # noqa: BLE001 - a decision is total: what cannot be judged is denied
            word, rule, where = VerdictWord.DENY, f"{DEFAULT}:{policy.name}.error", policy.where
            reason = f"the action cannot be judged: {type(error).__name__}"
        return Verdict(
            word=word,
            rule=rule,
            where=where,
            reason=reason,
            policy_version=policy.policy_version,
            policy_sha256=policy.policy_sha256,
            mode=policy.mode,
        )


def load_registry(folder: Path, root: Path) -> Registry:
    """Load the policies in `folder`; places in verdicts are relative to `root`.

    Raises UsageError with every problem of every file, one a line.
    """
    from wai_ops.control.policy.loading import load_folder

    return registry_of(load_folder(folder, root))


def registry_of(loaded: Iterable["Loaded"]) -> Registry:
    """Prepare files that were read without problems."""
    from wai_ops.control.policy.building import build_policy

    return Registry(build_policy(item) for item in loaded)
