"""Which variables of a prompt stand behind a name inside its template.

Names are followed through `set`, `with`, loops and macros, whatever the order: what could reach a
name counts.
"""

from collections.abc import Callable, Iterator

from jinja2 import nodes


def variables_behind(
    tree: nodes.Template, wanted: frozenset[str]
) -> Callable[[str], frozenset[str]]:
    """Return a function: name -> those of the wanted variables that its value may come from."""
    edges: dict[str, set[str]] = {}
    macros: dict[str, list[str]] = {}
    for macro in tree.find_all(nodes.Macro):
        arguments = [argument.name for argument in macro.args]
        macros[macro.name] = arguments
        edges.setdefault(macro.name, set()).update(_names(macro))
        for argument, default in zip(arguments[::-1], macro.defaults[::-1], strict=False):
            edges.setdefault(argument, set()).update(_names(default))
    for node in tree.find_all(nodes.Node):
        for target, value in _assigned(node, macros):
            edges.setdefault(target, set()).update(_names(value))
    known: dict[str, frozenset[str]] = {}

    def behind(name: str) -> frozenset[str]:
        if name not in known:
            known[name] = _reached(name, edges) & wanted
        return known[name]

    return behind


def _reached(name: str, edges: dict[str, set[str]]) -> frozenset[str]:
    seen, waiting = {name}, [name]
    while waiting:
        for other in edges.get(waiting.pop(), ()):
            if other not in seen:
                seen.add(other)
                waiting.append(other)
    return frozenset(seen)


def _assigned(node: nodes.Node, macros: dict[str, list[str]]) -> Iterator[tuple[str, nodes.Node]]:
    """Pairs of a local name and something that its value is made of."""
    if isinstance(node, nodes.For):
        yield from ((name, node.iter) for name in _targets(node.target))
    elif isinstance(node, nodes.Assign):
        yield from ((name, node.node) for name in _targets(node.target))
    elif isinstance(node, nodes.AssignBlock):
        for name in _targets(node.target):
            yield from ((name, inner) for inner in node.body)
    elif isinstance(node, nodes.With):
        for target, value in zip(node.targets, node.values, strict=True):
            yield from ((name, value) for name in _targets(target))
    elif isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name):
        for argument in macros.get(node.node.name, ()):
            yield from ((argument, value) for value in node.args)
            yield from ((argument, value.value) for value in node.kwargs)


def _targets(target: nodes.Node) -> Iterator[str]:
    for inner in (target, *target.find_all(nodes.Expr)):
        if isinstance(inner, nodes.Name | nodes.NSRef):
            yield inner.name


def _names(node: nodes.Node) -> Iterator[str]:
    if isinstance(node, nodes.Name):
        yield node.name
    for inner in node.find_all(nodes.Name):
        if inner.ctx == "load":
            yield inner.name
