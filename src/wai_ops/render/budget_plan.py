"""A plan for people: lines in the manner of Terraform, and Markdown for a review.

Names and values of others' objects come from the network: they are made printable here, and in
Markdown they can end neither their cell nor their fence.
"""

import json
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from wai_ops.control.budgets.diff import Change, Op
from wai_ops.control.budgets.native import Kind
from wai_ops.control.budgets.normal import POLICY_FIELDS
from wai_ops.control.budgets.plan import Plan
from wai_ops.core.text import one_line
from wai_ops.render.markdown import escape

_MARKS = {Op.CREATE: "+", Op.UPDATE: "~", Op.DELETE: "-"}
_STYLES = {"+": "32", "~": "33", "-": "31", "!": "31;1", "#": "1"}
_DIFF_MARKS = {"+": "+", "-": "-", "~": "!", "!": "!", "#": "#"}
_LONGEST = 240
_ON_ONE_LINE = 60
Line = tuple[str, str]
"""A mark that decides on the colour, and the text."""


def to_text(plan: Plan, *, has_colour: bool, is_explained: bool = False) -> str:
    """Lines for people. Explained: with the reason for each form, and what passes it."""
    lines = list(plan_lines(plan, is_explained=is_explained))
    if not has_colour:
        return "".join(f"{text}\n" for _, text in lines)
    return "".join(
        f"\x1b[{_STYLES[mark]}m{text}\x1b[0m\n" if mark in _STYLES else f"{text}\n"
        for mark, text in lines
    )


def to_markdown(plan: Plan) -> str:
    """A review for a pull request: a headline, then the changes and what to know, as a diff."""
    lines = [
        _diff_line(mark, text)
        for mark, text in [*_changes(plan.changes), *_remarks(plan), *_held(plan)]
    ]
    # A fence that nothing inside can close.
    longest = max((len(run) for run in re.findall("`+", "\n".join(lines))), default=0)
    fence = "`" * max(3, longest + 1)
    parts = [f"### wai budget plan: {escape(headline(plan))}", "", f"{fence}diff", *lines, fence]
    return "\n".join(parts) + "\n"


def headline(plan: Plan) -> str:
    """`gateway default: 2 to create, 1 to change, 0 to delete`."""
    if plan.is_empty:
        return f"gateway {plan.gateway_id}: nothing to change"
    counts = {op: sum(change.op is op for change in plan.changes) for op in Op}
    text = (
        f"gateway {plan.gateway_id}: {counts[Op.CREATE]} to create, "
        f"{counts[Op.UPDATE]} to change, {counts[Op.DELETE]} to delete"
    )
    return text + (f", {len(plan.conflicts)} in the way" if plan.conflicts else "")


def plan_lines(plan: Plan, *, is_explained: bool) -> Iterator[Line]:
    """All lines, each with its mark."""
    yield "#", headline(plan)
    yield from _changes(plan.changes)
    yield from _remarks(plan)
    yield from _held(plan, is_explained=is_explained)


def _changes(changes: Sequence[Change]) -> Iterator[Line]:
    for change in changes:
        mark = _MARKS[change.op]
        about = f"  (budget {change.budget})" if change.budget else ""
        yield " ", ""
        yield mark, f"  {mark} {_clean(str(change.ref))}{about}"
        before = _flat(change.ref.kind, change.before)
        after = _flat(change.ref.kind, change.after)
        if change.op is Op.DELETE:
            continue
        for name in [*after, *(key for key in before if key not in after)]:
            yield from _field(mark, name, before.get(name), after.get(name))
        if change.has_draft:
            yield mark, "      a draft that an earlier push left is replaced"


def _field(mark: str, name: str, before: str | None, after: str | None) -> Iterator[Line]:
    if mark == "+":
        yield mark, f"      {name}: {after}"
    elif before != after:
        was, will = before or "(none)", after or "(none)"
        if len(was) + len(will) <= _ON_ONE_LINE:
            yield mark, f"      {name}: {was} -> {will}"
        else:
            yield mark, f"      {name}:"
            yield mark, f"        {was}"
            yield mark, f"     -> {will}"


def _remarks(plan: Plan) -> Iterator[Line]:
    if plan.conflicts:
        yield " ", ""
        yield "!", "In the way; nothing can be pushed:"
        for conflict in plan.conflicts:
            yield "!", f"  ! {_clean(str(conflict.ref))}: {_clean(conflict.why)}"
            yield " ", f"      {_clean(conflict.hint)}"
    if plan.missing:
        yield " ", ""
        yield (
            "!",
            "Removed by somebody since the last push: "
            + ", ".join(_clean(str(ref)) for ref in plan.missing),
        )
    if plan.turns_on_default_deny:
        yield " ", ""
        yield "!", "This is the gateway's first policy: it then refuses (403) every call that no"
        yield "!", "policy is about. Needs --accept-default-deny, or guards.unmatched: allow."
    unfit = [item for item in plan.unfit if item.is_wanted]
    if unfit:
        yield " ", ""
        yield "!", "Asked for, and not possible:"
        for item in unfit:
            yield "!", f"  ! {item.budget} as {item.form.value}: {_clean(item.why)}"


def _held(plan: Plan, *, is_explained: bool = False) -> Iterator[Line]:
    """Each budget with the forms that hold it; explained: why, and what passes them."""
    forms = _forms(plan)
    if forms:
        yield " ", ""
        yield "#", "How budgets are held:" if is_explained else "Held by (--why explains):"
    for name in sorted(forms):
        if not is_explained:
            yield " ", f"  {name}: {' and '.join(forms[name])}"
            continue
        for form, (why, gaps) in forms[name].items():
            yield " ", f"  {name}: {form}"
            yield from _wrapped(f"because {why}")
            for gap in gaps:
                yield from _wrapped(f"- {gap}")
        for item in plan.unfit:
            if item.budget == name and not item.is_wanted:
                yield from _wrapped(f"not {item.form.value}: {item.why}")


def _forms(plan: Plan) -> dict[str, dict[str, tuple[str, tuple[str, ...]]]]:
    """Budget -> form -> why, and what passes it."""
    found: dict[str, dict[str, tuple[str, tuple[str, ...]]]] = {}
    for guard in plan.guards:
        if guard.budget:
            found.setdefault(guard.budget, {})[guard.form.value] = (guard.why, guard.gaps)
    for held in plan.local:
        found.setdefault(held.budget, {})["local"] = (held.why, held.gaps)
    return found


def _wrapped(text: str) -> Iterator[Line]:
    indent = " " * (8 if text.startswith("- ") else 6)
    for line in textwrap.wrap(
        text, 78, initial_indent=" " * 6, subsequent_indent=indent, break_on_hyphens=False
    ):
        yield " ", line


def _flat(kind: Kind, body: Mapping[str, Any] | None) -> dict[str, str]:
    """Dotted name -> value, for what we set; ids and times of the API are left out."""
    if body is None:
        return {}
    if kind is Kind.POLICY:
        body = {name: body[name] for name in POLICY_FIELDS if name in body}
    if kind is Kind.ROUTE:
        elements = body.get("elements") or []
        return {_clean(str(e.get("id"))): _element(e) for e in elements if isinstance(e, Mapping)}
    return dict(_leaves(body, ""))


def _element(element: Mapping[str, Any]) -> str:
    """`rate {...} success -> model, fallback -> cheaper`."""
    outputs = element.get("outputs")
    ways = [
        f"{name} -> {target.get('elementId')}"
        for name, target in (outputs.items() if isinstance(outputs, Mapping) else ())
        if isinstance(target, Mapping)
    ]
    properties = element.get("properties")
    inner = " " + json.dumps(properties, ensure_ascii=False) if properties else ""
    return _clean(f"{element.get('type')}{inner} {', '.join(ways)}".rstrip())


def _leaves(value: Any, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _leaves(item, f"{name}.{_clean(str(key))}" if name else _clean(str(key)))
    else:
        yield name, _clean(json.dumps(value, ensure_ascii=False))


def _clean(text: str) -> str:
    return one_line(text, _LONGEST)


def _diff_line(mark: str, text: str) -> str:
    """A mark in the first column, which is what colours a diff."""
    if mark not in _DIFF_MARKS:
        return f"  {text}".rstrip()
    bare = text.strip().removeprefix(mark).strip()
    return f"{_DIFF_MARKS[mark]} {' ' * max(0, len(text) - len(text.lstrip()) - 2)}{bare}"
