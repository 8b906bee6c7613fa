"""From a strict YAML document to a dataclass: types by pydantic, places and words by us.

Used for `wai.yaml` and for every other file that people write. The outermost dataclass must carry
`__pydantic_config__ = {"extra": "forbid"}`; it holds for the dataclasses inside as well.
"""

import json
from dataclasses import fields
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from wai_ops.config.files import read_small_file
from wai_ops.config.problems import Mark, Problem, lines, nearest, usage_error
from wai_ops.config.shape import keys_at, leaves
from wai_ops.config.yaml_strict import DataPath, Document, parse
from wai_ops.core.text import one_line

T = TypeVar("T")
_EXACT_DIGITS = 15
_SECRET_WORDS = ("token", "secret", "password", "api_key", "apikey")


def load_yaml(path: Path, cls: type[T], *, label: str | None = None) -> tuple[T, Document]:
    """Load a file into `cls`. Raises UsageError that lists every problem, one a line."""
    document = parse(read_small_file(path), label or str(path))
    value, problems = validate(document, cls)
    if value is None:
        raise usage_error(lines(document.label, problems))
    return value, document


def validate(document: Document, cls: type[T]) -> tuple[T | None, list[Problem]]:
    """Decode a document. Returns the value and no problems, or None and all of them."""
    problems = list(document.problems)
    if not document.is_complete:
        return None, problems
    data = dict(document.data) if isinstance(document.data, dict) else document.data
    # Fields that are no settings are fields to pydantic all the same.
    for key in set(data or ()) & {f.name for f in fields(cls)} - keys_at(cls, ()):  # type: ignore[arg-type]  # a dataclass
        del data[key]
        problems.append(Problem(document.key_marks[key,], _unknown((key,), cls), (key,)))
    value: T | None = None
    try:
        value = _adapter(cls).validate_json(_json_text(data), strict=True)  # type: ignore[arg-type]  # cache and type[T]
    except ValueError as error:  # pydantic's ValidationError is one
        if not hasattr(error, "errors"):
            raise
        found = error.errors(include_url=False)
        problems += [_problem(item, document, cls) for item in found]
    known = {p.path for p in document.problems if p.path is not None}
    # A value that was refused already has no type to complain about.
    problems = [
        p
        for p in problems
        if p in document.problems or p.path is None or not _is_below(p.path, known)
    ]
    return (None, problems) if problems else (value, [])


@cache
def _adapter(cls: type) -> Any:
    """The decoder of a class: making one takes longer than most files do."""
    from pydantic import TypeAdapter

    return TypeAdapter(cls)


def _json_text(data: Any) -> str:
    """Write the data for pydantic's strict JSON mode, in which text may become a path or an enum.

    A fraction goes as a number while a double holds it exactly, and as text beyond that: so a
    Decimal field always gets the digits of the file.
    """
    return json.dumps({} if data is None else data, default=_fraction)


def _fraction(value: Any) -> Any:
    assert isinstance(value, Decimal)
    return float(value) if len(value.as_tuple().digits) <= _EXACT_DIGITS else str(value)


def _is_below(path: DataPath, known: set[DataPath]) -> bool:
    return any(path[:length] in known for length in range(len(path) + 1))


def _problem(error: Any, document: Document, cls: type) -> Problem:
    path = _real_path(error["loc"], document)
    kind = error["type"]
    name = ".".join(str(part) for part in path)
    if kind in ("unexpected_keyword_argument", "extra_forbidden"):
        return Problem(document.key_marks.get(path, Mark()), _unknown(path, cls), path)
    if kind in ("missing", "missing_argument", "missing_keyword_only_argument"):
        missing = error["loc"][-1]
        return Problem(_nearest_mark(path, document), f"{_prefix(name)}`{missing}` is required")
    text = f"{_prefix(name)}{_words(kind, error)}"
    if error["loc"][-1] == "[key]":  # pydantic's way to say that the key is wrong, not the value
        return Problem(document.key_marks.get(path, Mark()), text, path)
    return Problem(_nearest_mark(path, document), text, path)


def _prefix(name: str) -> str:
    return f"{name}: " if name else ""


def _real_path(loc: tuple[str | int, ...], document: Document) -> DataPath:
    """Keep the parts that exist in the document: pydantic adds the names of union arms."""
    path: DataPath = ()
    for part in loc:
        if (*path, part) in document.marks:
            path = (*path, part)
    return path


def _nearest_mark(path: DataPath, document: Document) -> Mark:
    for length in range(len(path), -1, -1):
        if (mark := document.marks.get(path[:length])) is not None:
            return mark
    return Mark()


def _unknown(path: DataPath, cls: type) -> str:
    key = str(path[-1])
    parent = path[:-1]
    inside = f" in `{'.'.join(map(str, parent))}`" if parent else ""
    text = f"unknown key `{key}`{inside}"
    if any(word in key.lower() for word in _SECRET_WORDS):
        return f"{text}; credentials do not belong in this file, see `wai doctor`"
    if near := nearest(key, keys_at(cls, parent)):
        return f"{text}; did you mean `{near}`?"
    elsewhere = [name for name in leaves(cls) if name.rpartition(".")[2] == key]
    return f"{text}; did you mean `{elsewhere[0]}`?" if elsewhere else text


def _words(kind: str, error: Any) -> str:
    value = error["input"]
    if kind == "value_error":
        return str(error["ctx"]["error"])
    if kind in ("enum", "literal_error"):
        expected = error["ctx"]["expected"]
        return f"must be {expected.replace(chr(39), '`')}, not {_shown(value)}"
    known = {
        "string_type": "must be text: put it in quotes",
        "int_type": "must be a whole number",
        "int_from_float": "must be a whole number",
        "float_type": "must be a number",
        "bool_type": "must be true or false",
        "decimal_type": "must be a number, plain or in quotes",
        "decimal_parsing": "must be a number, plain or in quotes",
        "finite_number": "must be a finite number",
        "dataclass_type": "must be a mapping (`key: value` lines)",
        "dict_type": "must be a mapping (`key: value` lines)",
        "mapping_type": "must be a mapping (`key: value` lines)",
        "list_type": "must be a list (`- item` lines)",
        "tuple_type": "must be a list (`- item` lines)",
    }
    if kind == "string_type" and (value is None or isinstance(value, dict | list)):
        return f"must be text, not {_shown(value)}"
    text = known.get(kind)
    if text is None:
        message = str(error["msg"])
        return message[:1].lower() + message[1:]
    return f"{text}, not {_shown(value)}" if kind != "string_type" else text


def _shown(value: Any) -> str:
    if value is None:
        return "empty"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return one_line(json.dumps(value, ensure_ascii=False), 60)
