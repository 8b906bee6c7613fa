"""A whole route: its elements by id, checked so that every walk through them ends."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wai_ops.emulator.gateway.dynamic_routes.elements import (
    Element,
    ElementError,
    End,
    Start,
    parse_element,
    targets,
)


class RouteError(ValueError):
    """The elements make no route; `problems` has one line for each mistake."""

    def __init__(self, problems: Sequence[str]) -> None:
        """Keep all of them."""
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Route:
    """A route that can be walked."""

    start: Start
    elements: Mapping[str, Element]


def is_valid(elements: Any) -> bool:
    """What the API calls a version's `is_valid`."""
    return not find_problems(elements)


def find_problems(elements: Any) -> tuple[str, ...]:
    """All mistakes of a graph, in the order of its elements; empty when it can be walked."""
    try:
        parse_route(elements)
    except RouteError as error:
        return error.problems
    return ()


def parse_route(elements: Any) -> Route:
    """Read the `elements` of a route version. Raises RouteError.

    Elements that no way leads to must be well formed and do no harm otherwise.
    """
    if not isinstance(elements, list):
        raise RouteError(["elements must be a list"])
    problems: list[str] = []
    parsed: dict[str, Element] = {}
    for value in elements:
        try:
            element = parse_element(value)
        except ElementError as error:
            problems.append(str(error))
            continue
        if element.id in parsed:
            problems.append(f"{element.id}: two elements have this id")
        parsed[element.id] = element
    starts = [element for element in parsed.values() if isinstance(element, Start)]
    if len(starts) != 1:
        problems.append(f"a route has one start element, not {len(starts)}")
    if not any(isinstance(element, End) for element in parsed.values()):
        problems.append("a route needs an end element")
    if problems:  # what is missing then may only be what could not be read
        raise RouteError(problems)
    problems = [
        f"{element.id}: there is no element {target}"
        for element in parsed.values()
        for target in dict.fromkeys(targets(element))
        if target not in parsed
    ]
    if not problems and (loop := _find_cycle(starts[0], parsed)) is not None:
        problems = [f"{loop}: the way from here leads back here"]
    if problems:
        raise RouteError(problems)
    return Route(starts[0], parsed)


def _find_cycle(start: Start, elements: Mapping[str, Element]) -> str | None:
    """An element that can be reached from the start and from itself."""
    done: set[str] = set()
    under_way = {start.id}
    stack = [(start.id, iter(targets(start)))]
    while stack:
        element_id, ways = stack[-1]
        target = next(ways, None)
        if target is None:
            stack.pop()
            under_way.discard(element_id)
            done.add(element_id)
        elif target in under_way:
            return target
        elif target not in done:
            under_way.add(target)
            stack.append((target, iter(targets(elements[target]))))
    return None
