"""What a variable holds, told by its name: a time, an id, chance, a count.

Names are cut into words. A kind is only told when every word fits it: `current_date` is a clock,
`order_date` is somebody's data.
"""

import re
from collections.abc import Iterator
from enum import Enum

from jinja2 import nodes


class Volatile(Enum):
    """Why a value is another one in the next call."""

    CLOCK = "clock"
    ID = "id"
    RANDOM = "random"
    COUNTER = "counter"


_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_MOST_NAME = 200

_CLOCK_ALONE = frozenset(
    {"now", "today", "todays", "utcnow", "timestamp", "datetime", "yesterday", "tomorrow"}
)
_CLOCK_NOUNS = frozenset({"date", "time", "datetime", "timestamp", "day", "weekday", "year"})
_CLOCK_NOW = frozenset({"current", "now", "today", "todays", "utc", "local", "system", "server"})
_AROUND = frozenset(
    {"ctx", "context", "env", "meta", "vars", "globals", "the", "s", "iso", "formatted", "str"}
    | {"string", "text", "of", "week", "is", "in", "ms", "seconds", "unix", "epoch", "value"}
)
_ID_NOUNS = frozenset({"id", "uuid", "guid", "ulid", "nonce"})
_ID_ALONE = frozenset({"uuid", "guid", "ulid", "nonce"})
_CALLS = frozenset(
    {"request", "req", "trace", "span", "run", "message", "msg", "call", "correlation"}
    | {"invocation", "session", "conversation", "chat", "turn", "event", "log", "attempt"}
    | {"transaction", "thread", "interaction"}
)
_CHANCE = frozenset({"random", "rand", "salt", "shuffled", "randomized", "randomised"})
_CHANCE_NOUNS = frozenset(
    {"seed", "value", "number", "id", "string", "suffix", "prefix", "token", "tokens", "int"}
    | {"example", "examples", "order", "list", "items", "choice", "sample", "text"}
)
_COUNTED = frozenset(
    {"turn", "attempt", "retry", "request", "call", "message", "iteration", "sequence", "run"}
)
_COUNTS = frozenset({"index", "number", "count", "counter", "no", "nr"})
_COUNTERS = frozenset(
    {"counter", "turn", "attempt", "iteration", "attempts left", "tokens left", "tokens used"}
    | {"remaining tokens", "tokens remaining", "budget left", "remaining budget"}
    | {"retries left", "turns left"}
)
_FUNCTIONS = {
    **dict.fromkeys(
        ("now", "utcnow", "today", "strftime", "time", "gmtime", "localtime", "timestamp"),
        Volatile.CLOCK,
    ),
    **dict.fromkeys(("uuid", "uuid1", "uuid4", "uuid7", "ulid", "token_hex"), Volatile.ID),
    **dict.fromkeys(
        ("random", "randint", "randrange", "choice", "shuffle", "sample", "lipsum"),
        Volatile.RANDOM,
    ),
}


def kind_of_name(name: str) -> Volatile | None:
    """Tell what a name promises to hold; None where it could be anybody's data."""
    words = [word.lower() for word in _WORDS.findall(name[:_MOST_NAME])]
    found = set(words)
    if not words:
        return None
    if _is_clock(found, words):
        return Volatile.CLOCK
    rest = {word for word in found if not word.isdigit()} - _AROUND - {"current", "unique", "new"}
    if found & _ID_NOUNS and rest <= _ID_NOUNS | _CALLS and (rest & _CALLS or rest & _ID_ALONE):
        return Volatile.ID
    if found & _CHANCE and rest <= _CHANCE | _CHANCE_NOUNS:
        return Volatile.RANDOM
    if " ".join(words) in _COUNTERS or (
        len(rest) == 2 and rest & _COUNTED and rest & _COUNTS and rest <= _COUNTED | _COUNTS
    ):
        return Volatile.COUNTER
    return None


def _is_clock(found: set[str], words: list[str]) -> bool:
    if not found <= _CLOCK_ALONE | _CLOCK_NOUNS | _CLOCK_NOW | _AROUND:
        return False
    if found & _CLOCK_ALONE or (found & _CLOCK_NOUNS and found & _CLOCK_NOW):
        return True
    return words in (["date"], ["time"])


def volatile_in(expression: nodes.Node) -> Iterator[tuple[Volatile, str]]:
    """What an expression holds of the kind, each with the name that tells."""
    for node in _all(expression):
        if isinstance(node, nodes.Call):
            last = _path(node.node)[-1:]
            if last and last[0] in _FUNCTIONS:
                yield _FUNCTIONS[last[0]], f"{'.'.join(_path(node.node))}()"
        elif isinstance(node, nodes.Filter) and node.name == "random":
            yield Volatile.RANDOM, "random"
        elif isinstance(node, nodes.Name | nodes.Getattr | nodes.Getitem):
            path = _path(node)
            if path and (kind := kind_of_name("_".join(path))):
                yield kind, ".".join(path)


def _all(expression: nodes.Node) -> Iterator[nodes.Node]:
    """The expression and what is in it; a chain of attributes counts once, as a whole."""
    waiting = [expression]
    while waiting:
        node = waiting.pop()
        yield node
        is_chain = isinstance(node, nodes.Getattr | nodes.Getitem) and _path(node)
        if not is_chain:
            waiting.extend(node.iter_child_nodes())


def _path(node: nodes.Node) -> list[str]:
    """`a.b["c"]` as its names; empty for anything else."""
    names: list[str] = []
    while True:
        if isinstance(node, nodes.Name):
            return [node.name, *reversed(names)]
        if isinstance(node, nodes.Getattr):
            names.append(node.attr)
        elif isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
            names.append(str(node.arg.value))
        else:
            return []
        node = node.node
