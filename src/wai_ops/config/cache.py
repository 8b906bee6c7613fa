"""Validated settings on disk, so that a run needs neither a YAML parser nor a validator.

A file in `<state_dir>/cache/` is named by the SHA-256 of what was validated: the version of `wai`,
the path and the bytes of the config file. The environment is applied after reading, so it is no
part of the key. A cache is a convenience: whatever is wrong with it, the caller validates again.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import stat
from pathlib import Path

from wai_ops._version import __version__
from wai_ops.config.codec import from_plain, to_plain
from wai_ops.config.files import make_state_folder, read_up_to, write_atomically
from wai_ops.config.settings import Settings

_PREFIX = "settings-"
_KEEP = 8
_MAX_BYTES = 1 << 20


def cache_file(folder: Path, config_file: Path, content: bytes) -> Path:
    """The file that would hold the settings of this config file."""
    digest = hashlib.sha256()
    for part in (__version__.encode(), os.fsencode(config_file), content):
        digest.update(len(part).to_bytes(8, "big") + part)
    return folder / f"{_PREFIX}{digest.hexdigest()}.json"


def read_settings(path: Path, config_file: Path) -> Settings | None:
    """Read cached settings; None when there are none that can be used."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
                return None
            data = json.loads(read_up_to(descriptor, _MAX_BYTES))
        finally:
            os.close(descriptor)
        settings = from_plain(Settings, data["settings"])
        origins = {str(name): str(origin) for name, origin in data["origins"].items()}
        return dataclasses.replace(settings, config_file=config_file, origins=origins)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, ArithmeticError):
        return None


def write_settings(path: Path, settings: Settings) -> None:
    """Write settings where `read_settings` finds them; a folder that refuses is left alone."""
    data = {"settings": to_plain(settings), "origins": dict(settings.origins)}
    with contextlib.suppress(OSError):  # a read-only folder costs time, not correctness
        make_state_folder(path.parent.parent, path.parent.name)
        write_atomically(path, json.dumps(data).encode(), is_durable=False)
        _prune(path.parent)


def _prune(folder: Path) -> None:
    found = [(item.stat().st_mtime_ns, item) for item in folder.glob(f"{_PREFIX}*.json")]
    for _, item in sorted(found, reverse=True)[_KEEP:]:
        item.unlink(missing_ok=True)
