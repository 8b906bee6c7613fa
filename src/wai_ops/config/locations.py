"""Where things lie: the nearest wai.yaml, and the folder of local state."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

FILE_NAME = "wai.yaml"
STATE_FOLDER = ".wai"


def find_config(cwd: Path) -> Path | None:
    """The wai.yaml in `cwd` or the nearest folder above it; None when there is none."""
    for folder in (cwd, *cwd.parents):
        candidate = folder / FILE_NAME
        if os.path.lexists(candidate):
            return candidate
    return None


def user_data_dir(environ: Mapping[str, str], platform: str = sys.platform) -> Path:
    """The folder for state that belongs to no project."""
    xdg = environ.get("XDG_DATA_HOME", "")
    if Path(xdg).is_absolute():
        return Path(xdg) / "wai"
    home = _home(environ)
    if platform == "darwin":
        return home / "Library" / "Application Support" / "wai"
    return home / ".local" / "share" / "wai"


def absolute(path: Path, base: Path, environ: Mapping[str, str]) -> Path:
    """Resolve `~/` and a relative path against `base`; links are left as they are."""
    if path.parts[:1] == ("~",):
        path = _home(environ).joinpath(*path.parts[1:])
    return Path(os.path.normpath(base / path))


def _home(environ: Mapping[str, str]) -> Path:
    home = environ.get("HOME", "")
    return Path(home) if Path(home).is_absolute() else Path.home()
