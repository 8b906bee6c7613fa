"""Whether a project is governed. Not in `control/`: without policies nothing of it is loaded."""

import os
from pathlib import Path

from wai_ops.config.settings import Settings


def project_root(settings: Settings, cwd: Path) -> Path:
    """The folder of `wai.yaml`, or the current one without it."""
    return settings.config_file.parent if settings.config_file else cwd


def policy_folder(settings: Settings, cwd: Path) -> Path:
    """Where policies lie, whether the folder is there or not."""
    return project_root(settings, cwd) / settings.policy.folder


def is_governed(settings: Settings, cwd: Path) -> bool:
    """Whether runs are decided upon: one look at the file system.

    Anything of that name counts, a broken link too: what cannot be read must not mean "allowed".
    """
    return os.path.lexists(policy_folder(settings, cwd))
