"""A report of reports: the shape of one page, before anybody lays it out."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from wai_ops.core.plot import Plot
from wai_ops.core.table import Table, Unit, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One number that is read first."""

    label: str
    value: Any
    unit: Unit
    detail: str = ""
    """What it is made of, or held against."""
    verdict: Verdict | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhibit:
    """One table, what is drawn of it, and the command that prints all of it."""

    table: Table[Any]
    plots: tuple[Plot, ...] = ()
    command: str = ""
    is_drawn_only: bool = False
    """The table itself would repeat another one: it is not shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One question and its answer."""

    key: str
    """Short, unique on the page, of lower-case letters and dashes."""
    title: str
    question: str
    exhibits: tuple[Exhibit, ...] = ()
    silence: str = ""
    """Why there are no exhibits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Everything on the page, from the first line to the last."""

    title: str
    scope: str
    """The window, and the conditions."""
    made_at: datetime
    made_by: str
    tiles: tuple[Tile, ...]
    sections: tuple[Section, ...]
    evidence: tuple[str, ...] = ()
    """What all numbers stand on. Notes that several tables carry are added."""
