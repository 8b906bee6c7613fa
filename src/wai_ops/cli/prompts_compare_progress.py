"""How a comparison shows on stderr: a bar on a terminal, plain lines elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from wai_ops.cli import diagnostics

_LINE_EVERY_S = 10.0


@contextmanager
def watch_compare(context: Any) -> Iterator[Any]:
    """Something to call with cases done, cases in all and dollars spent."""
    if not context.stderr_is_terminal:
        yield Lines(context.clock)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (
        TextColumn("comparing"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[spent]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("comparing", total=None, spent="")

        def show(done: int, count: int, spent_usd: Decimal) -> None:
            bar.update(task, completed=done, total=count, spent=f"${spent_usd.normalize():f}")

        yield show


class Lines:
    """One line every ten seconds: what a CI log can hold."""

    def __init__(self, clock: Any) -> None:
        """Tell the time by `clock`."""
        self._clock = clock
        self._last = clock.monotonic()

    def __call__(self, done: int, count: int, spent_usd: Decimal) -> None:
        """Print a line if the last one is old enough."""
        now = self._clock.monotonic()
        if now - self._last >= _LINE_EVERY_S:
            self._last = now
            diagnostics.message(f"{done} of {count} cases, ${spent_usd.normalize():f} spent")
