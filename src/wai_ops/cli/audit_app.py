"""The group `wai audit`: commands register on `app` when `cli/audit.py` imports them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wai_ops.cli.app import new_app
from wai_ops.cli.context import AppContext

if TYPE_CHECKING:
    from wai_ops.control.decisions.note import VerifierKey

app = new_app("Verify, prove, anchor and reconstruct recorded decisions.")

KeyOption = Annotated[
    str | None,
    typer.Option(
        "--key", metavar="VKEY|FILE", help="Public key of the checkpoints; else audit.verifier_key."
    ),
]
EndpointOption = Annotated[
    str | None,
    typer.Option("--endpoint-url", metavar="URL", help="The object store; else by the address."),
]


@app.callback()
def audit() -> None:
    """Verify, prove, anchor and reconstruct recorded decisions."""


def log_folder(context: AppContext, folder: Path | None = None) -> Path:
    """The folder that was given, else that of the settings."""
    from wai_ops.control.decisions.log import FOLDER_NAME

    if folder is not None:
        return context.cwd / folder
    return context.settings.state_dir / FOLDER_NAME


def verifier_keys(context: AppContext, given: str | None) -> "tuple[VerifierKey, ...]":
    """The public keys that were given, else those of the settings; maybe none."""
    from wai_ops.control.decisions.keys import find_verifier_keys

    return find_verifier_keys(given, context.settings.audit.verifier_key)


def needed_keys(context: AppContext, given: str | None) -> "tuple[VerifierKey, ...]":
    """As `verifier_keys`; raises UsageError when there is none."""
    from wai_ops.core.errors import UsageError

    keys = verifier_keys(context, given)
    if not keys:
        raise UsageError(
            "no verifier key is known",
            hint="give --key, or set audit.verifier_key; wai audit keygen makes a pair",
        )
    return keys
