"""Settings from environment variables: `WAI_` and the dotted name in capitals."""

import dataclasses
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

from wai_ops.config.locations import absolute
from wai_ops.config.scalars import resolve_plain
from wai_ops.config.settings import Settings
from wai_ops.config.shape import arms, leaves, mappings, rules_of
from wai_ops.config.variables import ALIASES, NOT_SETTINGS
from wai_ops.core.text import one_line


@cache
def variables() -> Mapping[str, str]:
    """Variable -> dotted name of the setting. Later ones win: WAI_* beats CLOUDFLARE_*."""
    ours = {
        f"WAI_{name.replace('.', '_').upper()}": name
        for name in leaves(Settings)
        if name != "version" and name not in mappings(Settings)
    }
    return ALIASES | ours


def unknown_variables(environ: Mapping[str, str]) -> list[tuple[str, str | None]]:
    """Each WAI_ variable that means nothing, with the nearest one that does."""
    from wai_ops.config.problems import nearest

    known = {*variables(), *NOT_SETTINGS}
    odd = sorted(name for name in environ if name.startswith("WAI_") and name not in known)
    return [(name, nearest(name, known)) for name in odd]


def apply_environment(
    settings: Settings, environ: Mapping[str, str], cwd: Path
) -> tuple[Settings, list[str]]:
    """Put the environment over `settings`. Returns them and the problems, one a line.

    An empty variable counts as not set. Paths are relative to `cwd`.
    """
    problems: list[str] = []
    origins = dict(settings.origins)
    for variable, name in variables().items():
        text = environ.get(variable, "")
        if not text:
            continue
        try:
            value = _parse(leaves(Settings)[name], text)
        except ValueError as error:
            problems.append(f"env {variable}: {error}")
            continue
        if isinstance(value, Path):
            value = absolute(value, cwd, environ)
        settings = _replaced(settings, name.split("."), value)
        origins[name] = f"env {variable}"
    return dataclasses.replace(settings, origins=origins), problems


def _replaced(record: Any, path: list[str], value: Any) -> Any:
    if len(path) > 1:
        value = _replaced(getattr(record, path[0]), path[1:], value)
    return dataclasses.replace(record, **{path[0]: value})


def _parse(hint: Any, text: str) -> Any:
    """Turn text into what `hint` asks for. Raises ValueError with what is wrong."""
    arm = next(arm for arm in arms(hint) if arm is not type(None))
    value = _convert(arm, text)
    for rule in rules_of(hint):
        value = rule.checked(value)
    return value


def _convert(arm: type, text: str) -> Any:
    if arm is str:
        return text
    if arm is Path:
        if "\0" in text:
            raise ValueError("must be a path")
        return Path(text)
    if issubclass(arm, Enum):
        choices = [str(item.value) for item in arm]
        if text not in choices:
            raise ValueError(
                f"must be {' or '.join(f'`{c}`' for c in choices)}, not {_shown(text)}"
            )
        return arm(text)
    value = resolve_plain(text)
    if arm is Decimal and isinstance(value, int | Decimal) and not isinstance(value, bool):
        return Decimal(value)
    if arm is float and isinstance(value, int | Decimal) and not isinstance(value, bool):
        return float(value)
    if arm is int and type(value) is int:
        return value
    kinds = {int: "a whole number", float: "a number", Decimal: "a number", bool: "true or false"}
    if arm is bool and isinstance(value, bool):
        return value
    raise ValueError(f"must be {kinds[arm]}, not {_shown(text)}")


def _shown(text: str) -> str:
    return f"`{one_line(text, 60)}`"
