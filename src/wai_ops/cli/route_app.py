"""The group `wai route`. Its commands register themselves when `cli/route.py` imports them."""

from pathlib import Path
from typing import TYPE_CHECKING

from wai_ops.cli.app import new_app
from wai_ops.cli.context import AppContext

if TYPE_CHECKING:
    from wai_ops.control.policy.registry import Registry

app = new_app("Explain and backtest which model serves which risk.")


@app.callback()
def route() -> None:
    """Explain and backtest which model serves which risk."""


def open_registry(context: AppContext, candidate: Path | None = None) -> "Registry":
    """Load the project's policies, or those of another folder. Raises UsageError."""
    from wai_ops.config.governed import policy_folder, project_root
    from wai_ops.control.policy.registry import load_registry
    from wai_ops.core.errors import UsageError

    settings = context.settings
    root = project_root(settings, context.cwd)
    folder = policy_folder(settings, context.cwd)
    if candidate is not None:
        folder = context.cwd / candidate
    if not folder.is_dir():
        raise UsageError(
            f"there are no policies: {folder} is no folder",
            hint="docs/policy.md describes them, docs/routing.md their routing",
        )
    return load_registry(folder, root)
