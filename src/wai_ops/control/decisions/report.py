"""An audit as rows: what is wrong, what is open, what no checkpoint vouches for."""

from collections.abc import Iterator
from dataclasses import dataclass

from wai_ops.control.decisions.audit import Audit
from wai_ops.control.decisions.findings import Kind
from wai_ops.core.clock import to_utc_text
from wai_ops.core.table import Table, Unit, Verdict, col
from wai_ops.core.text import counted

UNANCHORED = "unanchored"
UNKNOWN = "outcome unknown"
_MAX_OPEN = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingRow:
    """One thing to know. `first` and `last` are numbers of records, counted from 0."""

    finding: str = col("Finding")
    first: int = col("First record", Unit.COUNT)
    last: int = col("Last record", Unit.COUNT)
    is_alarm: bool = col("Alarm", Unit.FLAG)
    detail: str = col("Detail")


def to_table(audit: Audit, *, must_be_anchored: bool) -> Table[FindingRow]:
    """The rows, with the verdict. `must_be_anchored`: records without a checkpoint are alarms."""
    verified = audit.verified
    late = verified.unanchored > 0
    rows = [
        FindingRow(
            finding=one.kind.value,
            first=one.first,
            last=one.last,
            is_alarm=True,
            detail=one.message,
        )
        for one in verified.findings
    ]
    begun = [one for one in verified.open if one.is_started]
    rows += [
        FindingRow(
            finding=UNKNOWN,
            first=one.seq,
            last=one.seq,
            is_alarm=False,
            detail=f"{one.decision_id} was begun and has no end",
        )
        for one in begun[:_MAX_OPEN]
    ]
    if late:
        many = counted(verified.unanchored, "record")
        rows.append(
            FindingRow(
                finding=UNANCHORED,
                first=verified.anchored,
                last=verified.record_count - 1,
                is_alarm=must_be_anchored,
                detail=f"{many} after the last checkpoint that fits",
            )
        )
    failed = verified.is_damaged or (must_be_anchored and late)
    return Table(
        row_type=FindingRow,
        rows=rows,
        title=f"Decision log in {audit.folder}",
        notes=tuple(_notes(audit)),
        verdict=Verdict.FAIL if failed else Verdict.PASS,
    )


def is_unreadable_only(audit: Audit) -> bool:
    """Whether bytes that are no records are all that is wrong."""
    return audit.verified.kinds() == {Kind.UNREADABLE}


def _notes(audit: Audit) -> Iterator[str]:
    verified = audit.verified
    yield f"{counted(verified.record_count, 'record')}, root {verified.root.hex()}"
    if verified.is_damaged:
        kinds = ", ".join(sorted(verified.kinds()))
        yield f"the log is not as it was written: {kinds}"
    else:
        yield "every record is the one that the next was written after"
    if audit.unchecked:
        yield (
            f"{counted(audit.unchecked, 'checkpoint')} not used: no verifier key; "
            "give --key, or set audit.verifier_key"
        )
    elif verified.checkpoint is not None:
        at = verified.checkpoint
        yield f"signed by {at.origin}: the first {counted(at.size, 'record')}"
    elif audit.checkpoint_count == 0:
        yield "there is no checkpoint: who may write the file could have changed all of it"
    if verified.unlisted:
        yield f"{counted(verified.unlisted, 'more finding')} not listed"
    for name, stamp in audit.stamps:
        yield f"{name} has a time stamp of {to_utc_text(stamp.at)}; see openssl ts -verify"
    yield from _crash_notes(audit)


def _crash_notes(audit: Audit) -> Iterator[str]:
    """What processes left that ended early: nothing of it is an alarm."""
    verified = audit.verified
    if begun := verified.begun_count:
        yield f"{counted(begun, 'action')} begun without an end: outcome unknown"
    if dropped := verified.never_begun_count:
        yield f"{counted(dropped, 'action')} permitted and never begun: the process ended before"
    if verified.repair_count:
        yield (
            f"{counted(verified.repair_count, 'repair')} of what writers left that died; "
            "their bytes are kept in torn/"
        )
    if audit.torn_bytes:
        yield (
            f"{audit.torn_bytes:,} bytes at the end of a writer that died or is at work: "
            "nobody was told that they are kept"
        )
