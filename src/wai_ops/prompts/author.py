"""Who freezes or releases: the address that commits carry, so that approvals can name people."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from wai_ops.core.secret_names import without_secrets

_PATIENCE_S = 10


def author_of(environ: Mapping[str, str], folder: Path) -> str:
    """The author of changes in `folder`: git's address, git's name, the login, or `unknown`."""
    for value in (
        environ.get("GIT_AUTHOR_EMAIL", ""),
        _git_config("user.email", environ, folder),
        environ.get("GIT_AUTHOR_NAME", ""),
        _git_config("user.name", environ, folder),
        environ.get("USER", ""),
        environ.get("LOGNAME", ""),
    ):
        if line := " ".join(value.split()):
            return line
    return "unknown"


def _git_config(name: str, environ: Mapping[str, str], folder: Path) -> str:
    """What git is configured to; empty without git."""
    try:
        done = subprocess.run(  # noqa: S603 - no shell, nothing from outside in the list
            ["git", "config", "--get", name],  # noqa: S607 - git is where PATH says
            cwd=folder,
            env=without_secrets(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else ""
