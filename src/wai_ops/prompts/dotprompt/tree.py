"""Handlebars as a tree: blocks closed where they were opened."""

from dataclasses import dataclass, field

from wai_ops.prompts.dotprompt.expressions import Expression, Path, parse_expression
from wai_ops.prompts.dotprompt.lexing import HandlebarsError, Item, Tag, TagKind, Text

MAX_DEPTH = 32


@dataclass(slots=True)
class Value:
    """`{{x}}`, or a helper that prints."""

    tag: Tag
    expression: Expression


@dataclass(slots=True)
class Comment:
    """A comment."""

    tag: Tag


@dataclass(slots=True)
class Partial:
    """`{{> name}}`."""

    tag: Tag
    expression: Expression


@dataclass(slots=True)
class Branch:
    """One branch of a block: the tag that opens it, and for `else if` what it tests."""

    tag: Tag
    expression: Expression | None
    body: list["Node"] = field(default_factory=list)


@dataclass(slots=True)
class Block:
    """A block: its first branch, `else` branches, and the tag that closes it."""

    expression: Expression
    is_inverse: bool
    branches: list[Branch]
    close: Tag

    @property
    def line(self) -> int:
        """Where it is opened."""
        return self.branches[0].tag.line


Node = Text | Value | Comment | Partial | Block


def parse_tree(items: list[Item]) -> list[Node]:
    """Put blocks together. Raises HandlebarsError."""
    root: list[Node] = []
    stack: list[Block] = []
    for item in items:
        if isinstance(item, Tag) and item.kind is TagKind.ELSE:
            _else(stack, item)
        elif isinstance(item, Tag) and item.kind in (TagKind.OPEN, TagKind.INVERSE):
            _open(stack, item)
        else:
            node = _node(stack, item)
            body = stack[-1].branches[-1].body if stack else root
            body.append(node)
    if stack:
        name = _name(stack[-1])
        raise HandlebarsError(f"{{{{#{name}}}}} is never closed", stack[-1].line)
    return root


def _node(stack: list[Block], item: Item) -> Node:
    """What a text or a tag that opens nothing comes to."""
    if isinstance(item, Text):
        return item
    if item.kind is TagKind.COMMENT:
        return Comment(item)
    if item.kind is TagKind.CLOSE:
        return _closed(stack, item)
    if item.words.startswith("*"):
        raise HandlebarsError(f"{{{{{item.words}}}}} cannot be imported", item.line)
    expression = parse_expression(item.words, item.line)
    return Partial(item, expression) if item.kind is TagKind.PARTIAL else Value(item, expression)


def _open(stack: list[Block], tag: Tag) -> None:
    if tag.words.startswith((">", "*")):
        raise HandlebarsError(f"{{{{#{tag.words}}}}} cannot be imported", tag.line)
    if len(stack) == MAX_DEPTH:
        raise HandlebarsError(f"blocks are nested deeper than {MAX_DEPTH}", tag.line)
    expression = parse_expression(tag.words, tag.line)
    stack.append(Block(expression, tag.kind is TagKind.INVERSE, [Branch(tag, None)], tag))


def _closed(stack: list[Block], tag: Tag) -> Block:
    if not stack:
        raise HandlebarsError(f"{{{{/{tag.words}}}}} closes nothing", tag.line)
    block = stack.pop()
    if tag.words != _name(block):
        raise HandlebarsError(
            f"{{{{/{tag.words}}}}} closes {{{{#{_name(block)}}}}} of line {block.line}", tag.line
        )
    block.close = tag
    return block


def _else(stack: list[Block], tag: Tag) -> None:
    if not stack:
        raise HandlebarsError("{{else}} stands in no block", tag.line)
    branches = stack[-1].branches
    if len(branches) > 1 and branches[-1].expression is None:
        raise HandlebarsError("there is a second {{else}}", tag.line)
    test = parse_expression(tag.words, tag.line) if tag.words else None
    branches.append(Branch(tag, test))


def _name(block: Block) -> str:
    head = block.expression.head
    return head.text if isinstance(head, Path) else ""
