"""The group `wai policy`. Its commands register themselves when `cli/policy.py` imports them."""

from pathlib import Path
from typing import TYPE_CHECKING

from wai_ops.cli.app import new_app
from wai_ops.cli.context import AppContext

if TYPE_CHECKING:
    from wai_ops.control.policy.compiled import WorkflowPolicy
    from wai_ops.control.policy.registry import Registry

app = new_app("Check, test, explain and backtest policies.")


@app.callback()
def policy() -> None:
    """Check, test, explain and backtest policies."""


def policy_place(context: AppContext) -> tuple[Path, Path]:
    """The folder of the policies, and the project that it belongs to.

    Raises UsageError when this project has no policies.
    """
    from wai_ops.config.governed import is_governed, policy_folder, project_root
    from wai_ops.core.errors import UsageError

    folder = policy_folder(context.settings, context.cwd)
    if not is_governed(context.settings, context.cwd):
        raise UsageError(
            "this project has no policies: its runs are not governed",
            where=str(folder),
            hint="write a first one: wai policy init",
        )
    return folder, project_root(context.settings, context.cwd)


def load_policies(context: AppContext) -> "Registry":
    """The registry of this project. Raises UsageError with every problem of every file."""
    from wai_ops.control.policy.registry import load_registry

    folder, root = policy_place(context)
    return load_registry(folder, root)


def known_workflow(registry: "Registry", name: str) -> "WorkflowPolicy":
    """The policy of a workflow. Raises UsageError that names the nearest one."""
    from wai_ops.config.problems import nearest
    from wai_ops.core.errors import UsageError
    from wai_ops.core.text import one_line

    policy = registry.workflow(name)
    if policy is None:
        near = nearest(name, registry.workflows)
        raise UsageError(
            f"no policy names workflow {one_line(name, 120)}",
            hint=f"did you mean {near}?" if near else "see: wai policy show",
        )
    return policy
