"""The shape of a dataclass tree, read from its type hints: what may stand at which path."""

import types
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from wai_ops.config.rules import Rule


@cache
def hints_of(cls: type) -> Mapping[str, Any]:
    """Field name -> type hint, rules kept, for the fields that a file may set."""
    hints = get_type_hints(cls, include_extras=True)
    return {f.name: hints[f.name] for f in fields(cls) if f.metadata.get("is_setting", True)}


def arms(hint: Any) -> tuple[Any, ...]:
    """The types that a hint allows, without annotations; a union has several."""
    if get_origin(hint) is Annotated:
        return arms(get_args(hint)[0])
    if get_origin(hint) in (Union, types.UnionType):
        return tuple(arm for part in get_args(hint) for arm in arms(part))
    return (hint,)


def rules_of(hint: Any) -> tuple[Rule, ...]:
    """The rules beside a type."""
    if get_origin(hint) is not Annotated:
        return ()
    return tuple(item for item in get_args(hint)[1:] if isinstance(item, Rule))


def dataclass_arm(hint: Any) -> type | None:
    """The dataclass that a hint allows; None when it allows none."""
    found = (arm for arm in arms(hint) if isinstance(arm, type) and is_dataclass(arm))
    return next(found, None)


@cache
def leaves(cls: type, prefix: str = "") -> Mapping[str, Any]:
    """Dotted name -> hint, for every field below `cls` that is no dataclass itself."""
    return dict(_leaves(cls, prefix))


def _leaves(cls: type, prefix: str) -> Iterator[tuple[str, Any]]:
    for name, hint in hints_of(cls).items():
        inner = dataclass_arm(hint)
        if inner is None:
            yield f"{prefix}{name}", hint
        else:
            yield from _leaves(inner, f"{prefix}{name}.")


@cache
def mappings(cls: type) -> frozenset[str]:
    """Dotted names of the settings that are mappings with keys of the user's choice."""
    return frozenset(
        name
        for name, hint in leaves(cls).items()
        if any(get_origin(arm) is Mapping for arm in arms(hint))
    )


def keys_at(cls: type, path: tuple[str | int, ...]) -> frozenset[str]:
    """The keys that may stand in the mapping at `path`; empty where any key may."""
    hints: list[Any] = [cls]
    for part in path:
        hints = [inner for hint in hints for arm in arms(hint) for inner in _step(arm, part)]
    found = (arm for hint in hints for arm in arms(hint) if isinstance(arm, type))
    return frozenset(key for arm in found if is_dataclass(arm) for key in hints_of(arm))


def _step(arm: Any, part: str | int) -> list[Any]:
    if isinstance(arm, type) and is_dataclass(arm):
        return [hints_of(arm)[part]] if isinstance(part, str) and part in hints_of(arm) else []
    # Containers: the last argument is the item's type (Mapping[K, V], list[T], tuple[T, ...]).
    items = [item for item in get_args(arm) if item is not Ellipsis]
    return items[-1:]
