"""One row of `wai doctor`, and the short ways to make one."""

from dataclasses import dataclass
from enum import StrEnum

from wai_ops.core.errors import WaiError
from wai_ops.core.table import col


class Status(StrEnum):
    """The result of one check."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRow:
    """One check: what was looked at, the result, what was found, and the next step if any."""

    check: str = col("Check")
    status: Status = col("Status")
    detail: str = col("Found")
    next_step: str | None = col("Next step", default=None)


def row(check: str, status: Status, detail: str, next_step: str | None = None) -> CheckRow:
    """Make a row."""
    return CheckRow(check=check, status=status, detail=detail, next_step=next_step)


def ok(check: str, detail: str, next_step: str | None = None) -> CheckRow:
    """Make a row for something that is as it should be."""
    return row(check, Status.OK, detail, next_step)


def warning(check: str, detail: str, next_step: str) -> CheckRow:
    """Make a row for something that works and should not stay so."""
    return row(check, Status.WARNING, detail, next_step)


def failed(check: str, detail: str, next_step: str | None = None) -> CheckRow:
    """Make a row for something that keeps commands from working."""
    return row(check, Status.FAILED, detail, next_step)


def skipped(check: str, why: str, next_step: str | None = None) -> CheckRow:
    """Make a row for something that could not be looked at."""
    return row(check, Status.SKIPPED, why, next_step)


def from_error(check: str, error: WaiError) -> CheckRow:
    """Make a failed row of an error, on one line."""
    where = f"{error.where}: " if error.where else ""
    return failed(check, where + "; ".join(error.message.splitlines()), error.hint)
