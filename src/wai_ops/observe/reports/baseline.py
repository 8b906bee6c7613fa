"""A period frozen to a file: what the reports said of it, for later ones to be compared with.

The file is JSON, the same byte for byte for the same ledger and window, and names its own SHA-256:
a baseline that was changed by hand is refused.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from wai_ops._version import __version__
from wai_ops.config.settings import Settings
from wai_ops.core.clock import parse_utc, to_utc_text
from wai_ops.core.errors import DataError, UsageError
from wai_ops.core.table import Column, Table, Unit, col
from wai_ops.core.text import one_line
from wai_ops.core.window import Window
from wai_ops.observe.ledger.store import Store
from wai_ops.observe.reports.affinity import affinity_report
from wai_ops.observe.reports.cache import CacheTargets, cache_report
from wai_ops.observe.reports.compare import Earlier, declared_columns, key_columns, values_of
from wai_ops.observe.reports.cost import cost_report
from wai_ops.observe.reports.failures import failures_report
from wai_ops.observe.reports.kpi import kpi_report
from wai_ops.observe.reports.slice import Dimension, Slice
from wai_ops.observe.reports.slo import SloRequest, slo_report
from wai_ops.observe.reports.tools import CARRIED, ToolGrouping, tools_report

FORMAT = "wai baseline 1"
FOLDER = "baselines"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
_LARGEST = 64 << 20
DEFINITIONS = {
    "run": "a model request with all its attempts; it stands where its last attempt does",
    "cost": "metered, confirmed and none; estimated and unknown costs are in no sum",
    "quantile": "nearest rank, in three significant digits",
    "resolved": "a conversation whose last recorded outcome is resolved",
    "cached input": "cached input tokens / input tokens, of the calls that report cached tokens",
    "window": "from since, up to and without until, UTC",
}
"""What the numbers mean, so that a later reader need not guess."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    """One report as it was: its columns, its rows by column name, its total, its notes."""

    columns: Sequence[Mapping[str, str]]
    rows: Sequence[Mapping[str, Any]]
    total: Mapping[str, Any] | None
    notes: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """A whole baseline. `reports` is by command and grouping, such as `cost workflow`."""

    name: str
    version: str
    since: datetime | None
    until: datetime
    where: Sequence[str]
    definitions: Mapping[str, str]
    reports: Mapping[str, Frozen]

    def describe(self) -> str:
        """Words for a note."""
        conditions = "".join(f", {one_line(text, 100)}" for text in self.where)
        return f"baseline {self.name}: {Window(self.since, self.until).describe()}{conditions}"


def check_name(name: str) -> str:
    """Return the name. Raises UsageError for one that is no file name, or a word of the command."""
    if not _NAME.match(name) or name in {"list", "show", "previous"}:
        raise UsageError(
            f"{one_line(name, 80)!r} cannot name a baseline",
            hint="letters, digits and . _ -, at most 64; not list, show or previous",
        )
    return name


def baseline_path(folder: Path, name: str) -> Path:
    """Where a baseline lies. Raises UsageError."""
    return folder / FOLDER / f"{check_name(name)}.json"


def report_key(command: str, by: str | None) -> str:
    """What a report is called inside a baseline."""
    return command if by is None else f"{command} {by}"


def freeze(store: Store, part: Slice, name: str, settings: Settings, *, now: datetime) -> Baseline:
    """Take every report of the slice. Raises DataError. An open window ends now."""
    until = part.window.until or now
    part = Slice(Window(part.window.since, until), part.where)
    tables = {key: make() for key, make in _reports(store, part, settings, until).items()}
    return Baseline(
        name=check_name(name),
        version=__version__,
        since=part.window.since,
        until=until,
        where=tuple(
            f"{item.key}{'=' if item.is_equal else '!='}{item.value}" for item in part.where
        ),
        definitions=DEFINITIONS,
        reports={key: _frozen(table) for key, table in tables.items()},
    )


def _reports(
    store: Store, part: Slice, settings: Settings, now: datetime
) -> dict[str, Callable[[], Table[Any]]]:
    """Latency, cache, spend and failures, by what later reports are likely to be grouped by."""
    targets = CacheTargets(default=settings.cache.target_ratio, workflows=settings.cache.workflows)
    made: dict[str, Callable[[], Table[Any]]] = {}
    for by in (Dimension.WORKFLOW, Dimension.TENANT, Dimension.MODEL, Dimension.PROMPT):
        made[report_key("cost", by)] = lambda by=by: cost_report(store, part, by)  # type: ignore[misc]
    for by in (Dimension.WORKFLOW, Dimension.MODEL):
        asked = SloRequest(settings=settings.slo, now=now, by=by)
        made[report_key("slo", by)] = lambda asked=asked: slo_report(store, part, asked)  # type: ignore[misc]
        made[report_key("cache", by)] = lambda by=by: cache_report(store, part, by, targets)  # type: ignore[misc]
        made[report_key("affinity", by)] = lambda by=by: affinity_report(store, part, by)  # type: ignore[misc]
    made["failures"] = lambda: failures_report(store, part, now=now)
    # What tool calls do not carry cannot be asked of them: then there is no such report in here.
    is_carried = all(condition.key in CARRIED for condition in part.where)
    for grouping in ToolGrouping if is_carried else ():
        made[report_key("tools", grouping)] = lambda grouping=grouping: tools_report(  # type: ignore[misc]
            store, part, grouping, settings.tools
        )
    made["kpi"] = lambda: kpi_report(store, part, settings, now)
    return made


def _frozen(table: Table[Any]) -> Frozen:
    declared = declared_columns(table)
    return Frozen(
        columns=[{"name": c.name, "label": c.label, "unit": c.unit.value} for c in declared],
        rows=[_plain_row(values_of(row, declared)) for row in table.rows],
        total=None if table.total is None else _plain_row(values_of(table.total, declared)),
        notes=list(table.notes),
    )


def _plain_row(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in values.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return format(value, "f")
    return to_utc_text(value) if isinstance(value, datetime) else value


def to_file_text(baseline: Baseline) -> str:
    """The file: sorted keys, its SHA-256 last to be computed and over everything else."""
    body = {
        "format": FORMAT,
        "name": baseline.name,
        "wai_version": baseline.version,
        "window": {
            "since": None if baseline.since is None else to_utc_text(baseline.since),
            "until": to_utc_text(baseline.until),
        },
        "where": list(baseline.where),
        "definitions": dict(baseline.definitions),
        "reports": {
            key: {
                "columns": list(frozen.columns),
                "rows": list(frozen.rows),
                "total": frozen.total,
                "notes": list(frozen.notes),
            }
            for key, frozen in baseline.reports.items()
        },
    }
    return json.dumps(body | {"sha256": _digest(body)}, indent=1, sort_keys=True) + "\n"


def _digest(body: Mapping[str, Any]) -> str:
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def load_baseline(path: Path) -> Baseline:
    """Read a baseline. Raises UsageError when there is none, DataError when it is not intact."""
    try:
        if path.stat().st_size > _LARGEST:
            raise DataError("is too large to be a baseline", where=str(path))
        content = path.read_bytes()
    except FileNotFoundError:
        raise UsageError(
            f"there is no baseline {one_line(path.stem, 80)}",
            where=str(path),
            hint="see: wai report baseline list",
        ) from None
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=str(path)) from error
    try:
        return _decode(content)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise DataError(
            "is no baseline of wai, or was changed since it was written",
            where=str(path),
            hint="make it anew: wai report baseline NAME --force",
        ) from None


def _decode(content: bytes) -> Baseline:
    body = json.loads(content)
    digest = body.pop("sha256")
    if body["format"] != FORMAT or digest != _digest(body):
        raise ValueError("not intact")
    since = body["window"]["since"]
    return Baseline(
        name=body["name"],
        version=body["wai_version"],
        since=None if since is None else parse_utc(since),
        until=parse_utc(body["window"]["until"]),
        where=tuple(body["where"]),
        definitions=body["definitions"],
        reports={key: Frozen(**item) for key, item in body["reports"].items()},
    )


def to_earlier(baseline: Baseline, command: str, by: str | None) -> Callable[[Table[Any]], Earlier]:
    """What a report is compared with, once its table is known. Raises UsageError."""
    key = report_key(command, by)
    frozen = baseline.reports.get(key)
    if frozen is None:
        raise UsageError(
            f"baseline {baseline.name} holds no report {key!r}",
            hint=f"it holds {', '.join(sorted(baseline.reports))}",
        )
    columns = tuple(Column(c["name"], c["label"], Unit(c["unit"])) for c in frozen.columns)
    names = [column.name for column in key_columns(columns)]

    def earlier(table: Table[Any]) -> Earlier:
        wanted = [column.name for column in key_columns(declared_columns(table))]
        if wanted != names:
            raise UsageError(f"baseline {baseline.name} holds {key!r} by other columns: {names}")
        rows = [_typed_row(row, columns) for row in frozen.rows]
        return Earlier(
            label=baseline.describe(),
            rows={tuple(row[name] for name in names): row for row in rows},
            total=None if frozen.total is None else _typed_row(frozen.total, columns),
        )

    return earlier


def _typed_row(row: Mapping[str, Any], columns: Sequence[Column]) -> dict[str, Any]:
    return {column.name: _typed(row.get(column.name), column.unit) for column in columns}


def _typed(value: Any, unit: Unit) -> Any:
    """Text in a column of numbers is a decimal; in one of times, a time."""
    if not isinstance(value, str) or unit is Unit.TEXT:
        return value
    return parse_utc(value) if unit is Unit.TIME else Decimal(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineRow:
    """One baseline of the folder."""

    name: str = col("Baseline")
    since: datetime | None = col("Since", Unit.TIME)
    until: datetime | None = col("Until", Unit.TIME)
    where: str | None = col("Where")
    request_count: int | None = col("Requests", Unit.COUNT)
    cost_usd: Decimal | None = col("Cost", Unit.USD)
    wai_version: str | None = col("wai")
    problem: str | None = col("Problem")


def list_baselines(folder: Path) -> Table[BaselineRow]:
    """Every baseline beside wai.yaml, by name; one that is not intact says so."""
    found = folder / FOLDER
    paths = sorted(found.glob("*.json")) if found.is_dir() else []
    return Table(
        row_type=BaselineRow,
        rows=[_listed(path) for path in paths],
        title="Baselines",
        notes=(f"in {found}",),
    )


def _listed(path: Path) -> BaselineRow:
    try:
        baseline = load_baseline(path)
    except (DataError, UsageError) as error:
        return BaselineRow(
            name=path.stem, since=None, until=None, where=None, request_count=None, cost_usd=None,
            wai_version=None, problem=error.message,
        )  # fmt: skip
    frozen = baseline.reports.get(report_key("cost", "workflow"))
    total = (None if frozen is None else frozen.total) or {}
    return BaselineRow(
        name=baseline.name,
        since=baseline.since,
        until=baseline.until,
        where=", ".join(baseline.where) or None,
        request_count=total.get("request_count"),
        cost_usd=_typed(total.get("cost_usd"), Unit.USD),
        wai_version=baseline.version,
        problem=None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenRow:
    """One number of a baseline."""

    report: str = col("Report")
    row: str = col("Row")
    measure: str = col("Measure")
    value: str = col("Value")


def show_baseline(baseline: Baseline) -> Table[FrozenRow]:
    """Every number that a baseline holds, one a row."""
    rows: list[FrozenRow] = []
    for key, frozen in sorted(baseline.reports.items()):
        columns = tuple(Column(c["name"], c["label"], Unit(c["unit"])) for c in frozen.columns)
        names = [column.name for column in key_columns(columns)]
        for values in (*frozen.rows, *([frozen.total] if frozen.total else [])):
            name = " ".join(str(values[item]) for item in names if values[item] is not None)
            rows += [
                FrozenRow(report=key, row=name, measure=item, value=str(value))
                for item, value in values.items()
                if item not in names and value is not None
            ]
    return Table(
        row_type=FrozenRow,
        rows=rows,
        title=baseline.describe(),
        notes=(
            f"made by wai {baseline.version}",
            *(f"{term}: {text}" for term, text in sorted(baseline.definitions.items())),
        ),
    )
