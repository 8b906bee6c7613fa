"""How a pull shows on stderr: a bar on a terminal, plain lines elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

from wai_ops.cli import diagnostics

_LINE_EVERY_S = 10.0


@contextmanager
def watch_pull(context: Any) -> Iterator[Any]:
    """A `PullWatcher` that fits stderr."""
    if not context.stderr_is_terminal:
        yield Lines(context.clock)
        return
    with Bar() as bar:
        yield bar


class Lines:
    """One line every ten seconds: what a CI log can hold."""

    def __init__(self, clock: Any) -> None:
        """Tell the time by `clock`."""
        self._clock = clock
        self._last = clock.monotonic()

    def progress(self, progress: Any) -> None:
        """Print a line if the last one is old enough."""
        now = self._clock.monotonic()
        if now - self._last >= _LINE_EVERY_S:
            self._last = now
            diagnostics.message(describe(progress))

    def say(self, text: str) -> None:
        """Print a line."""
        diagnostics.message(text)


class Bar:
    """A bar with rows, rows a second and the time to go."""

    def __init__(self) -> None:
        """Nothing is drawn before the first window is read."""
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        self._console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("pulling"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("rows  {task.fields[speed]}"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
        )
        self._task: Any = None

    def __enter__(self) -> Self:
        """Begin."""
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Take the bar away."""
        self._bar.stop()

    def progress(self, progress: Any) -> None:
        """Move the bar."""
        total = progress.expected_count
        if total is not None:
            total = max(total, progress.row_count)
        speed = f"{progress.rows_per_s:,.0f}/s"
        if self._task is None:
            self._task = self._bar.add_task("", total=total, speed=speed)
        self._bar.update(self._task, completed=progress.row_count, total=total, speed=speed)

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        from rich.text import Text

        from wai_ops.core.text import one_line

        # Text, not markup: a name from outside must not style, link or move anything.
        self._console.print(Text(f"wai: {one_line(text, 2000)}"), soft_wrap=True)


def describe(progress: Any) -> str:
    """`12,000 of 60,000 rows, 195 rows/s, 4 min to go`."""
    total = "" if progress.expected_count is None else f" of {progress.expected_count:,}"
    text = f"{progress.row_count:,}{total} rows, {progress.rows_per_s:,.0f} rows/s"
    return text if progress.eta_s is None else f"{text}, {_duration(progress.eta_s)} to go"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
