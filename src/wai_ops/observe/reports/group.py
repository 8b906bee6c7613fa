"""Row types by what a row stands for: the same numbers under a workflow, a tenant, a day."""

from dataclasses import dataclass, fields, make_dataclass
from typing import Any, TypeVar

from wai_ops.core.table import col
from wai_ops.observe.reports.slice import Dimension

NumbersT = TypeVar("NumbersT")
TOTAL = "total"
"""What the row of everything is called."""
LABELS: dict[Dimension, str] = {
    Dimension.WORKFLOW: "Workflow",
    Dimension.TENANT: "Tenant",
    Dimension.MODEL: "Model",
    Dimension.PROMPT: "Prompt",
    Dimension.ROUTE: "Route",
    Dimension.GATEWAY: "Gateway",
    Dimension.PROVIDER: "Provider",
    Dimension.TARGET: "Target",
    Dimension.SOURCE: "Source",
    Dimension.CONVERSATION: "Conversation",
    Dimension.ERROR: "Error",
    Dimension.DAY: "Day (UTC)",
}


def row_type_by(numbers: type[NumbersT], by: Dimension) -> type[NumbersT]:
    """`numbers` with the group's name in front, as `CostNumbers` by day becomes `CostByDay`.

    The name is None for calls that do not carry it.
    """
    if (numbers, by) not in _MADE:
        _MADE[numbers, by] = _made(numbers, by)
    made: type[NumbersT] = _MADE[numbers, by]
    return made


def row_type_named(numbers: type[NumbersT], name: str) -> type[NumbersT]:
    """The row type of that name, such as `CostByDay`. Raises AttributeError when there is none."""
    stem, _, by = name.partition("By")
    if stem == numbers.__name__.removesuffix("Numbers") and by.upper() in Dimension.__members__:
        return row_type_by(numbers, Dimension[by.upper()])
    raise AttributeError(name)


_MADE: dict[tuple[type, Dimension], type] = {}


def _made(numbers: type, by: Dimension) -> type:
    key = make_dataclass(
        f"_{by.name.title()}",
        [(by.value, str | None, col(LABELS[by]))],
        frozen=True,
        kw_only=True,
    )
    name = numbers.__name__.removesuffix("Numbers") + f"By{by.name.title()}"
    made = type(name, (numbers, key), {"__doc__": f"One row a {by.value}."})
    return dataclass(frozen=True, kw_only=True)(made)


def to_row(group: Any, numbers: type[NumbersT], by: Dimension, **more: Any) -> NumbersT:
    """A row of the numbers that `group` has, named by its `name`; `more` replaces or adds."""
    values = {item.name: getattr(group, item.name, None) for item in fields(numbers)}  # type: ignore[arg-type]
    name = TOTAL if group.is_total else group.name
    made: NumbersT = row_type_by(numbers, by)(**values | {by.value: name} | more)
    return made
