"""`wai config show`: every setting with its value and where it comes from."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from decimal import Decimal
from enum import Enum
from typing import Any

from wai_ops.config.credentials import Role, find_token
from wai_ops.config.settings import Settings
from wai_ops.core.errors import AccessError
from wai_ops.core.table import Table, col


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingRow:
    """One setting. Credentials appear as `set` or `not set`, never with their value."""

    name: str = col("Setting")
    value: str | None = col("Value")
    origin: str = col("Origin")


def settings_table(settings: Settings, environ: Mapping[str, str]) -> Table[SettingRow]:
    """All settings in the order of the file format, then the credentials."""
    file = settings.config_file
    return Table(
        row_type=SettingRow,
        rows=[*_rows(settings, settings.origins, ""), *_credentials(settings, environ)],
        notes=(f"config file: {file}" if file else "no wai.yaml found: defaults and environment",),
    )


def _rows(record: Any, origins: Mapping[str, str], prefix: str) -> Iterator[SettingRow]:
    for item in fields(record):
        if not item.metadata.get("is_setting", True):
            continue
        name, value = f"{prefix}{item.name}", getattr(record, item.name)
        if is_dataclass(value):
            yield from _rows(value, origins, f"{name}.")
        elif isinstance(value, Mapping):
            for key, inner in value.items():
                origin = origins.get(f"{name}.{key}", origins.get(name, "default"))
                yield SettingRow(name=f"{name}.{key}", value=_inner(inner), origin=origin)
        else:
            origin = origins.get(name, "default")
            yield SettingRow(name=name, value=_text(value), origin=origin)


def _inner(value: Any) -> str | None:
    if not is_dataclass(value):
        return _text(value)
    parts = ((item.name, _text(getattr(value, item.name))) for item in fields(value))
    return ", ".join(f"{name} {text}" for name, text in parts if text is not None)


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, tuple):
        return ", ".join(str(item) for item in value)
    return str(value).removesuffix(".0")


def _credentials(settings: Settings, environ: Mapping[str, str]) -> Iterator[SettingRow]:
    for role in Role:
        try:
            found = find_token(role, environ, settings.credentials_file)
        except AccessError as error:
            where = f"{error.where}: " if error.where else ""
            yield SettingRow(
                name=role.variable, value="not usable", origin=f"{where}{error.message}"
            )
            continue
        value, origin = ("not set", "-") if found is None else ("set", found.origin)
        yield SettingRow(name=role.variable, value=value, origin=origin)
