"""Settings to plain JSON and back, without pydantic: for the cache, where speed is the point."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

from wai_ops.config.shape import arms, hints_of

T = TypeVar("T")


def to_plain(value: Any) -> Any:
    """Encode a tree of dataclasses: decimals and paths as text, enums as their value."""
    if is_dataclass(value) and not isinstance(value, type):
        return {
            item.name: to_plain(getattr(value, item.name))
            for item in fields(value)
            if item.metadata.get("is_setting", True)
        }
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Decimal | Path):
        return str(value)
    if isinstance(value, Mapping):
        return {key: to_plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [to_plain(item) for item in value]
    return value


def from_plain(cls: type[T], data: Any) -> T:
    """Decode what `to_plain` wrote. Raises KeyError, TypeError, ValueError, ArithmeticError."""
    return cls(**{name: _decode(hint, data[name]) for name, hint in hints_of(cls).items()})  # type: ignore[arg-type]  # lru_cache and type[T]


def _decode(hint: Any, data: Any) -> Any:
    if data is None:
        return None
    arm = next(arm for arm in arms(hint) if arm is not type(None))
    if get_origin(arm) is tuple:  # tuple[X, ...]
        return tuple(_decode(get_args(arm)[0], item) for item in data)
    if not isinstance(arm, type):  # Mapping[str, X]
        inner = get_args(arm)[1]
        return {str(key): _decode(inner, item) for key, item in data.items()}
    if is_dataclass(arm):
        return from_plain(arm, data)
    if arm is float:
        return float(data)
    if arm in (str, int, bool):
        if type(data) is not arm:
            raise TypeError(f"{data!r} is no {arm.__name__}")
        return data
    return arm(data)
