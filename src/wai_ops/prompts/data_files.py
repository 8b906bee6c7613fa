"""Tools and schemas beside the prompts: JSON or YAML below `prompts/`, read strictly."""

import json
from decimal import Decimal
from typing import Any

from wai_ops.prompts.errors import PromptError

SUFFIXES = (".json", ".yaml", ".yml")
MAX_DEPTH = 64


def read_data(text: str, path: str) -> Any:
    """Decode a file by its suffix. Raises PromptError with the place of what is wrong."""
    return _read_json(text, path) if path.endswith(".json") else _read_yaml(text, path)


def plain(value: Any) -> Any:
    """Turn decoded YAML into what JSON holds: fractions become floats."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def sorted_keys(value: Any) -> Any:
    """The same data with the keys of every mapping in order."""
    if isinstance(value, dict):
        return {key: sorted_keys(item) for key, item in sorted(value.items())}
    if isinstance(value, list | tuple):
        return [sorted_keys(item) for item in value]
    return value


def _read_json(text: str, path: str) -> Any:
    where = f"prompts/{path}"

    def mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise PromptError(f"the key {twice!r} is there twice", where=where)
        return found

    def constant(name: str) -> Any:
        raise PromptError(f"{name} is no JSON", where=where)

    try:
        value = json.loads(
            text.removeprefix("\ufeff"), object_pairs_hook=mapping, parse_constant=constant
        )
    except json.JSONDecodeError as error:
        place = f"{where}:{error.lineno}:{error.colno}"
        raise PromptError(f"not JSON: {error.msg}", where=place) from error
    except (RecursionError, ValueError) as error:
        raise PromptError("nested too deeply, or a number without end", where=where) from error
    _check(value, where, 0)
    return value


def _check(value: Any, where: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise PromptError(f"nested deeper than {MAX_DEPTH} levels", where=where)
    if isinstance(value, str) and any("\ud800" <= c <= "\udfff" for c in value):
        raise PromptError("the text holds half of a surrogate pair", where=where)
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        raise PromptError("a number is out of range", where=where)
    if isinstance(value, dict):
        for key, item in value.items():
            _check(key, where, depth)
            _check(item, where, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check(item, where, depth + 1)


def _read_yaml(text: str, path: str) -> Any:
    from wai_ops.config.yaml_strict import parse

    document = parse(text.encode("utf-8"), f"prompts/{path}")
    if document.problems:
        raise problems_error(document.label, document.problems)
    return plain(document.data)


def problems_error(label: str, problems: list[Any]) -> PromptError:
    """One error of everything that is wrong with a document, each with its place."""
    from wai_ops.config.problems import lines, usage_error

    if len(problems) == 1:
        mark = problems[0].mark
        return PromptError(problems[0].message, where=f"{label}:{mark.line}:{mark.column}")
    return PromptError(usage_error(lines(label, problems)).message)
