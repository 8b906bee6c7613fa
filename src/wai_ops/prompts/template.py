"""Prompt templates: Jinja2 in an immutable sandbox; a value is never rendered a second time."""

import hashlib
import os
import stat
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

from wai_ops.core.errors import UsageError
from wai_ops.core.ids import is_name
from wai_ops.core.text import one_line

MAX_BYTES = 1024 * 1024
SUFFIXES = (".prompt", ".j2", ".jinja", ".txt", ".md")


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A prompt file as read: `name` from the file's name, `version` from its content."""

    name: str
    version: str
    text: str
    path: Path


def read_input(path: Path, what: str, *, limit: int = MAX_BYTES) -> str:
    """Read a regular UTF-8 file of bounded size. Raises UsageError with the reason."""
    try:
        # O_NONBLOCK so that opening a FIFO cannot wait for a writer that never comes.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise UsageError(f"cannot read {what} {path}: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UsageError(f"{what} {path} is not a regular file")
    with os.fdopen(descriptor, "rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise UsageError(f"{what} {path} is larger than {limit} bytes")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"{what} {path} is not UTF-8 (byte {error.start})") from error


def load_template(path: Path) -> Template:
    """Read a prompt file. Its version is the start of the SHA-256 of its bytes."""
    text = read_input(path, "prompt file")
    name = path.name
    for suffix in SUFFIXES:
        name = name.removesuffix(suffix)
    if not is_name(name) or "@" in name:
        raise UsageError(
            f"{path.name!r} gives no usable prompt name",
            hint="use letters, digits and . _ - in the file name",
        )
    version = "sha256:" + hashlib.sha256(text.encode()).hexdigest()[:12]
    return Template(name=name, version=version, text=text, path=path)


def render(template: Template, values: Mapping[str, str]) -> str:
    """Fill in the variables. Raises UsageError for a missing, unused or failing one."""
    import jinja2
    from jinja2 import meta
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    # Autoescape is for HTML; a prompt is plain text, and escaping would change what the model sees.
    environment = ImmutableSandboxedEnvironment(
        undefined=jinja2.StrictUndefined,
        autoescape=False,
        keep_trailing_newline=False,
    )
    where = str(template.path)
    try:
        wanted = meta.find_undeclared_variables(environment.parse(template.text))
        _same_names(wanted, values.keys(), where)
        return environment.from_string(template.text).render(**values)
    except UsageError:
        raise
    except jinja2.TemplateSyntaxError as error:
        words = one_line(error.message or "syntax error")
        raise UsageError(words, where=f"{where}:{error.lineno}") from error
    except Exception as error:
        # A template is a program: whatever it raises, nested too deeply included, is its own.
        known = isinstance(error, jinja2.TemplateError)
        words = one_line(str(error) if known else f"{type(error).__name__}: {error}")
        raise UsageError(f"the prompt cannot be rendered: {words}", where=where) from error


def _same_names(wanted: AbstractSet[str], given: AbstractSet[str], where: str) -> None:
    if missing := sorted(wanted - given):
        raise UsageError(
            f"the prompt needs {', '.join(missing)}",
            where=where,
            hint=" ".join(f"--var {name}=…" for name in missing),
        )
    if unused := sorted(given - wanted):
        raise UsageError(
            f"the prompt does not use {', '.join(unused)}",
            where=where,
            hint=f"it uses: {', '.join(sorted(wanted)) or 'no variables'}",
        )
