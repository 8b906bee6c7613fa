"""WP007: mappings that are gone through in the order in which somebody happened to fill them."""

from collections.abc import Iterator

from jinja2 import nodes

from wai_ops.core.findings import Finding, Level, Rule
from wai_ops.prompts.frontmatter import VariableType
from wai_ops.prompts.lint.look import Look

UNSORTED = Rule(
    id="WP007",
    name="unsorted-mapping",
    level=Level.WARNING,
    why="The same mapping with its keys in another order is another text: the prefix ends there, "
    "though nothing has changed.",
    fix="Go through it with `| dictsort(true)`, or print it with `| tojson`, which sorts.",
    is_fixable=True,
)
RULES = (UNSORTED,)
_VIEWS = frozenset({"items", "keys", "values"})
_SORTING = frozenset({"dictsort", "sort", "tojson"})
_ORDERLESS = frozenset({"length", "count", "sum", "min", "max"})
_THROUGH = frozenset(
    {"list", "join", "map", "first", "last", "batch", "slice", "reverse", "select"}
)


def check_mappings(look: Look) -> Iterator[Finding]:
    """Find them in loops and in what is printed or set."""
    declared = look.source.front.variables or {}
    objects = {name for name, item in declared.items() if item.type is VariableType.OBJECT}
    for piece in look.view.pieces:
        if not piece.holds:
            continue
        for expression in piece.expressions:
            is_loop = piece.word == "for" and expression is piece.expressions[0]
            shown = next(_unsorted(expression, objects, is_gone_through=is_loop), None)
            if shown is not None:
                yield look.at(
                    UNSORTED,
                    piece,
                    f"`{shown}` comes in the order in which the caller filled it",
                    hint=UNSORTED.fix,
                    key=shown,
                )
                break


def _unsorted(node: nodes.Node, objects: set[str], *, is_gone_through: bool) -> Iterator[str]:
    """The mappings in an expression whose order shows, as they are written."""
    if isinstance(node, nodes.Filter):
        if node.name in _SORTING or node.name in _ORDERLESS:
            return
        if node.name == "items" and node.node is not None:
            yield f"{_written(node.node)} | items"
            return
        if node.node is not None:
            through = node.name in _THROUGH
            yield from _unsorted(node.node, objects, is_gone_through=through)
        return
    if viewed := viewed_mapping(node):
        yield f"{_written(viewed[0])}.{viewed[1]}()"
    elif isinstance(node, nodes.Name):
        if is_gone_through and node.name in objects:
            yield node.name
    elif not isinstance(node, nodes.Compare | nodes.Test):  # `x in m` knows no order
        for inner in node.iter_child_nodes():
            yield from _unsorted(inner, objects, is_gone_through=False)


def viewed_mapping(node: nodes.Node) -> tuple[nodes.Node, str] | None:
    """The mapping and the method of `m.items()`, `m.keys()` or `m.values()`; None for others."""
    if not isinstance(node, nodes.Call) or node.args or node.kwargs:
        return None
    method = node.node
    if isinstance(method, nodes.Getattr) and method.attr in _VIEWS:
        return method.node, method.attr
    return None


def _written(node: nodes.Node) -> str:
    """A short way to write an expression."""
    if isinstance(node, nodes.Name):
        return node.name
    if isinstance(node, nodes.Getattr):
        return f"{_written(node.node)}.{node.attr}"
    return "…"
