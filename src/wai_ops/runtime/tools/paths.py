"""Which fields of a result stay: `customer.name`, `orders[].id`, `rows[0].total`, `["a.b"].c`.

A subset of JSON paths that only ever leaves things out: names, positions and `[]` for every item.
Picking keeps the shape of the data, so that what is left reads like the original.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

EVERY = None
"""The step `[]`: every item of a list."""
Step = str | int | None
Path = tuple[Step, ...]
_STEP = re.compile(
    r"""\.?([A-Za-z_][A-Za-z0-9_-]*)|\[(\*?)\]|\[(0|[1-9][0-9]{0,5})\]|\[("(?:[^"\\]|\\.)*")\]"""
)
_DEEPEST = 32


def parse_path(text: str) -> Path:
    """Parse one path. Raises ValueError that says where it cannot be read."""
    rest = text.removeprefix("$")
    steps: list[Step] = []
    at = 0
    while at < len(rest):
        found = _STEP.match(rest, at)
        if found is None or (not steps and rest[at] == "." and rest is text):
            raise ValueError(f"`{text}` is no path: try customer.name or orders[].id")
        name, star, position, quoted = found.groups()
        if name is not None:
            if steps and rest[at] != ".":
                raise ValueError(f"`{text}` is no path: a dot is missing before {name}")
            steps.append(name)
        elif position is not None:
            steps.append(int(position))
        elif quoted is not None:
            steps.append(str(json.loads(quoted)))
        else:
            del star
            steps.append(EVERY)
        at = found.end()
    if not steps or len(steps) > _DEEPEST:
        raise ValueError(f"`{text}` is no path: it must have 1 to {_DEEPEST} steps")
    return tuple(steps)


class _Nothing:
    """What was not there."""


_NOTHING = _Nothing()


def pick(value: Any, paths: Sequence[Path]) -> Any:
    """Keep only what the paths lead to; None when none of them leads anywhere.

    Lists keep the order of their items, and lose those of which nothing is left.
    """
    picked = _pick(value, paths)
    return None if picked is _NOTHING else picked


def _pick(value: Any, paths: Sequence[Path]) -> Any:
    if any(not path for path in paths):
        return value
    if isinstance(value, dict):
        kept = {
            key: found
            for key, item in value.items()
            if (found := _below(item, paths, key)) is not _NOTHING
        }
        return kept or _NOTHING
    if isinstance(value, list):
        items = [_below(item, paths, index) for index, item in enumerate(value)]
        if not value and any(path[0] is EVERY for path in paths):
            return []  # an empty table is an answer
        found = [item for item in items if item is not _NOTHING]
        return found or _NOTHING
    return _NOTHING


def _below(item: Any, paths: Sequence[Path], step: Step) -> Any:
    is_position = isinstance(step, int)
    inner = [path[1:] for path in paths if path[0] == step or (is_position and path[0] is EVERY)]
    return _pick(item, inner) if inner else _NOTHING
