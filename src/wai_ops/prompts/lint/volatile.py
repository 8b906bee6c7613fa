"""WP002 to WP006: what ends the prefix that a cache could have, too early."""

from collections.abc import Iterator

from wai_ops.core.findings import Finding, Level, Rule
from wai_ops.prompts.lint.look import Look
from wai_ops.prompts.lint.names import Volatile, kind_of_name, volatile_in
from wai_ops.prompts.lint.view import Piece

LEAST_TOKENS = 32
"""Less fixed text than this behind a value is no loss."""
LEAST_SHARE = 0.1
"""Less than this share of the fixed text is no loss either."""

CLOCK = Rule(
    id="WP002",
    name="clock-in-prefix",
    level=Level.ERROR,
    why="A date or time in the prefix is another text at the next tick: what stands behind it is "
    "never read from the cache again.",
    fix="Move it into the last user section, behind the fixed text, or give only what the task "
    "needs of it.",
)
ID = Rule(
    id="WP003",
    name="id-in-prefix",
    level=Level.ERROR,
    why="An id that is new in every call or conversation makes every prefix a different one.",
    fix="Leave it out: a model has no use for it, and metadata carries it to the logs. Or move it "
    "to the end of the last user section.",
)
RANDOM = Rule(
    id="WP004",
    name="random-in-prefix",
    level=Level.ERROR,
    why="What is drawn anew in every call makes every prefix a different one, and no answer can "
    "be repeated.",
    fix="Write the text out, or set `seed` in the parameters where chance is wanted.",
)
COUNTER = Rule(
    id="WP005",
    name="counter-in-prefix",
    level=Level.WARNING,
    why="A number that counts up changes the prefix in every turn or attempt.",
    fix="Move it into the last user section, or leave it out.",
)
EARLY = Rule(
    id="WP006",
    name="variable-before-text",
    level=Level.WARNING,
    why="The stable prefix ends at the first variable. Fixed text behind it is paid in full by "
    "every conversation.",
    fix="Put the fixed text first and what a caller gives last.",
)
RULES = (CLOCK, ID, RANDOM, COUNTER, EARLY)
_OF_KIND = {
    Volatile.CLOCK: (CLOCK, "changes with the time"),
    Volatile.ID: (ID, "is new in every call or conversation"),
    Volatile.RANDOM: (RANDOM, "is drawn by chance"),
    Volatile.COUNTER: (COUNTER, "counts up"),
}


def check_volatile(look: Look) -> Iterator[Finding]:
    """Find values that change by themselves where it costs something, each name once."""
    said: set[tuple[str, str]] = set()
    for at, piece in enumerate(look.view.pieces):
        for kind, name in _volatile(piece):
            rule, words = _OF_KIND[kind]
            if (rule.id, name) in said or not (loss := _loss(look, at, piece)):
                continue
            said.add((rule.id, name))
            yield look.at(rule, piece, f"`{name}` {words}, and {loss}", hint=rule.fix, key=name)


def _volatile(piece: Piece) -> list[tuple[Volatile, str]]:
    """What is volatile in a tag that the text depends on: its own names, and those behind them."""
    if not piece.variables:
        return []
    found = [item for expression in piece.expressions for item in volatile_in(expression)]
    if not found:
        kinds = ((kind_of_name(name), name) for name in sorted(piece.variables))
        found = [(kind, name) for kind, name in kinds if kind is not None]
    return found


def _loss(look: Look, at: int, piece: Piece) -> str | None:
    """What stands behind a piece and is lost with it; None when it is not worth a word."""
    role = look.view.sections[piece.section].role
    behind = look.view.tokens_behind(at)
    if behind >= LEAST_TOKENS:
        return f"about {behind:,} tokens of fixed text stand behind it"
    if role == "system":
        return "every later turn of a conversation has the system text in its prefix"
    if piece.section < len(look.view.sections) - 1:
        return "the messages behind it are lost to the cache with it"
    return None


def check_early(look: Look) -> Iterator[Finding]:
    """Find fixed text behind the first variable, where that is somebody's data."""
    view = look.view
    at = view.first_variable()
    if at is None:
        return
    piece = view.pieces[at]
    if _volatile(piece):
        return
    before, behind = view.tokens_before(at), view.tokens_behind(at)
    if behind < look.options.block_tokens or behind < LEAST_SHARE * (before + behind):
        return
    names = ", ".join(f"`{name}`" for name in sorted(piece.variables)[:3])
    yield look.at(
        EARLY,
        piece,
        f"the stable prefix ends here, after about {before:,} tokens: {names} stands before about "
        f"{behind:,} tokens of fixed text",
        hint=EARLY.fix,
        key="first variable",
    )
