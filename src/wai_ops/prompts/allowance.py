"""What one rendering may use: steps, characters, and a last limit of time.

Every operation that makes something asks here first. No single operation may make more than fits,
so time and memory are bounded by the sum, however a template is written.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any

from wai_ops.core.clock import thread_seconds

MAX_STEPS = 200_000
"""Rounds of loops, calls, filters, tests and arithmetic."""
MAX_CHARACTERS = 16_000_000
"""Everything that is made on the way, also what is thrown away."""
MAX_VALUE = 4_000_000
"""Characters of one text, or of everything in one list."""
MAX_ITEMS = 100_000
"""Elements of one list or mapping, those inside included."""
MAX_BITS = 4096
"""Of a whole number."""
MAX_SECONDS = 0.6
"""Of CPU time: waiting on a busy machine does not count."""


class TooMuch(Exception):  # noqa: N818 - what is said about a template, not about this program
    """The template asks for more than a rendering may use."""


class Allowance:
    """What is left for one rendering."""

    def __init__(self, seconds: Callable[[], float] = thread_seconds) -> None:
        self._steps = MAX_STEPS
        self._characters = MAX_CHARACTERS
        self._now = seconds
        self._end = self._now() + MAX_SECONDS

    def tick(self) -> None:
        """Use one step. Raises TooMuch."""
        self._steps -= 1
        if self._steps < 0:
            raise TooMuch(f"it takes more than {MAX_STEPS} steps")
        if self._now() > self._end:
            raise TooMuch(f"it takes more than {MAX_SECONDS:g} seconds")

    def text(self, length: int) -> None:
        """Use so many characters for one text. Raises TooMuch before there is such a text."""
        if length > MAX_VALUE:
            raise TooMuch(f"a text gets longer than {MAX_VALUE} characters")
        self._characters -= length
        if self._characters < 0:
            raise TooMuch(f"it makes more than {MAX_CHARACTERS} characters")

    def made(self, value: Any) -> Any:
        """Account for a new value and return it; what comes one by one becomes a list."""
        if isinstance(value, str):
            self.text(len(value))
        elif isinstance(value, int):
            check_number(value)
        elif isinstance(value, Iterator):
            return self.made(list(self.each(value)))
        else:
            self.text(weight(value))
        return value

    def each(self, values: Iterable[Any]) -> Iterator[Any]:
        """Go through something, one step an element."""
        for count, value in enumerate(values):
            self.tick()
            if count >= MAX_ITEMS:
                raise TooMuch(f"a list gets longer than {MAX_ITEMS} elements")
            yield value


def check_number(value: int) -> None:
    """Refuse a whole number that takes long to work with. Raises TooMuch."""
    if value.bit_length() > MAX_BITS:
        raise TooMuch(f"a number gets longer than {MAX_BITS} bits")


def weight(value: Any) -> int:
    """How many characters and elements a value has, an element counted as often as it is there.

    So a list that holds one long text a thousand times weighs a thousand texts, because that is
    what going through it costs. Raises TooMuch as soon as it is too much.
    """
    total = items = 0
    waiting: Iterable[Any] = (value,)
    while True:
        inner: list[Iterable[Any]] = []
        for item in waiting:
            size, parts = _measured(item)
            items += 1 + (size if isinstance(item, range) else 0)
            total += 1 + size
            inner += parts
            if items > MAX_ITEMS:
                raise TooMuch(f"a list gets longer than {MAX_ITEMS} elements")
            if total > MAX_VALUE:
                raise TooMuch(f"a list gets longer than {MAX_VALUE} characters")
        if not inner:
            return total
        waiting = chain.from_iterable(inner)


def _measured(item: Any) -> tuple[int, tuple[Iterable[Any], ...]]:
    """How much one element is by itself, and what is inside it."""
    if isinstance(item, str | range):
        return len(item), ()
    if isinstance(item, dict):
        return 0, (item.keys(), item.values())
    if isinstance(item, list | tuple):
        return 0, (item,)
    if isinstance(item, int):
        check_number(item)
    return 0, ()
