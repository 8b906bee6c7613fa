"""The review of a changed prompt for people: plain or coloured lines, and Markdown.

Everything that comes from a template is untrusted: it is made printable here, and in Markdown it
can end neither its cell nor its fence.
"""

import re
import textwrap
from collections.abc import Iterator, Sequence
from decimal import Decimal

from wai_ops.core.table import Unit
from wai_ops.core.text import one_line, printable
from wai_ops.prompts.diff import PrefixEnd, VersionDiff
from wai_ops.prompts.diff_parts import TextChange
from wai_ops.render.markdown import escape, to_markdown
from wai_ops.render.units import to_human
from wai_ops.runtime.prompt_money import PromptMoney, TrafficSource
from wai_ops.runtime.prompt_review import PromptReview

MOST_LINES = 400
"""Lines of text that Markdown shows of one part."""
_LONGEST_LINE = 2000
_LONGEST_VALUE = 200
_STYLES = {"+": "green", "-": "red", "@": "cyan", "#": "bold", " ": ""}
Line = tuple[str, str]
"""A mark that decides on the style, and the text."""


def to_text(review: PromptReview, *, width: int | None, has_colour: bool) -> str:
    """Lines for people. `width` None: no terminal, nothing is cut."""
    lines = list(_lines(review, width))
    if has_colour:
        return _coloured(lines)
    return "".join(f"{text}\n" for _, text in lines)


def headline(review: PromptReview) -> str:
    """What the change does to cache, size and money, in one line."""
    diff = review.diff
    if diff.is_same:
        return "nothing that decides behaviour differs"
    parts = [_prefix_words(diff), f"{_signed(diff.tokens.delta_tokens)} tokens a request"]
    total = review.money.total if review.money else None
    if total is not None:
        parts.append(f"{_signed_usd(total.delta_usd)} a month")
        if total.rewarm_usd != 0:
            parts.append(f"{_usd(total.rewarm_usd)} once to warm running conversations again")
        if review.money and review.money.source is TrafficSource.ASSUMED:
            parts.append("at assumed traffic")
    elif review.money is not None:
        parts.append("money not known: no traffic")
    return ", ".join(parts)


def _prefix_words(diff: VersionDiff) -> str:
    prefix = diff.prefix
    before, after = prefix.before_cacheable_tokens, prefix.after_cacheable_tokens
    if before == after == prefix.shared_cacheable_tokens:
        return f"stable prefix as before ({after:,} tokens)"
    shared = prefix.shared_cacheable_tokens
    return f"stable prefix {before:,} -> {after:,} tokens ({shared:,} in common)"


def to_md(review: PromptReview) -> str:
    """A Markdown page: the verdict's line, figures, differences, notes."""
    verdict = review.verdict.value.upper()
    head = f"## {escape(one_line(title(review)))}"
    parts = [head, f"**{verdict}** · {escape(headline(review))}", *to_sections(review)]
    parts += [f"- {escape(one_line(item.message, 1000))}" for item in review.findings]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def title(review: PromptReview) -> str:
    """`triage@3 -> triage@work`."""
    diff = review.diff
    return f"{diff.before.reference} -> {diff.after.reference}"


def to_sections(review: PromptReview) -> list[str]:
    """The parts of a Markdown page below its first line."""
    diff = review.diff
    if diff.is_same:
        return []
    found = [_figures_md(diff), _ends_md(diff)]
    money = review.money
    if money is not None and money.rows:
        found.append(to_markdown(money.table()))
    if diff.changes:
        rows = [(item.what, item.before, item.after) for item in diff.changes]
        found.append(_table_md(("What", "Before", "After"), rows))
    found += [_text_md(item) for item in diff.texts]
    if review.notes:
        found.append("\n".join(f"- {escape(one_line(note, 1000))}" for note in review.notes))
    return found


def _lines(review: PromptReview, width: int | None) -> Iterator[Line]:
    diff = review.diff
    yield "#", one_line(title(review), _LONGEST_VALUE)
    for line in _wrapped(headline(review), width):
        yield " ", line
    if diff.is_same:
        return
    for item in diff.texts:
        yield " ", ""
        yield from _text_lines(item, width)
    if diff.changes:
        yield " ", ""
        yield from _change_lines(diff)
    yield " ", ""
    yield from _divergence_lines(diff)
    yield " ", ""
    yield from _figure_lines(diff)
    if review.money is not None and review.money.rows:
        yield " ", ""
        yield from _money_lines(review.money, width)
    yield " ", ""
    for finding in review.findings:
        yield "-", f"{finding.level.value} {finding.rule}: {one_line(finding.message)}"
    yield "#", f"verdict: {review.verdict.value}"


def _wrapped(text: str, width: int | None) -> list[str]:
    if width is None:
        return [text]
    return textwrap.wrap(text, max(width, 40), break_on_hyphens=False)


def _text_lines(item: TextChange, width: int | None) -> Iterator[Line]:
    yield "#", f"{one_line(item.part)}: {item.state}, +{item.added_count} -{item.removed_count}"
    for hunk in item.hunks:
        yield "@", f"  @@ line {hunk.before_line} -> line {hunk.after_line} @@"
        for line in hunk.lines:
            text = f"  {line.sign} {_shown(line.text)}".rstrip()
            # What changed is shown to its end; what stands around it says where that is.
            is_cut = width is not None and line.sign == " " and len(text) > max(width, 20)
            yield line.sign, f"{text[: max(width or 0, 20) - 1]}…" if is_cut else text


def _change_lines(diff: VersionDiff) -> Iterator[Line]:
    label = max(len(item.what) for item in diff.changes)
    for item in diff.changes:
        pair = f"{_value(item.before)} -> {_value(item.after)}"
        yield " ", f"{one_line(item.what).ljust(min(label, 32))}  {pair}"


def _divergence_lines(diff: VersionDiff) -> Iterator[Line]:
    found = diff.divergence
    if found is None:
        yield " ", "the model is sent the same text"
        return
    part = one_line(found.part)
    place = "another model" if part == "model" else f"{part}, character {found.character:,}"
    yield "#", f"first difference: {place}; token {found.token:,} of the request"
    for sign, at, text in (
        ("-", found.before_place, found.before),
        ("+", found.after_place, found.after),
    ):
        where = f"{one_line(at)}: " if at else ""
        yield sign, f"  {sign} {where}{one_line(text, _LONGEST_VALUE)}"


def _figures(diff: VersionDiff) -> list[tuple[str, int | None, int, int | None]]:
    """What, before, after, change."""
    prefix, tokens = diff.prefix, diff.tokens
    cacheable = prefix.before_cacheable_tokens, prefix.after_cacheable_tokens
    return [
        (
            "Tokens of a first request",
            tokens.before_tokens,
            tokens.after_tokens,
            tokens.delta_tokens,
        ),
        (
            "Stable prefix",
            prefix.before_tokens,
            prefix.after_tokens,
            prefix.after_tokens - prefix.before_tokens,
        ),
        ("  in whole blocks", *cacheable, cacheable[1] - cacheable[0]),
        ("  in common", None, prefix.shared_cacheable_tokens, None),
    ]


def _figure_lines(diff: VersionDiff) -> Iterator[Line]:
    yield "#", f"{'':26}{'Before':>12}{'After':>12}{'Change':>12}"
    for label, before, after, delta in _figures(diff):
        cells = [
            "" if before is None else f"{before:,}",
            f"{after:,}",
            "" if delta is None else _signed(delta),
        ]
        yield " ", f"{label:26}{cells[0]:>12}{cells[1]:>12}{cells[2]:>12}".rstrip()
    for label, end in (
        ("before", diff.prefix.before_ends_at),
        ("after", diff.prefix.after_ends_at),
    ):
        yield " ", f"  ends {label:7} {_end(end)}"


def _end(end: PrefixEnd) -> str:
    if end.place is None:
        return "nowhere: every conversation is sent the same"
    return f"{one_line(end.place)} ({one_line(end.variable or 'a variable', 80)})"


def _money_lines(money: PromptMoney, width: int | None) -> Iterator[Line]:
    from wai_ops.render.tables import render

    yield (
        "#",
        ("Assumed traffic" if money.source is TrafficSource.ASSUMED else "Observed traffic")
        + ", dollars of 30 days",
    )
    for line in render(money.table(), "table", terminal_width=width).splitlines():
        yield " ", line


def _coloured(lines: Sequence[Line]) -> str:
    import io

    from rich.console import Console
    from rich.text import Text

    console = Console(file=io.StringIO(), force_terminal=True, highlight=False, soft_wrap=True)
    with console.capture() as capture:
        for mark, text in lines:
            # What was drawn already keeps its own colours.
            shown = Text.from_ansi(text) if mark == " " else Text(text, style=_STYLES[mark])
            console.print(shown)
    return capture.get()


def _shown(text: str) -> str:
    text = printable(text.replace("\t", "    "))
    return text if len(text) <= _LONGEST_LINE else text[: _LONGEST_LINE - 1] + "…"


def _value(value: str | None) -> str:
    return "(not there)" if value is None else one_line(value, _LONGEST_VALUE)


def _signed(number: int) -> str:
    return f"{number:+,}" if number else "0"


def _usd(amount: Decimal | None) -> str:
    return "unknown" if amount is None else to_human(amount, Unit.USD)


def _signed_usd(amount: Decimal | None) -> str:
    return f"+{_usd(amount)}" if amount is not None and amount > 0 else _usd(amount)


def _figures_md(diff: VersionDiff) -> str:
    rows = [
        (
            label.strip() if label[0] != " " else f"… {label.strip()}",
            "" if before is None else f"{before:,}",
            f"{after:,}",
            "" if delta is None else _signed(delta),
        )
        for label, before, after, delta in _figures(diff)
    ]
    return _table_md(("Tokens", "Before", "After", "Change"), rows, is_numeric=True)


def _ends_md(diff: VersionDiff) -> str:
    found = diff.divergence
    lines = []
    if found is not None:
        where = f" ({one_line(found.after_place)})" if found.after_place else ""
        lines.append(
            f"First difference: {found.part}, character {found.character:,}{where}, token"
            f" {found.token:,}"
        )
    lines += [
        f"The stable prefix ends, before: {_end(diff.prefix.before_ends_at)}",
        f"The stable prefix ends, after: {_end(diff.prefix.after_ends_at)}",
    ]
    return "\n".join(f"- {escape(one_line(line, 1000))}" for line in lines)


def _table_md(
    header: Sequence[str], rows: Sequence[Sequence[str | None]], *, is_numeric: bool = False
) -> str:
    rule = ["---", *("---:" if is_numeric else "---" for _ in header[1:])]
    lines = [f"| {' | '.join(header)} |", f"| {' | '.join(rule)} |"]
    for row in rows:
        cells = (escape(_value(cell)) for cell in row)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _text_md(item: TextChange) -> str:
    lines = [
        text
        for hunk in item.hunks
        for text in (
            f"@@ -{hunk.before_line} +{hunk.after_line} @@",
            *(f"{line.sign}{_shown(line.text)}" for line in hunk.lines),
        )
    ]
    if len(lines) > MOST_LINES:
        lines = [*lines[:MOST_LINES], f"@@ {len(lines) - MOST_LINES:,} more lines @@"]
    longest = max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    head = f"{item.part}: {item.state}, +{item.added_count} -{item.removed_count}"
    return "\n".join([f"### {escape(one_line(head))}", "", f"{fence}diff", *lines, fence])
