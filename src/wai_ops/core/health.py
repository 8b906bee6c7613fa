"""The answer of a health check, as `wai doctor` shows it."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Health:
    """`status`, what was found, and the next step where there is one."""

    status: Literal["ok", "warning", "failed"]
    detail: str
    hint: str | None = None
