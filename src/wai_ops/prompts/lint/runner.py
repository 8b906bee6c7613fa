"""Looking at prompts: every rule over every prompt, what is ignored left out."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from wai_ops.config.problems import nearest
from wai_ops.core.errors import UsageError
from wai_ops.core.findings import Finding, Level, in_order
from wai_ops.core.text import one_line
from wai_ops.prompts.errors import PromptError
from wai_ops.prompts.files import read_below
from wai_ops.prompts.lint.look import Look, Options
from wai_ops.prompts.lint.registry import BY_ID, CHECKS, UNKNOWN_RULE, UNREADABLE
from wai_ops.prompts.lint.view import view_of
from wai_ops.prompts.names import check_prompt_name
from wai_ops.prompts.prefix import stable_prefix
from wai_ops.prompts.source import SUFFIX, Reader, Source, parse_source
from wai_ops.prompts.store import list_names

MOST = 20
"""Findings of one rule in one prompt; the rest is counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Linted:
    """What came of some prompts."""

    findings: tuple[Finding, ...]
    prompt_count: int
    ignored_count: int
    """Findings that were left out because somebody said so."""


def choose_names(folder: Path, names: Sequence[str]) -> list[str]:
    """The prompts to look at: those of these names, or all. Names may be paths of the files.

    Raises PromptError for one that is not there.
    """
    known = list_names(folder)
    chosen = [name.removeprefix(f"{folder.name}/").removesuffix(SUFFIX) for name in names]
    for name in chosen:
        if name not in known:
            near = nearest(name, known)
            raise PromptError(
                f"there is no prompt {one_line(name, 80)!r}",
                where=str(folder),
                hint=f"did you mean {near}?" if near else "see: wai prompts list",
            )
    return list(dict.fromkeys(chosen)) or known


def lint_prompts(folder: Path, names: Sequence[str], options: Options) -> Linted:
    """Look at the prompts of these names. Raises UsageError when a level names no rule."""
    check_levels(options)
    found: dict[Finding, None] = {}
    ignored: set[Finding] = set()
    for name in names:
        for finding, is_ignored in lint_one(name, lambda path: read_below(folder, path), options):
            # What stands in a part is found with every prompt that includes it.
            if is_ignored:
                ignored.add(finding)
            else:
                found[finding] = None
    return Linted(
        findings=tuple(in_order(found)),
        prompt_count=len(names),
        ignored_count=len(ignored - found.keys()),
    )


def check_levels(options: Options) -> None:
    """Raise UsageError when the settings give a level to a rule that there is not."""
    for rule in options.levels:
        if rule not in BY_ID:
            raise UsageError(
                f"prompts.lint.levels: there is no rule {rule}",
                hint="see: wai prompts lint --rules",
            )


def lint_one(name: str, read: Reader, options: Options) -> Iterator[tuple[Finding, bool]]:
    """Look at one prompt; every finding with whether it is ignored."""
    ignore: frozenset[str] = frozenset()
    try:
        source = parse_source(check_prompt_name(name), read)
        findings = list(find_all(source, options))
    except PromptError as error:
        findings = [_unreadable(name, error, read)]
    except RecursionError:
        where = f"prompts/{name}.prompt"
        findings = [_unreadable(name, PromptError("is nested too deeply", where=where), read)]
    else:
        ignore = frozenset(source.front.lint.ignore)
        findings += [_unknown(source, rule) for rule in sorted(ignore) if rule not in BY_ID]
    for finding in findings:
        level = options.levels.get(finding.rule, finding.level)
        if level is None or finding.rule in ignore:
            yield finding, True
        else:
            yield replace(finding, level=level), False


def find_all(source: Source, options: Options) -> Iterator[Finding]:
    """Everything that all rules find. Raises PromptError for a prompt that cannot be rendered."""
    view = view_of(source)
    declared = source.front.variables
    # An undeclared variable stands in the way of a prefix; WP016 names it, at every place.
    is_whole = declared is None or view.used.keys() <= declared.keys()
    prefix = stable_prefix(source) if is_whole else None
    look = Look(source=source, view=view, prefix=prefix, options=options)
    for check in CHECKS:
        yield from _at_most(check(look))


def _at_most(findings: Iterator[Finding]) -> Iterator[Finding]:
    counts: Counter[str] = Counter()
    last: dict[str, Finding] = {}
    for finding in findings:
        counts[finding.rule] += 1
        if counts[finding.rule] <= MOST:
            yield finding
        else:
            last.setdefault(finding.rule, finding)
    for rule, finding in last.items():
        more = counts[rule] - MOST - 1
        words = f" (and {more:,} more of this rule)" if more else ""
        yield replace(finding, message=finding.message + words)


def _unreadable(name: str, error: PromptError, read: Reader) -> Finding:
    place, line, column = _place(error.where or "", name)
    hint = error.hint or ""
    if not hint and _looks_like_handlebars(place, read):
        hint = f"this looks like Handlebars: wai prompts import --force {place}"
    return Finding(
        rule=UNREADABLE.id,
        level=UNREADABLE.level,
        message=error.message,
        file=place,
        line=line,
        column=column,
        hint=hint,
    )


def _looks_like_handlebars(place: str, read: Reader) -> bool:
    try:
        content = read(place.partition("/")[2])
    except PromptError:
        return False
    return any(sign in content for sign in (b"{{#", b"{{/", b"{{>", b"{{role ", b"{{else}}"))


def _place(where: str, name: str) -> tuple[str, int, int]:
    """Take `file:line:column` apart; line and column are 0 where there is none."""
    path, *numbers = where.split(":")
    marks = [int(number) for number in numbers[:2] if number.isdigit()]
    line, column = [*marks, 0, 0][:2]
    return path or f"prompts/{name}.prompt", line, column


def _unknown(source: Source, rule: str) -> Finding:
    return Finding(
        rule=UNKNOWN_RULE.id,
        level=Level.WARNING,
        message=f"lint.ignore: there is no rule {rule}",
        file=source.path,
        line=source.front.lines.get("lint", 1),
        hint=UNKNOWN_RULE.fix,
        key=rule,
    )
