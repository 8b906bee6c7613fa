"""The GraphQL schema: an account's datasets, their filters and orders, and the settings node.

Type names are those that the real service's introspection shows, as far as they are known.
"""

from collections.abc import Callable, Iterator
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLField,
    GraphQLFloat,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInt,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLString,
)

from wai_ops.emulator.graphql_api.datasets import DATASETS, Dataset
from wai_ops.emulator.graphql_api.grouping import COMPARISONS, LISTS, order_names

Resolver = Callable[..., Any]

_SCALARS = {
    name: GraphQLScalarType(name)
    for name in ("Time", "Date", "string", "uint8", "uint16", "uint64", "float64")
}
_STRING_ONLY = ("_like", "_notlike")


def build_schema(resolve_accounts: Resolver, resolve_dataset: Callable[[Dataset], Resolver]) -> Any:
    """The schema over its two resolvers."""
    account = GraphQLObjectType(
        "account",
        {
            "accountTag": GraphQLField(_required(_SCALARS["string"])),
            "settings": GraphQLField(_required(_settings()), resolve=lambda *_: _told_settings()),
            **{
                dataset.name: GraphQLField(
                    _list_of(_rows(dataset)),
                    args={
                        "filter": GraphQLArgument(_filter(dataset)),
                        "limit": GraphQLArgument(_SCALARS["uint64"]),
                        "orderBy": GraphQLArgument(_optional_list(_order(dataset))),
                    },
                    resolve=resolve_dataset(dataset),
                )
                for dataset in DATASETS
            },
        },
    )
    wanted = GraphQLInputObjectType(
        "AccountFilter_InputObject",
        {
            "accountTag": GraphQLInputField(_SCALARS["string"]),
            "accountTag_in": GraphQLInputField(_optional_list(_SCALARS["string"])),
        },
    )
    viewer = GraphQLObjectType(
        "viewer",
        {
            "accounts": GraphQLField(
                _list_of(account),
                args={
                    "filter": GraphQLArgument(wanted),
                    "limit": GraphQLArgument(_SCALARS["uint64"]),
                },
                resolve=resolve_accounts,
            )
        },
    )
    query = GraphQLObjectType(
        "Query", {"viewer": GraphQLField(_required(viewer), resolve=lambda *_: {})}
    )
    # Named so that variables may be declared with them, as clients of the real service do.
    return GraphQLSchema(query, types=[GraphQLInt, GraphQLFloat, GraphQLString, GraphQLBoolean])


def _required(inner: Any) -> Any:
    return GraphQLNonNull(inner)


def _list_of(inner: Any) -> Any:
    return GraphQLNonNull(_optional_list(inner))


def _optional_list(inner: Any) -> Any:
    return GraphQLList(GraphQLNonNull(inner))


def _rows(dataset: Dataset) -> GraphQLObjectType:
    name = dataset.type_name
    fields = {
        "count": GraphQLField(_required(_SCALARS["uint64"])),
        "dimensions": GraphQLField(
            GraphQLObjectType(
                f"{name}Dimensions",
                {
                    key: GraphQLField(_required(_SCALARS[dimension.kind]))
                    for key, dimension in dataset.dimensions.items()
                },
            )
        ),
        "avg": GraphQLField(
            GraphQLObjectType(f"{name}Avg", {"sampleInterval": GraphQLField(_SCALARS["float64"])})
        ),
    }
    if dataset.sums:
        sums = {
            key: GraphQLField(_required(_SCALARS[measure.kind]))
            for key, measure in dataset.sums.items()
        }
        fields["sum"] = GraphQLField(GraphQLObjectType(f"{name}Sum", sums))
    return GraphQLObjectType(name, fields)


def _filter(dataset: Dataset) -> GraphQLInputObjectType:
    def fields() -> dict[str, GraphQLInputField]:
        both = {key: GraphQLInputField(_optional_list(own)) for key in ("AND", "OR")}
        return {**dict(_filter_fields(dataset)), **both}

    own = GraphQLInputObjectType(f"{dataset.type_name}Filter_InputObject", fields)
    return own


def _filter_fields(dataset: Dataset) -> Iterator[tuple[str, GraphQLInputField]]:
    for name, dimension in dataset.dimensions.items():
        scalar = _SCALARS[dimension.kind]
        for suffix in COMPARISONS:
            if suffix not in _STRING_ONLY or dimension.kind == "string":
                yield name + suffix, GraphQLInputField(scalar)
        for suffix in LISTS:
            yield name + suffix, GraphQLInputField(_optional_list(scalar))


def _order(dataset: Dataset) -> GraphQLEnumType:
    names = order_names(dataset)
    return GraphQLEnumType(f"{dataset.type_name}OrderBy", {name: name for name in names})


def _settings() -> GraphQLObjectType:
    one = GraphQLObjectType(
        "DatasetSettings",
        {
            "enabled": GraphQLField(_required(GraphQLBoolean)),
            "availableFields": GraphQLField(_list_of(_SCALARS["string"])),
            "maxPageSize": GraphQLField(_required(_SCALARS["uint64"])),
            "maxNumberOfFields": GraphQLField(_required(_SCALARS["uint64"])),
            "notOlderThan": GraphQLField(_required(_SCALARS["uint64"])),
            "maxDuration": GraphQLField(_required(_SCALARS["uint64"])),
        },
    )
    return GraphQLObjectType(
        "AccountSettings", {dataset.name: GraphQLField(one) for dataset in DATASETS}
    )


def _told_settings() -> dict[str, Any]:
    return {dataset.name: dataset.settings() for dataset in DATASETS}
