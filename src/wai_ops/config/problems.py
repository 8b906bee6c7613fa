"""Problems of an input file: collected, put in order, and raised together."""

from collections.abc import Iterable
from dataclasses import dataclass

from wai_ops.core.errors import UsageError
from wai_ops.core.text import one_line

_MOST = 50


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """A place in a text; line and column count from 1."""

    line: int = 1
    column: int = 1


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: where, what, and at which path inside the data if that is known."""

    mark: Mark
    message: str
    path: tuple[str | int, ...] | None = None

    def at(self, label: str) -> str:
        """Write it as `file:line:column: what is wrong`."""
        return f"{label}:{self.mark.line}:{self.mark.column}: {one_line(self.message)}"


def lines(label: str, problems: Iterable[Problem]) -> list[str]:
    """One line a problem, in the order of the file."""
    return [p.at(label) for p in sorted(problems, key=lambda p: p.mark)]


def usage_error(texts: list[str], hint: str | None = None) -> UsageError:
    """Make one error of all the lines, cut after fifty."""
    left_out = len(texts) - _MOST
    if left_out > 0:
        texts = [*texts[:_MOST], f"... and {left_out} more"]
    return UsageError("\n".join(texts), hint=hint)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that is most like `word`; None when none is near."""
    import difflib

    by_folded = {item.lower(): item for item in known}
    found = difflib.get_close_matches(word.lower(), by_folded, n=1, cutoff=0.6)
    return by_folded[found[0]] if found else None
