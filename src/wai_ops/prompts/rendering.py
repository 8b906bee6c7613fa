"""From a prompt and values to the exact messages.

A value is data: it is put in as it is, never rendered, and can open no role, because the roles are
told apart before. A rendering ends within its allowance of time and size, however it is written.
"""

import math
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from wai_ops.core.text import one_line
from wai_ops.prompts.errors import PromptError
from wai_ops.prompts.frontmatter import VariableType
from wai_ops.prompts.includes import where_of
from wai_ops.prompts.source import Source
from wai_ops.prompts.values import parse_value, value_problem

_SURROGATE = re.compile("[\ud800-\udfff]")
Message = dict[str, str]
"""`role` and `content`, as they are sent."""


def render_messages(source: Source, values: Mapping[str, Any]) -> list[Message]:
    """Fill in the variables and return the messages, those left out that came out blank.

    `values` is plain data by the name of the variable. Raises PromptError for a value that is
    missing, unknown or of another type, and for a template that fails or asks for too much.
    """
    from wai_ops.prompts.allowance import Allowance
    from wai_ops.prompts.compiling import compile_section

    given = _checked(source, values)
    allowance = Allowance()
    messages = []
    for section in source.sections:
        compiled = compile_section(section)
        pieces: list[str] = []
        try:
            pieces.extend(compiled.run(given, allowance))
        except Exception as error:
            # A template is a program: whatever it raises is its own.
            raise PromptError(
                f"cannot be rendered: {_words(error)}",
                where=where_of(compiled.place_of_error(error)),
            ) from error
        content = "".join(pieces)
        if half := _SURROGATE.search(content):
            raise PromptError(
                f"half of a surrogate pair at character {half.start()} of the {section.role} text",
                where=source.path,
            )
        if content.strip():
            messages.append({"role": section.role, "content": content})
    if not messages:
        raise PromptError("nothing is left to be sent: every section is blank", where=source.path)
    return messages


def check_source(source: Source) -> None:
    """Compile everything. Raises PromptError for what could never be rendered.

    Says so, too, when the template uses a variable that the front matter does not declare.
    """
    from wai_ops.prompts.compiling import compile_section

    for section in source.sections:
        compiled = compile_section(section)
        if source.front.variables is None:
            continue
        for name, number in compiled.variables.items():
            if name not in source.front.variables:
                raise PromptError(
                    f"the variable {name} is not declared",
                    where=where_of(compiled.place(number)),
                    hint=_hint(name, source.front.variables),
                )


def variables_of(source: Source) -> dict[str, bool]:
    """Every variable that the prompt takes, sorted, and whether it must be given."""
    from wai_ops.prompts.compiling import compile_section

    if source.front.variables is not None:
        return {name: item.required for name, item in source.front.variables.items()}
    names = {name for item in source.sections for name in compile_section(item).variables}
    return dict.fromkeys(sorted(names), True)


def typed_values(source: Source, texts: Mapping[str, str]) -> dict[str, Any]:
    """Turn the texts of `--var` into values of the declared types. Raises PromptError."""
    declared = source.front.variables or {}
    values: dict[str, Any] = {}
    for name, text in texts.items():
        kind = declared[name].type if name in declared else VariableType.STRING
        try:
            values[name] = parse_value(kind, text)
        except ValueError as error:
            raise PromptError(f"the variable {name} {error}", where=source.path) from error
    return values


def _checked(source: Source, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of all variables, defaults included."""
    wanted = variables_of(source)
    if missing := [name for name, needed in wanted.items() if needed and name not in values]:
        raise PromptError(
            f"the prompt needs {', '.join(missing)}",
            where=source.path,
            hint=" ".join(f"--var {name}=…" for name in missing),
        )
    if unused := sorted(values.keys() - wanted.keys()):
        raise PromptError(
            f"the prompt does not use {', '.join(one_line(name, 40) for name in unused)}",
            where=source.path,
            hint=_hint(unused[0], wanted),
        )
    check_source(source)
    declared = source.front.variables or {}
    found = {name: item.default for name, item in declared.items() if not item.required}
    for name, value in values.items():
        plain = _plain(value, name, source)
        item = declared.get(name)
        is_left_out = item is not None and not item.required and plain is None
        if item is not None and not is_left_out and (problem := value_problem(item.type, plain)):
            raise PromptError(f"the variable {name} {problem}", where=source.path)
        found[name] = plain
    return found


def _plain(value: Any, name: str, source: Source, depth: int = 0) -> Any:
    """Copy plain data, so that no object of the caller reaches the template."""
    if depth > 64:
        raise PromptError(f"the variable {name} is nested too deeply", where=source.path)
    if isinstance(value, str):
        return str.__str__(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float | Decimal) and math.isfinite(value):
        return float(value)
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {str(key): _plain(item, name, source, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, name, source, depth + 1) for item in value]
    raise PromptError(f"the variable {name} is no plain data", where=source.path)


def _hint(name: str, known: Iterable[str]) -> str:
    from wai_ops.config.problems import nearest

    names = list(known)
    if near := nearest(name, names):
        return f"did you mean {near}?"
    return f"it takes: {', '.join(names) or 'no variables'}"


def _words(error: Exception) -> str:
    """What went wrong, in one line, without the name of a Python class where it says nothing."""
    from jinja2 import TemplateError

    from wai_ops.prompts.allowance import TooMuch

    if isinstance(error, RecursionError):
        return "macros or loops call each other too deeply"
    text = one_line(str(error))
    if isinstance(error, TooMuch | TemplateError | TypeError) and text:
        return text
    return f"{type(error).__name__}: {text}"
