"""Answering one GraphQL request from the facts."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any

from graphql import (
    ExecutionResult,
    FieldNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLResolveInfo,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    execute,
    parse,
    specified_rules,
    validate,
)
from graphql.validation import VariablesInAllowedPositionRule

from wai_ops.emulator.graphql_api.datasets import MAX_FIELDS, MAX_PAGE_SIZE, Dataset
from wai_ops.emulator.graphql_api.grouping import GroupQuery, QueryError, group_query
from wai_ops.emulator.graphql_api.schema import build_schema
from wai_ops.emulator.identity import Permission, Principal
from wai_ops.emulator.services import Services
from wai_ops.emulator.times import to_millis_text

_Info = GraphQLResolveInfo[Any]
_MAX_TOKENS = 5000
# The real service lets a variable of one scalar stand where another is wanted (String for string).
_RULES = [rule for rule in specified_rules if rule is not VariablesInAllowedPositionRule]


@dataclass(frozen=True, slots=True)
class Context:
    """Who asks whom."""

    services: Services
    principal: Principal


async def answer(
    services: Services,
    principal: Principal,
    *,
    query: str,
    variables: Mapping[str, Any] | None,
    operation: str | None,
) -> dict[str, Any]:
    """The body of the answer: `data`, and `errors`, which is null when there are none."""
    try:
        document = parse(query, max_tokens=_MAX_TOKENS)
        errors = validate(_schema(), document, _RULES)
    except GraphQLError as error:
        errors = [error]
    except RecursionError:
        errors = [GraphQLError("the query is nested too deeply")]
    if errors:
        return _told(services, None, errors)
    if any(
        isinstance(node, OperationDefinitionNode) and node.operation.value != "query"
        for node in document.definitions
    ):
        return _told(services, None, [GraphQLError("only queries are supported")])
    result = execute(
        _schema(),
        document,
        context_value=Context(services, principal),
        variable_values=dict(variables or {}),
        operation_name=operation,
    )
    if not isinstance(result, ExecutionResult):
        result = await result
    return _told(services, result.data, result.errors or [])


@cache
def _schema() -> Any:
    return build_schema(_resolve_accounts, _resolver)


def _told(
    services: Services, data: dict[str, Any] | None, errors: Sequence[GraphQLError]
) -> dict[str, Any]:
    at = to_millis_text(services.clock.now())
    told = [
        {
            "message": error.message,
            "path": error.path,
            "extensions": {**(error.extensions or {}), "timestamp": at},
        }
        for error in errors
    ]
    return {"data": data, "errors": told or None}


def _resolve_accounts(_source: Any, info: _Info, **arguments: Any) -> list[dict[str, str]]:
    """The one account, if it is the one that is asked for and the token may read its analytics."""
    context: Context = info.context
    own = context.services.store.identity.account_id
    wanted = arguments.get("filter") or {}
    tags = [tag for tag in (wanted.get("accountTag"), *(wanted.get("accountTag_in") or [])) if tag]
    may_read = Permission.ANALYTICS_READ in context.principal.permissions
    if not may_read or any(tag != own for tag in tags):
        raise GraphQLError("not authorized for that account", extensions={"code": "authz"})
    return [{"accountTag": own}]


def _resolver(dataset: Dataset) -> Any:
    async def resolve(_source: Any, info: _Info, **arguments: Any) -> list[dict[str, Any]]:
        services: Services = info.context.services
        selected = [*_selected(info)]
        if len(selected) > MAX_FIELDS:
            raise GraphQLError(
                f"cannot request {len(selected)} fields of {dataset.name}: {MAX_FIELDS} at most"
            )
        dimensions = [name for parent, name in selected if parent == "dimensions"]
        lag_ms = services.knobs.current.logs.analytics_lag_ms
        try:
            query = group_query(
                dataset,
                where=arguments.get("filter") or {},
                order_by=arguments.get("orderBy") or [],
                limit=_limit(arguments.get("limit")),
                dimensions=list(dict.fromkeys(dimensions)),
                now=services.clock.now(),
                lag=timedelta(milliseconds=lag_ms),
            )
        except QueryError as error:
            raise GraphQLError(str(error)) from error
        return await services.store.read(lambda connection: _rows(connection, query))

    return resolve


def _limit(value: Any) -> int:
    if value is None:
        return MAX_PAGE_SIZE
    if isinstance(value, bool) or not isinstance(value, int):
        raise QueryError("limit must be a number")
    return value


def _rows(connection: sqlite3.Connection, query: GroupQuery) -> list[dict[str, Any]]:
    cursor = connection.execute(query.sql, query.arguments)
    return [
        {
            "count": row["count"],
            "avg": {"sampleInterval": 1},
            "sum": _part(row, "sum_"),
            "dimensions": _part(row, "d_"),
        }
        for row in cursor
    ]


def _part(row: sqlite3.Row, prefix: str) -> dict[str, Any]:
    return {
        name.removeprefix(prefix): value
        for name, value in dict(row).items()
        if name.startswith(prefix)
    }


def _selected(info: _Info) -> Iterator[tuple[str, str]]:
    """(parent, name) of the selected leaves: ("", "count"), ("dimensions", "model")."""
    for node in info.field_nodes:
        yield from _leaves(info, node.selection_set, "")


def _leaves(
    info: _Info, selection: SelectionSetNode | None, parent: str
) -> Iterator[tuple[str, str]]:
    for node in [] if selection is None else selection.selections:
        if isinstance(node, FieldNode):
            name = node.name.value
            if node.selection_set is not None:
                yield from _leaves(info, node.selection_set, name)
            elif not name.startswith("__"):
                yield parent, name
        elif isinstance(node, InlineFragmentNode):
            yield from _leaves(info, node.selection_set, parent)
        elif isinstance(node, FragmentSpreadNode):
            yield from _leaves(info, info.fragments[node.name.value].selection_set, parent)
