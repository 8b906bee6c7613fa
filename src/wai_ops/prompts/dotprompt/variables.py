"""The variables of an imported prompt: from `input.schema`, or from how the template uses them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wai_ops.prompts.dotprompt.said import Said
from wai_ops.prompts.dotprompt.scope import Ref, identifier

_TYPES = {
    "string": "string",
    "integer": "integer",
    "number": "number",
    "boolean": "boolean",
    "array": "list",
    "object": "object",
}


@dataclass(slots=True)
class Variables:
    """What is known, and what turns up on the way. Names are those of the source."""

    schema: Mapping[str, Any] | None
    """JSON Schema of the input; None: the file does not say."""
    defaults: Mapping[str, Any]
    said: Said
    found: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Variables that no schema names -> the JSON Schema that their use suggests."""
    tested: set[str] = field(default_factory=set)
    """Those of them that a test asks for: they may be missing."""
    lines: dict[str, int] = field(default_factory=dict)
    """Variable -> the line that uses it first."""

    def ref(self, name: str, line: int, use: str) -> Ref:
        """A variable as the template uses it: `print`, `test`, `list` or `object`."""
        self.lines.setdefault(name, line)
        code = identifier(name)
        if code != name:
            self.said.changed(line, f"the variable `{name}` is called `{code}` now")
        known = self._properties().get(name)
        if isinstance(known, Mapping):
            guards = (f"{code} is not none",) if self._may_be_missing(name) else ()
            return Ref(code, known, guards, is_root=True)
        suggested = self.found.setdefault(name, {})
        if use == "list":
            suggested.setdefault("type", "array")
        elif use == "object":
            suggested.setdefault("type", "object")
        elif use == "test":
            self.tested.add(name)
        may_be_missing = name in self.tested or name in self.defaults
        schema = suggested if suggested.get("type") == "array" else None
        guards = (f"{code} is not none",) if may_be_missing else ()
        return Ref(code, schema, guards, is_root=True)

    def names(self) -> set[str]:
        """The names of all variables that are known so far, as they are written here."""
        return {identifier(name) for name in (*self._properties(), *self.found)}

    def _properties(self) -> Mapping[str, Any]:
        properties = (self.schema or {}).get("properties")
        return properties if isinstance(properties, Mapping) else {}

    def _may_be_missing(self, name: str) -> bool:
        required = (self.schema or {}).get("required") or ()
        return name not in required or name in self.defaults

    def declared(self, line: int) -> dict[str, Any]:
        """The front matter's `variables`; what had to be guessed is said."""
        listed: dict[str, Any] = {}
        for name, schema in self._properties().items():
            optional = self._may_be_missing(name)
            listed[identifier(name)] = self._declaration(name, schema, line, is_optional=optional)
        for name, schema in self.found.items():
            at = self.lines.get(name, line)
            is_optional = name in self.tested or name in self.defaults
            listed[identifier(name)] = entry = self._declaration(
                name, schema, at, is_optional=is_optional
            )
            if self.schema is not None:
                words = f"`{name}` is not in input.schema: declared as {entry['type']}"
                self.said.changed(at, words)
        if self.schema is None and listed:
            self.said.changed(line, "no input.schema: types of variables come from their use")
        for name in self.defaults:
            if name not in self._properties() and name not in self.found:
                self.said.left_out(line, f"input.default.{name}: no such variable is used")
        return listed

    def _declaration(
        self, name: str, schema: Any, line: int, *, is_optional: bool
    ) -> dict[str, Any]:
        kind = Ref("", schema).kind if isinstance(schema, Mapping) else None
        if isinstance(schema, Mapping) and "enum" in schema:
            choices = ", ".join(str(item) for item in schema["enum"] if item is not None)
            self.said.left_out(line, f"`{name}`: that it is one of {choices} is not checked")
        found: dict[str, Any] = {"type": _TYPES.get(kind or "string", "string")}
        if is_optional:
            found["required"] = False
        if name in self.defaults and self.defaults[name] is not None:
            found["default"] = self.defaults[name]
        description = schema.get("description") if isinstance(schema, Mapping) else None
        if isinstance(description, str) and description:
            found["description"] = description
        return found
