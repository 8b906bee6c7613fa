"""From the tree of Handlebars to sections of Jinja2."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from wai_ops.prompts.dotprompt.expressions import Argument, Expression, Literal, Path
from wai_ops.prompts.dotprompt.layout import Out, Piece
from wai_ops.prompts.dotprompt.lexing import Tag, Text
from wai_ops.prompts.dotprompt.paths import Paths, Refused
from wai_ops.prompts.dotprompt.said import Said
from wai_ops.prompts.dotprompt.scope import Context, Ref
from wai_ops.prompts.dotprompt.tree import Block, Branch, Comment, Node, Partial, Value
from wai_ops.prompts.dotprompt.variables import Variables

ROLES = {"system": "system", "user": "user", "model": "assistant", "assistant": "assistant"}


@dataclass(frozen=True, slots=True)
class Part:
    """A partial, as it can be included."""

    path: str
    """Below `prompts/`."""
    ends_line: bool
    uses_variables: bool


@dataclass(slots=True)
class Message:
    """One message of the source."""

    role: str
    line: int
    pieces: list[Piece] = field(default_factory=list)

    @property
    def is_blank(self) -> bool:
        """Whether it holds nothing but white space and comments."""
        return all(
            not piece.value.strip() if isinstance(piece, Text) else piece.opening == "{#"
            for piece in self.pieces
        )


class Writer:
    """Writes one file. What cannot be written is said, and the rest goes on."""

    def __init__(
        self, variables: Variables, said: Said, part_of: Callable[[str, int], Part | None]
    ) -> None:
        self._said = said
        self._part_of = part_of
        self._paths = Paths(variables)
        self._depth = 0
        self.messages = [Message("user", 1)]
        self.history: list[tuple[int, int]] = []
        """Where earlier turns go: how many messages stand before, and the line."""

    def write(self, nodes: Sequence[Node]) -> None:
        """Write nodes one after the other."""
        for node in nodes:
            try:
                self._node(node)
            except Refused as error:
                self._said.refuse(_line(node), str(error))

    def _node(self, node: Node) -> None:
        if isinstance(node, Text):
            self._put(node)
        elif isinstance(node, Comment):
            # A role line would open a section even in a comment.
            words = node.tag.words.strip().replace("#}", "# }").replace("{%", "{ %")
            self._tag("{#", words, node.tag)
        elif isinstance(node, Partial):
            self._partial(node)
        elif isinstance(node, Value):
            self._value(node)
        else:
            self._block(node)

    def _put(self, piece: Piece) -> None:
        self.messages[-1].pieces.append(piece)

    def _tag(self, opening: str, inner: str, tag: Tag, *, adds_line: bool = False) -> None:
        self._put(
            Out(
                opening,
                inner,
                strips_before=tag.strips_before,
                strips_behind=tag.strips_behind,
                takes_line=tag.takes_line,
                adds_line=adds_line,
            )
        )

    # Values

    def _value(self, node: Value) -> None:
        expression, line = node.expression, node.tag.line
        head = expression.head
        if isinstance(head, Path) and head.is_plain and not head.is_data:
            name = head.names[0]
            if name in ("role", "history"):
                self._marker(name, expression, line)
                return
            if name in ("media", "section", "log"):
                raise Refused(f"{{{{{name}}}}} has no counterpart in a prompt here")
            if name == "json":
                self._json(expression, node.tag)
                return
            if name == "lookup":
                self._tag("{{", self._lookup(expression, line), node.tag)
                return
            if expression.arguments or expression.named:
                raise Refused(f"there is no helper `{name}` here")
        if isinstance(head, Literal):
            raise Refused("a literal is printed")
        self._tag("{{", self._printed(head, line), node.tag)

    def _printed(self, path: Path, line: int) -> str:
        ref = self._paths.ref(path, line, "print")
        code = ref.code
        if ref.kind == "object":
            raise Refused(f"`{path.text}` is an object, and would be printed as [object Object]")
        if ref.kind == "array":
            code = f"{code} | join(',')"
        elif ref.kind == "boolean":
            code = f"'true' if {code} else 'false'"
            return f"({code}) if {' and '.join(ref.guards)} else ''" if ref.guards else code
        return f"{code} if {' and '.join(ref.guards)} else ''" if ref.guards else code

    def _json(self, expression: Expression, tag: Tag) -> None:
        if len(expression.arguments) != 1 or not isinstance(expression.arguments[0], Path):
            raise Refused("{{json}} takes one value")
        ref = self._paths.ref(expression.arguments[0], tag.line, "object")
        named = dict(expression.named)
        indent = named.pop("indent", None)
        if named or (indent is not None and not isinstance(indent, Literal)):
            raise Refused("{{json}} takes indent=NUMBER, and nothing else")
        written = f"tojson(indent={indent.value})" if isinstance(indent, Literal) else "tojson"
        self._said.changed(tag.line, "{{json}}: keys are sorted, with a blank behind , and :")
        self._tag("{{", f"{ref.code} | {written}", tag)

    def _lookup(self, expression: Expression, line: int) -> str:
        if len(expression.arguments) != 2 or expression.named:
            raise Refused("{{lookup}} takes a value and a key")
        first, second = expression.arguments
        if not isinstance(first, Path):
            raise Refused("{{lookup}} looks into a value, not into a literal")
        ref = self._paths.ref(first, line, "object")
        return f"{ref.code}[{self._paths.code(second, line)}]"

    # Roles and history

    def _marker(self, name: str, expression: Expression, line: int) -> None:
        if self._depth:
            raise Refused(f"{{{{{name}}}}} stands inside a block: roles are fixed here")
        if name == "history":
            blank = self.messages[-1].is_blank
            self.history.append((len(self.messages) - blank, line))
            self.messages.append(Message("assistant", line))
            return
        role = expression.arguments[0] if len(expression.arguments) == 1 else None
        known = ROLES.get(str(role.value)) if isinstance(role, Literal) else None
        if known is None:
            listed = ", ".join(ROLES)
            raise Refused(f"a role is one of {listed}, written out")
        self.messages.append(Message(known, line))

    # Blocks

    def _block(self, block: Block) -> None:
        head = block.expression.head
        name = head.names[0] if isinstance(head, Path) and head.is_plain else ""
        self._depth += 1
        try:
            if block.is_inverse:
                self._inverse(block)
            elif name in ("if", "unless", "ifEquals", "unlessEquals"):
                self._if(block)
            elif name == "each":
                self._each(block, self._one_path(block.expression))
            elif name == "with":
                self._with(block)
            else:
                self._section(block)
        finally:
            self._depth -= 1

    def _inverse(self, block: Block) -> None:
        """`{{^x}}…{{/x}}`: the branch for nothing."""
        head = block.expression.head
        if not isinstance(head, Path) or len(block.branches) > 1:
            raise Refused("this inverse block cannot be imported")
        ref = self._paths.ref(head, block.line, "test")
        self._tag("{%", f"if not ({self._paths.truth(ref)})", block.branches[0].tag)
        self.write(block.branches[0].body)
        self._tag("{%", "endif", block.close)

    def _section(self, block: Block) -> None:
        """`{{#x}}…{{/x}}`: what it does depends on the type of x."""
        head = block.expression.head
        if not isinstance(head, Path) or block.expression.arguments or block.expression.named:
            name = head.text if isinstance(head, Path) else "…"
            raise Refused(f"there is no helper `{name}` here")
        ref = self._paths.ref(head, block.line, "test")
        if ref.kind == "array":
            self._each(block, head)
        elif ref.kind == "boolean":
            self._tag("{%", f"if {self._paths.truth(ref)}", block.branches[0].tag)
            self._rest(block)
        else:
            raise Refused(
                f"what {{{{#{head.text}}}}} does depends on a type that the schema does not say: "
                "use #if, #each or #with"
            )

    def _if(self, block: Block) -> None:
        self._tag("{%", f"if {self._test(block.expression, block.line)}", block.branches[0].tag)
        self._rest(block)

    def _rest(self, block: Block) -> None:
        """The bodies of a test, its other branches, and its end."""
        self.write(block.branches[0].body)
        for branch in block.branches[1:]:
            self._else(branch)
            self.write(branch.body)
        self._tag("{%", "endif", block.close)

    def _else(self, branch: Branch) -> None:
        if branch.expression is None:
            self._tag("{%", "else", branch.tag)
            return
        test = self._test(branch.expression, branch.tag.line)
        self._tag("{%", f"elif {test}", branch.tag)

    def _test(self, expression: Expression, line: int) -> str:
        head = expression.head
        name = head.names[0] if isinstance(head, Path) and head.is_plain else ""
        if expression.named:
            raise Refused(f"#{name} takes no named arguments here")
        if name in ("if", "unless") and len(expression.arguments) == 1:
            argument = expression.arguments[0]
            if isinstance(argument, Literal):
                truth = "true" if argument.value else "false"
            else:
                truth = self._paths.truth(self._paths.ref(argument, line, "test"))
            return truth if name == "if" else f"not ({truth})"
        if name in ("ifEquals", "unlessEquals") and len(expression.arguments) == 2:
            equal = self._equal(expression.arguments, line)
            return equal if name == "ifEquals" else f"not ({equal})"
        raise Refused(f"`{name or '…'}` cannot be tested here")

    def _equal(self, pair: Sequence[Argument], line: int) -> str:
        refs = [self._paths.ref(item, line, "test") for item in pair if isinstance(item, Path)]
        guards = dict.fromkeys(guard for ref in refs if not ref.is_root for guard in ref.guards)
        return " and ".join([*guards, " == ".join(self._paths.code(item, line) for item in pair)])

    def _each(self, block: Block, path: Path) -> None:
        uses_key = _uses_key(block.branches[0].body)
        ref = self._paths.ref(path, block.line, "object" if uses_key else "list")
        is_object = ref.kind == "object" or (ref.kind is None and uses_key)
        item = self._paths.free("item")
        names = list(block.expression.parameters)
        schema = ref.schema or {}
        if is_object:
            key = self._paths.free("key")
            source = self._paths.present(ref, "{}")
            head = f"for {key}, {item} in {source}.items()"
            inner = schema.get("additionalProperties")
        else:
            key = None
            head = f"for {item} in {self._paths.present(ref, '[]')}"
            inner = schema.get("items")
        element = Ref(item, inner if isinstance(inner, dict) else None)
        place = Ref(key or "loop.index0", {"type": "string" if key else "integer"})
        aliases = dict(zip(names, (element, place), strict=False))
        self._tag("{%", head, block.branches[0].tag)
        self._inside(Context(element, aliases, key, is_loop=True), block.branches[0])
        self._last(block)
        self._tag("{%", "endfor", block.close)

    def _with(self, block: Block) -> None:
        path = self._one_path(block.expression)
        ref = self._paths.ref(path, block.line, "object")
        aliases = dict(zip(block.expression.parameters, (ref,), strict=False))
        self._tag("{%", f"if {self._paths.truth(ref)}", block.branches[0].tag)
        known = Ref(ref.code, ref.schema)
        self._inside(Context(known, aliases), block.branches[0])
        self._last(block)
        self._tag("{%", "endif", block.close)

    def _inside(self, context: Context, branch: Branch) -> None:
        self._paths.contexts.append(context)
        try:
            self.write(branch.body)
        finally:
            self._paths.contexts.pop()

    def _last(self, block: Block) -> None:
        """The `else` of a block that takes no other tests."""
        for branch in block.branches[1:]:
            if branch.expression is not None:
                raise Refused("`else if` belongs to #if here")
            self._tag("{%", "else", branch.tag)
            self.write(branch.body)

    def _one_path(self, expression: Expression) -> Path:
        if len(expression.arguments) != 1 or expression.named:
            raise Refused("this block takes one value")
        argument = expression.arguments[0]
        if not isinstance(argument, Path):
            raise Refused("this block takes a value, not a literal")
        return argument

    # Partials

    def _partial(self, node: Partial) -> None:
        head = node.expression.head
        name = "/".join(head.names) if isinstance(head, Path) else str(head.value)
        if node.expression.arguments or node.expression.named:
            raise Refused(f"the partial `{name}` is given values: a part sees all variables")
        part = self._part_of(name, node.tag.line)
        if part is None:
            return
        if len(self._paths.contexts) > 1 and part.uses_variables:
            raise Refused(
                f"the partial `{name}` uses names that mean something else inside a block"
            )
        if node.tag.indent and node.tag.takes_line:
            self._said.changed(
                node.tag.line, f"the partial `{name}`: its lines are not indented here"
            )
        include = f'include "{part.path}"'
        self._tag("{%", include, node.tag, adds_line=part.ends_line)


def _line(node: Node) -> int:
    return node.line if isinstance(node, Text | Block) else node.tag.line


def _uses_key(nodes: Sequence[Node]) -> bool:
    """Whether a body speaks of `@key`, its inner tests included."""
    for node in nodes:
        if isinstance(node, Value) and node.expression.head == Path(0, ("key",), is_data=True):
            return True
        if isinstance(node, Block) and any(_uses_key(item.body) for item in node.branches):
            return True
    return False
