"""What a fold tells whoever is watching, step by step. By default nobody is."""

from enum import StrEnum
from typing import Protocol


class Step(StrEnum):
    """The steps of a fold in their order. Each is told when it is complete, but for WAITING."""

    WAITING = "waiting"
    RECONCILED = "reconciled"
    SPOOLED = "spooled"
    ARCHIVED = "archived"
    INSERTED = "inserted"
    LOADED = "loaded"
    DROPPED = "dropped"
    MERGED = "merged"


class Progress(Protocol):
    """Anything that can be told about a step."""

    def __call__(self, step: Step, *, rows: int = 0, detail: str = "") -> None:
        """`rows` is what the step handled; `detail` is for people."""
        ...


def ignore_progress(step: Step, *, rows: int = 0, detail: str = "") -> None:
    """Tell nobody."""


LONG = 20_000
"""A step that handles so many rows is worth a line."""


def describe(step: Step, *, rows: int, detail: str) -> str | None:
    """Words for a person who waits; None when the step was too short to speak of."""
    if step is Step.WAITING:
        return detail
    if rows >= LONG and step in {Step.ARCHIVED, Step.INSERTED}:
        return f"{step.value} {rows:,} rows"
    return None
