"""What a path of Handlebars means where it stands: an expression of Jinja2, and its schema.

Inside `{{#each}}` and `{{#with}}` names belong to the element; `../` leads back out.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")
_RESERVED = frozenset(
    {"and", "or", "not", "in", "is", "if", "else", "elif", "for", "true", "false", "none", "None"}
    | {"True", "False", "self", "loop", "range", "dict", "namespace", "caller", "varargs"}
    | {"kwargs", "recursive"}
)
_METHODS = frozenset({*dir(dict), *dir(str), *dir(list)})


@dataclass(frozen=True, slots=True)
class Ref:
    """A value in the template."""

    code: str
    schema: Mapping[str, Any] | None
    """JSON Schema of it; None when nothing is known."""
    guards: tuple[str, ...] = ()
    """Conditions under which it is there at all; none: always."""
    is_root: bool = False
    """A variable itself: it is always there, if only as null."""

    @property
    def kind(self) -> str | None:
        """Its type in JSON Schema; null is left out."""
        if self.schema is None:
            return None
        kinds = self.schema.get("type")
        listed = [kinds] if isinstance(kinds, str) else list(kinds or ())
        left = [item for item in listed if item != "null"]
        return left[0] if len(left) == 1 else None


@dataclass(slots=True)
class Context:
    """What plain names mean here."""

    ref: Ref | None
    """None: the root, whose names are variables."""
    aliases: Mapping[str, Ref] = field(default_factory=dict)
    """Block parameters."""
    key: str | None = None
    """The name that holds `@key`."""
    is_loop: bool = False


def identifier(name: str) -> str:
    """A name for a variable that Jinja2 takes; the same name wherever it can be."""
    plain = re.sub(r"[^A-Za-z0-9_]", "_", name).lstrip("_") or "value"
    if not plain[0].isalpha():
        plain = f"v_{plain}"
    return f"{plain}_" if plain in _RESERVED else plain


def member(ref: Ref, name: str) -> Ref:
    """A member of a value. What may be missing is guarded, as far as the schema says so."""
    if name.isdigit():
        code = f"{ref.code}[{name}]"
        items = (ref.schema or {}).get("items")
        inner = items if isinstance(items, Mapping) else None
        is_optional = True
    else:
        is_plain = _PLAIN.match(name) and name not in _METHODS | _RESERVED
        code = f"{ref.code}.{name}" if is_plain else f"{ref.code}[{quoted(name)}]"
        properties = (ref.schema or {}).get("properties") or {}
        inner = properties.get(name)
        required = (ref.schema or {}).get("required") or ()
        is_optional = ref.schema is not None and name not in required
    guards = ref.guards
    if is_optional:
        guards = (*guards, f"{code} is defined", f"{code} is not none")
    return Ref(code, inner if isinstance(inner, Mapping) else None, guards)


def quoted(text: str) -> str:
    """Text as a literal of Jinja2."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"'{escaped}'"
