"""What stands for the registry in a project that has budgets and no policies.

Model calls are allowed, because nothing forbids them, and their money is counted; anything else an
agent might do is denied, as everywhere without policies.
"""

from collections.abc import Mapping

from wai_ops.control.policy.action import Action, ActionKind, Verdict, VerdictWord
from wai_ops.control.policy.compiled import WorkflowPolicy

NO_VERSION = "none"
_NO_SHA256 = "0" * 64


class Unpoliced:
    """A registry without policies."""

    workflows: Mapping[str, WorkflowPolicy] = {}

    def workflow(self, name: str) -> WorkflowPolicy | None:
        """None: no workflow has a policy."""
        del name
        return None

    def decide(self, action: Action) -> Verdict:
        """Allow model calls; deny the rest."""
        is_call = action.kind is ActionKind.MODEL_CALL
        return Verdict(
            word=VerdictWord.ALLOW if is_call else VerdictWord.DENY,
            rule="unpoliced" if is_call else "default",
            where="",
            reason="the project has no policies",
            policy_version=NO_VERSION,
            policy_sha256=_NO_SHA256,
        )
