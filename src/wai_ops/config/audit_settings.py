"""The shape of `audit:` in `wai.yaml`: who signs the decision log, and who checks that."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from wai_ops.config import rules


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSettings:
    """The two halves of the key pair; `wai audit keygen` makes them."""

    key_file: Annotated[Path | None, rules.FILE] = None
    """The operator's signing key, a file of mode 0600; relative to the folder of `wai.yaml`. Only
    `wai audit checkpoint` and `wai audit anchor` read it."""
    verifier_key: Annotated[str | None, rules.TEXT] = None
    """The public key (`name+hash+key`) that checkpoints must be signed with; after a change of
    keys several, with blanks between them."""
