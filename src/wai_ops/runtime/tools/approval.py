"""Asking a person: what is shown, and who answered. The terminal itself belongs to the CLI."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from wai_ops.core.text import one_line
from wai_ops.runtime.tools.canonical import canonical_json

_SHOWN = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One action that policy lets through only when a person says yes."""

    what: str
    """`tool crm.delete`, or `DELETE https://api.example.com:443/v1/...`."""
    arguments: Mapping[str, Any] | None
    rule: str
    where: str

    def lines(self) -> list[str]:
        """What a person needs to know, harmless to a terminal, one line each."""
        found = [f"{one_line(self.what)} needs approval"]
        if self.arguments is not None:
            text = canonical_json(self.arguments)
            found.append(f"arguments: {one_line(text, _SHOWN)}")
            if len(text) > _SHOWN:
                found.append(f"(cut: {len(text):,} characters in all)")
        at = f" ({self.where})" if self.where else ""
        found.append(f"rule: {one_line(self.rule)}{at}")
        return found


class Approver(Protocol):
    """Somebody who can be asked."""

    def ask(self, question: Question) -> str | None:
        """The name of who said yes; None for no, and when nobody can be asked."""
        ...


class Nobody:
    """Says no to everything: there is no terminal, or this is CI."""

    def ask(self, question: Question) -> str | None:
        """Say no."""
        del question
        return None
