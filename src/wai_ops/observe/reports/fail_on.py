"""`--fail-on EXPR`: a condition on the numbers of a report that turns it into a verdict.

    cost_usd > 10                        a bare name is the total's; any row's where there is none
    any(failed_ratio >= 0.05)            true for at least one row
    all(workflow != 'triage' or cached_input_ratio > 0.6)
    cost_usd / run_count > 0.02 and run_count > 100

Names are columns; there are numbers, 'texts', + - * /, comparisons, and, or, not. What is computed
from a missing value is missing, and a missing answer is neither yes nor no.
"""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal, DivisionByZero, InvalidOperation
from enum import Enum
from typing import Any
from warnings import catch_warnings, simplefilter

from wai_ops.core.clock import to_utc_text
from wai_ops.core.errors import UsageError
from wai_ops.core.table import Table, Verdict
from wai_ops.core.text import one_line
from wai_ops.observe.reports.compare import declared_columns, values_of

_LONGEST = 2000
_DEEPEST = 60
_MATHS: dict[type[ast.operator], Callable[[Decimal, Decimal], Decimal]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
}
_ORDERS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: lambda a, b: a < b,
    ast.LtE: lambda a, b: a <= b,
    ast.Gt: lambda a, b: a > b,
    ast.GtE: lambda a, b: a >= b,
    ast.Eq: lambda a, b: a == b,
    ast.NotEq: lambda a, b: a != b,
}
_OVER_ROWS = ("any", "all")
_ALLOWED = (
    ast.BoolOp, ast.boolop, ast.UnaryOp, ast.Not, ast.USub, ast.Compare, ast.BinOp, ast.Name,
    ast.Load, ast.Constant, ast.Call, *_MATHS, *_ORDERS,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rule:
    """A condition that was understood; whether its names exist depends on the report."""

    text: str
    body: ast.expr
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Scope:
    """The values that bare names have, and the rows for `any` and `all`."""

    values: dict[str, Any]
    rows: list[dict[str, Any]]


def parse_rule(text: str) -> Rule:
    """Read a condition. Raises UsageError."""
    if len(text) > _LONGEST:
        raise _wrong(text, f"it is longer than {_LONGEST} characters")
    try:
        with catch_warnings():
            simplefilter("ignore")  # Python's advice on odd texts is not for our users
            body = ast.parse(text.strip(), mode="eval").body
        nodes = list(_walk(body, text))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise _wrong(text, "it is not a condition") from None
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    for node in nodes:
        if not isinstance(node, _ALLOWED):
            raise _wrong(text, f"there is no {type(node).__name__} here")
        if isinstance(node, ast.Constant) and not isinstance(node.value, int | float | str):
            raise _wrong(text, f"{node.value!r} is neither a number nor a text")
    for call in calls:
        if not (isinstance(call.func, ast.Name) and call.func.id in _OVER_ROWS):
            raise _wrong(text, "the functions are any(...) and all(...)")
        if len(call.args) != 1 or call.keywords:
            raise _wrong(text, f"{call.func.id}(...) takes one condition")
        if any(isinstance(inner, ast.Call) for inner in ast.walk(call.args[0])):
            raise _wrong(text, "any and all cannot stand inside one another")
    functions = {id(call.func) for call in calls}
    names = {n.id for n in nodes if isinstance(n, ast.Name) and id(n) not in functions}
    return Rule(text, body, frozenset(names))


def _walk(body: ast.expr, text: str) -> Iterator[ast.AST]:
    level: list[ast.AST] = [body]
    for _ in range(_DEEPEST):
        yield from level
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if not level:
            return
    raise _wrong(text, "it is nested too deeply")


def judge(table: Table[Any], rule: Rule) -> Table[Any]:
    """The table with its verdict: FAIL where the condition holds, or where it had failed before.

    Raises UsageError for names that are no columns of the table, and for texts used as numbers.
    """
    declared = declared_columns(table)
    known = [column.name for column in declared]
    if strange := sorted(rule.names - set(known)):
        raise UsageError(
            f"--fail-on: there is no {', '.join(map(one_line, strange))} in this report",
            hint=f"one of {', '.join(known)}",
        )
    rows = [_plain_row(values_of(row, declared)) for row in table.rows]
    if table.total is not None:
        answer = _truth(rule, _Scope(_plain_row(values_of(table.total, declared)), rows))
    else:
        answer = _any(_truth(rule, _Scope(row, rows)) for row in rows or [_empty(known)])
    failed = answer is True or table.verdict is Verdict.FAIL
    words = {True: "it is true", False: "it is not true", None: "undecided, a value is missing"}
    undecided = Verdict.WARN if answer is None else Verdict.PASS
    return replace(
        table,
        notes=(*table.notes, f"fail on {one_line(rule.text)}: {words[answer]}"),
        verdict=Verdict.FAIL if failed else undecided,
    )


def _empty(names: list[str]) -> dict[str, Any]:
    return dict.fromkeys(names)


def _plain_row(values: dict[str, Any]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in values.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, datetime):
        return to_utc_text(value)
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int | float | Decimal):
        number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
        return number if number.is_finite() else None
    return str(value)


def _truth(rule: Rule, scope: _Scope) -> bool | None:
    answer = _evaluate(rule.body, scope, rule.text)
    if answer is None or isinstance(answer, bool):
        return answer
    raise _wrong(rule.text, "its answer is neither yes nor no")


def _evaluate(node: ast.expr, scope: _Scope, text: str) -> Any:
    match node:
        case ast.Constant(value=value):
            return _plain(value)
        case ast.Name(id=name):
            return scope.values[name]
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            answer = _flag(_evaluate(operand, scope, text), text)
            return None if answer is None else not answer
        case ast.UnaryOp(operand=operand):
            number = _number(_evaluate(operand, scope, text), text)
            return None if number is None else -number
        case ast.BinOp(left=left, op=op, right=right):
            return _computed(_evaluate(left, scope, text), op, _evaluate(right, scope, text), text)
        case ast.BoolOp(op=op, values=parts):
            answers = (_flag(_evaluate(part, scope, text), text) for part in parts)
            return _all(answers) if isinstance(op, ast.And) else _any(answers)
        case ast.Compare(left=left, ops=ops, comparators=others):
            values = [_evaluate(item, scope, text) for item in (left, *others)]
            pairs = zip(values, ops, values[1:], strict=False)
            return _all(_compare(a, op, b, text) for a, op, b in pairs)
        case ast.Call(func=ast.Name(id=name), args=[condition]):
            answers = (
                _flag(_evaluate(condition, _Scope(row, []), text), text) for row in scope.rows
            )
            return _any(answers) if name == "any" else _all(answers)
    raise _wrong(text, "it is not a condition")


def _computed(left: Any, op: ast.operator, right: Any, text: str) -> Decimal | None:
    a, b = _number(left, text), _number(right, text)
    if a is None or b is None:
        return None
    try:
        return _MATHS[type(op)](a, b)
    except (DivisionByZero, InvalidOperation, ArithmeticError):
        return None


def _compare(left: Any, op: ast.cmpop, right: Any, text: str) -> bool | None:
    if left is None or right is None:
        return None
    if type(left) is not type(right):
        raise _wrong(text, "it compares a text with a number")
    return _ORDERS[type(op)](left, right)


def _number(value: Any, text: str) -> Decimal | None:
    if value is None or isinstance(value, Decimal):
        return value
    raise _wrong(text, "it computes with something that is no number")


def _flag(value: Any, text: str) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    raise _wrong(text, "a part of it is neither yes nor no")


def _any(answers: Any) -> bool | None:
    """True beats missing, missing beats false."""
    found: list[bool | None] = list(answers)
    return True if True in found else None if None in found else False


def _all(answers: Any) -> bool | None:
    found: list[bool | None] = list(answers)
    return False if False in found else None if None in found else True


def _wrong(text: str, why: str) -> UsageError:
    return UsageError(
        f"--fail-on {one_line(text)!r}: {why}", hint="such as: cost_usd > 10 or any(p95_ms > 2000)"
    )
