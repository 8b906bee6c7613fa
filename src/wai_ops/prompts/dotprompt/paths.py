"""Where a path of Handlebars leads: through the contexts around a tag to what Jinja2 calls it."""

from collections.abc import Sequence

from wai_ops.prompts.dotprompt.expressions import Argument, Path
from wai_ops.prompts.dotprompt.scope import Context, Ref, member, quoted
from wai_ops.prompts.dotprompt.variables import Variables


class Refused(Exception):  # noqa: N818 - carries a sentence to where it is collected
    """This one tag cannot be imported."""


class Paths:
    """The contexts around the tag that is written, and what paths mean in them."""

    def __init__(self, variables: Variables) -> None:
        self._variables = variables
        self.contexts = [Context(None)]

    def code(self, argument: Argument, line: int) -> str:
        """Write a path or a literal for Jinja2. Raises Refused."""
        if isinstance(argument, Path):
            return self.ref(argument, line, "print").code
        value = argument.value
        if isinstance(value, str):
            return quoted(value)
        if value is None or isinstance(value, bool):
            return str(value).lower()
        return repr(value)

    def ref(self, path: Path, line: int, use: str) -> Ref:
        """What a path means here; `use` as in `Variables.ref`. Raises Refused."""
        if path.is_data:
            return self._data(path, line, use)
        if path.up >= len(self.contexts):
            raise Refused(f"`{path.text}` leads out of the input")
        context = self.contexts[-1 - path.up]
        names = list(path.names)
        if names and path.up == 0 and (alias := self._alias(names[0])):
            return _members(alias, names[1:])
        if context.ref is None:
            if not names:
                raise Refused("`this` is the whole input here: name a variable")
            return self._variable(names, line, use)
        return _members(context.ref, names)

    def _variable(self, names: Sequence[str], line: int, use: str) -> Ref:
        first = self._variables.ref(names[0], line, "object" if len(names) > 1 else use)
        return _members(first, names[1:])

    def _alias(self, name: str) -> Ref | None:
        found = (item.aliases[name] for item in reversed(self.contexts) if name in item.aliases)
        return next(found, None)

    def _data(self, path: Path, line: int, use: str) -> Ref:
        name = path.names[0] if path.names else ""
        if name == "root" and len(path.names) > 1 and not path.up:
            return self._variable(path.names[1:], line, use)
        loops = [context for context in self.contexts if context.is_loop]
        if not loops or path.up or len(path.names) != 1:
            raise Refused(f"`{path.text}` means nothing here")
        if name == "key" and (key := loops[-1].key):
            return Ref(key, {"type": "string"})
        known = {"index": "integer", "first": "boolean", "last": "boolean"}
        if name not in known:
            raise Refused(f"`{path.text}` has no counterpart in a prompt here")
        code = "loop.index0" if name == "index" else f"loop.{name}"
        return Ref(code, {"type": known[name]})

    def truth(self, ref: Ref) -> str:
        """When Handlebars takes a value for true. An object is true, even an empty one."""
        if ref.kind == "object":
            return " and ".join(ref.guards) or f"{ref.code} is not none"
        if ref.is_root:
            return ref.code
        guards = ref.guards or ((f"{ref.code} is defined",) if ref.schema is None else ())
        return " and ".join([*guards, ref.code])

    def present(self, ref: Ref, nothing: str) -> str:
        """The value, or `nothing` where it is missing."""
        if not ref.guards:
            return ref.code
        if ref.is_root:
            return f"({ref.code} or {nothing})"
        return f"({ref.code} if {' and '.join(ref.guards)} else {nothing})"

    def free(self, base: str) -> str:
        """A name for something inside a block that means nothing else there."""
        taken = self._variables.names() | {_code(item) for item in self.contexts}
        taken |= {item.key for item in self.contexts if item.key}
        number, name = 1, base
        while name in taken:
            number += 1
            name = f"{base}_{number}"
        return name


def _members(ref: Ref, names: Sequence[str]) -> Ref:
    for name in names:
        ref = member(ref, name)
    return ref


def _code(context: Context) -> str:
    return context.ref.code if context.ref else ""
