"""Which secrets this process knows, and a redactor that knows them.

Imports no engine: `wai run` asks what is known on every start.
"""

import os
import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from wai_ops.config.credentials import Role, read_credentials_file
from wai_ops.config.files import write_atomically
from wai_ops.config.settings import Settings
from wai_ops.core.errors import AccessError, DataError
from wai_ops.core.secret_names import is_secret_name
from wai_ops.observe.redact.forms import SHORTEST

if TYPE_CHECKING:
    from wai_ops.observe.redact.engine import Redactor

KEY_FILE = "redaction.key"
"""In the state folder, mode 0600: 32 random bytes, in hex. Without it masks cannot be matched."""
_PASSWORDS = ("PASSWORD", "PASSWD", "PASSPHRASE")
_WORDS = r"[A-Za-z]+(?:[-_. ,:/][A-Za-z]+)*\Z"
_USERINFO = r"://[^\s/@:]*:([^\s/@]+)@"


def known_secrets(settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    """Name -> value of every credential known to this process.

    The tokens of all roles, from the environment and the credentials file; environment variables
    that are called token, key, secret, password or credential, or that the settings name; and the
    passwords inside addresses that the environment holds. Values of fewer than 8 characters,
    plain words and paths are left out: masking them everywhere would hide more than it protects.
    """
    found: dict[str, str] = {}
    for name, value in sorted(environ.items()):
        if name in settings.redaction.variables:
            found[settings.redaction.variables[name]] = value
        elif is_secret_name(name) and _is_secret_value(name, value):
            found[name] = value
        elif "://" in value and (inside := re.search(_USERINFO, value)):
            found[f"{name}-password"] = inside[1]
    if settings.credentials_file is not None:
        # A file that may not be used is said by whoever needs it; its tokens reach no request.
        with suppress(AccessError):
            lines = read_credentials_file(settings.credentials_file)
            tokens = {role.variable for role in Role}
            found |= {
                f"{name}-file" if name in found else name: value
                for name, (value, _) in lines.items()
                if name in tokens
            }
    return {name: value for name, value in found.items() if len(value.strip()) >= SHORTEST}


def redactor_for(
    settings: Settings,
    environ: Mapping[str, str],
    *,
    pii: bool | None = None,
    keeps_key: bool = True,
) -> "Redactor":
    """A redactor that knows the credentials of this process and masks with the folder's key.

    `pii` overrides the setting. `keeps_key=False` makes no state folder for a key: where there is
    none, the masks of this process match no others. Raises DataError.
    """
    from wai_ops.observe.redact.engine import Redactor

    key = redaction_key(settings.state_dir, makes_folder=keeps_key)
    return Redactor.build(
        known_secrets(settings, environ),
        key=key or secrets.token_bytes(32),
        pii=settings.redaction.pii if pii is None else pii,
    )


def redaction_key(state_dir: Path, *, makes_folder: bool) -> bytes | None:
    """The key of the tags in masks, made on first use; None without a folder to keep it in.

    Raises DataError when it can be neither read nor written.
    """
    path = state_dir / KEY_FILE
    try:
        if not state_dir.is_dir():
            if not makes_folder:
                return None
            state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            _make_key(path)
        return bytes.fromhex(path.read_text("ascii"))
    except OSError as error:
        raise DataError(
            f"cannot use {path}: {error.strerror or error}",
            hint="make the state folder writable, or set WAI_STATE_DIR to another folder",
        ) from error
    except ValueError as error:
        raise DataError(
            f"{path} is damaged",
            hint="remove it: a new one is made, and new masks do not match the old ones",
        ) from error


def _make_key(path: Path) -> None:
    """Two processes may come here at once; the key of the first one holds."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    write_atomically(draft, secrets.token_bytes(32).hex().encode())
    try:
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()


def _is_secret_value(name: str, value: str) -> bool:
    text = value.strip()
    if len(text) < SHORTEST or _is_path(text):
        return False
    return name.upper().endswith(_PASSWORDS) or re.match(_WORDS, text) is None


def _is_path(text: str) -> bool:
    """A secret in base64 may begin with a slash, too; a path has a folder that is there."""
    if not text.startswith(("/", "./", "../", "~/")) or "\0" in text:
        return False
    with suppress(OSError, ValueError):
        return Path(text).expanduser().parent.is_dir()
    return False
