"""What all reports share on the command line, and what happens with it: one way for all of them.

A report command takes a `ReportCall` and the options of its own; `@report_command` adds the shared
ones to its help and hands them over as that call:

    @app.command()
    @report_command
    def cost(call: ReportCall, by: Annotated[Grouping, ...] = Grouping.WORKFLOW) -> None:
        def build(store: Store, part: Slice) -> Table[Any]: ...
        call.run(build)
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wai_ops.cli import diagnostics
from wai_ops.cli.context import AppContext
from wai_ops.cli.options import JsonOption, SinceOption, UntilOption
from wai_ops.cli.output import Format

if TYPE_CHECKING:
    from wai_ops.core.table import Table
    from wai_ops.core.window import Window
    from wai_ops.observe.ledger.store import Store
    from wai_ops.observe.reports.slice import Slice

PREVIOUS = "previous"


class Grouping(StrEnum):
    """What one row stands for: `observe.reports.slice.Dimension`, without importing it."""

    WORKFLOW = "workflow"
    TENANT = "tenant"
    MODEL = "model"
    PROMPT = "prompt"
    ROUTE = "route"
    GATEWAY = "gateway"
    PROVIDER = "provider"
    TARGET = "target"
    SOURCE = "source"
    CONVERSATION = "conversation"
    DAY = "day"


class NarrowGrouping(StrEnum):
    """The same without conversations: there can be millions, with a few calls each."""

    WORKFLOW = "workflow"
    TENANT = "tenant"
    MODEL = "model"
    PROMPT = "prompt"
    ROUTE = "route"
    GATEWAY = "gateway"
    PROVIDER = "provider"
    TARGET = "target"
    SOURCE = "source"
    DAY = "day"


NarrowByOption = Annotated[NarrowGrouping, typer.Option("--by", help="What one row stands for.")]
ByOption = Annotated[
    Grouping,
    typer.Option(
        "--by", metavar="DIMENSION", help=f"What one row stands for: {', '.join(Grouping)}."
    ),
]
WhereOption = Annotated[
    list[str] | None,
    typer.Option(
        "--where", metavar="KEY=VALUE", help="Only these calls; KEY!=VALUE for all but these."
    ),
]
CompareOption = Annotated[
    str | None,
    typer.Option(
        "--compare", metavar="previous|BASELINE", help="Add the change since then to each number."
    ),
]
OutputOption = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="Write there, whole or not at all."),
]
FailOnOption = Annotated[
    str | None,
    typer.Option("--fail-on", metavar="EXPR", help="Exit 1 where it is true: cost_usd > 10."),
]
PlotOption = Annotated[
    bool, typer.Option("--plot", help="Draw the numbers below the table; needs wai-ops[viz].")
]
ReportFormatOption = Annotated[
    Format | None,
    typer.Option("--format", "-f", help="How rows come out; else by the name of --output."),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportCall:
    """The shared options of one call of a report, as they were typed."""

    context: AppContext
    since: str | None = None
    until: str | None = None
    where: tuple[str, ...] = ()
    compare: str | None = None
    fmt: Format | None = None
    output: Path | None = None
    fail_on: str | None = None
    plot: bool = False
    name: str = ""
    """The command, as its function is called."""
    by: str | None = None
    """What one row stands for, where the command has a choice."""

    def run(self, build: "Callable[[Store, Slice], Table[Any]]") -> None:
        """Open the ledger, build the report and what it is compared with, and deliver the result.

        Everything that is wrong with the options is said before the ledger is opened. Raises
        UsageError, DataError; exits 1 when the verdict is FAIL.
        """
        from wai_ops.cli.report_output import check_output, check_plot, deliver
        from wai_ops.cli.watch import watch
        from wai_ops.core.window import parse_window
        from wai_ops.observe.ledger.store import open_ledger
        from wai_ops.observe.reports.plots import plots_of
        from wai_ops.observe.reports.slice import Slice, parse_where

        now = self.context.clock.now()
        window = parse_window(self.since, self.until, now=now)
        part = Slice(window, parse_where(self.where))
        rule = self._rule()
        earlier = self._earlier(window)
        fmt = check_output(self.output, self.fmt)
        plots = plots_of(self.name) if self.plot else ()
        if self.plot:
            check_plot(fmt, self.output)
        state_dir = self.context.settings.state_dir
        with open_ledger(state_dir, self.context.clock, watch) as store:
            table = build(store, part)
            if earlier is not None:
                table = earlier(table, lambda at: build(store, Slice(at, part.where)))
        if rule is not None:
            table = rule(table)
        if self.plot:
            from wai_ops.render.series import drawable

            if not drawable(table, plots):
                diagnostics.note("--plot: there is no chart of this table")
        deliver(table, fmt, self.output, plots)

    def _rule(self) -> "Callable[[Table[Any]], Table[Any]] | None":
        if self.fail_on is None:
            return None
        from wai_ops.observe.reports.fail_on import judge, parse_rule

        rule = parse_rule(self.fail_on)
        return lambda table: judge(table, rule)

    def _earlier(self, window: "Window") -> "Callable[..., Table[Any]] | None":
        if self.compare is None:
            return None
        from wai_ops.observe.reports.compare import compared, compared_with, previous_window

        if self.compare == PREVIOUS:
            before = previous_window(window, now=self.context.clock.now())
            assert window.since is not None
            assert before.since is not None
            shift = window.since - before.since
            return lambda table, build: compared(
                table, build(before), before.describe(), shift=shift
            )
        from wai_ops.cli.report_baseline import compare_with

        earlier = compare_with(self.context, self.compare, self.name, self.by)
        return lambda table, _: compared_with(table, earlier(table))


_SHARED: dict[str, tuple[Any, Any]] = {
    "since": (SinceOption, None),
    "until": (UntilOption, None),
    "where": (WhereOption, None),
    "compare": (CompareOption, None),
    "fmt": (ReportFormatOption, None),
    "as_json": (JsonOption, False),
    "output": (OutputOption, None),
    "fail_on": (FailOnOption, None),
    "plot": (PlotOption, False),
}


def report_command(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the shared options, after its own, and hand them to it as a `ReportCall`."""
    first, *own = inspect.signature(command, eval_str=True).parameters.values()
    if first.annotation is not ReportCall:
        raise TypeError(f"{command.__name__} does not begin with a ReportCall")
    shared = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for name, (kind, default) in _SHARED.items()
    ]
    own = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
    context = inspect.Parameter(
        "ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context
    )

    @wraps(command)
    def wrapper(ctx: typer.Context, **options: Any) -> None:
        given = {name: options.pop(name) for name in _SHARED}
        fmt = Format.JSON if given.pop("as_json") else given.pop("fmt")
        given.pop("fmt", None)
        where = tuple(given.pop("where") or ())
        by = options.get("by")
        call = ReportCall(
            context=ctx.obj,
            fmt=fmt,
            where=where,
            name=command.__name__,
            by=None if by is None else str(by.value),
            **given,
        )
        command(call, **options)

    parameters = [context, *own, *shared]
    wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {item.name: item.annotation for item in parameters}
    del wrapper.__wrapped__  # or inspect would look through to the command itself
    return wrapper
