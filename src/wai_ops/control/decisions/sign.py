"""Signing a checkpoint: only of a log that is whole and has grown from what was signed before."""

from dataclasses import dataclass
from pathlib import Path

from wai_ops.control.decisions.audit import audit_folder
from wai_ops.control.decisions.checkpoint import sign_checkpoint, store_checkpoint
from wai_ops.control.decisions.keys import parse_verifier_keys
from wai_ops.control.decisions.lines import settle
from wai_ops.control.decisions.log import FILE_NAME
from wai_ops.control.decisions.note import SigningKey
from wai_ops.core.errors import DataError


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A checkpoint that is there now."""

    origin: str
    size: int
    root_sha256: str
    """In hex."""
    path: Path
    new_records: int
    """Since the last checkpoint."""

    def to_text(self) -> str:
        """Lines for people."""
        return (
            f"{self.path}\n{self.size:,} records, {self.new_records:,} of them new, "
            f"root {self.root_sha256}, signed by {self.origin}\n"
        )


def sign_log(folder: Path, key: SigningKey, known: str | None) -> Signed:
    """Verify the log and sign it. `known`: public keys of earlier checkpoints, as text.

    Raises DataError when the log is not as it was written.
    """
    keys = {key.verifier, *parse_verifier_keys(known or "", "audit.verifier_key")}
    found = audit_folder(folder, keys, extent=settle(folder / FILE_NAME)).verified
    if found.findings:
        raise DataError(
            f"the log is not signed: {found.findings[0].message}",
            where=str(folder),
            hint="see all of it: wai audit verify; to begin anew, move the folder away as it is",
        )
    note = sign_checkpoint(found.record_count, found.root, key)
    return Signed(
        origin=key.name,
        size=found.record_count,
        root_sha256=found.root.hex(),
        path=store_checkpoint(folder, found.record_count, note),
        new_records=found.unanchored,
    )
