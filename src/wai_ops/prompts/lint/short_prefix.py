"""WP009: a stable prefix that is shorter than what a cache keeps."""

from collections.abc import Iterator

from wai_ops.core.findings import Finding, Level, Rule
from wai_ops.prompts.lint.look import Look
from wai_ops.prompts.tokens import EstimatingCounter

SHORT = Rule(
    id="WP009",
    name="short-prefix",
    level=Level.WARNING,
    why="Caches keep whole blocks of tokens. A stable prefix below one block is never cached "
    "across conversations.",
    fix="Put all fixed text, tools and examples before the first variable.",
)
RULES = (SHORT,)


def check_prefix(look: Look) -> Iterator[Finding]:
    """Compare prompt and block; where text behind a variable would fill it, WP006 has said so."""
    if look.prefix is None:
        return
    block = look.options.block_tokens
    tokens = EstimatingCounter().count(look.prefix.as_chat(look.source.front.tools))
    first = look.view.first_variable()
    behind = 0 if first is None else look.view.tokens_behind(first)
    if tokens >= block or behind >= block:
        return
    could = tokens + behind >= block
    short = f"the stable prefix has about {tokens:,} tokens, {block - tokens:,} short of a block"
    message = (
        f"{short} of {block:,}; about {behind:,} more stand behind the first variable"
        if could
        else f"{short} of {block:,}: nothing of it is cached across conversations"
    )
    level = Level.WARNING if could else Level.NOTE
    if first is None:
        yield look.in_front(SHORT, "", message, level=level)
        return
    piece = look.view.pieces[first]
    yield look.within(
        SHORT,
        piece,
        0,
        len(piece.text),
        message,
        hint=SHORT.fix if could else "",
        key="prefix",
        level=level,
    )
