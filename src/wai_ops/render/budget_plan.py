"""A plan for people: lines in the manner of Terraform, and Markdown for a review.

Names and values of others' objects come from the network: they are made printable here, and in
Markdown they can end neither their cell nor their fence.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from wai_ops.control.budgets.diff import Change, Op
from wai_ops.control.budgets.native import Guard, Kind
from wai_ops.control.budgets.normal import POLICY_FIELDS
from wai_ops.control.budgets.plan import Plan
from wai_ops.core.text import one_line
from wai_ops.render.markdown import escape

_MARKS = {Op.CREATE: "+", Op.UPDATE: "~", Op.DELETE: "-"}
_STYLES = {"+": "32", "~": "33", "-": "31", "!": "31;1", "#": "1"}
_LONGEST = 160
Line = tuple[str, str]
"""A mark that decides on the colour, and the text."""


def to_text(plan: Plan, *, has_colour: bool) -> str:
    """Lines for people."""
    lines = list(plan_lines(plan))
    if not has_colour:
        return "".join(f"{text}\n" for _, text in lines)
    return "".join(
        f"\x1b[{_STYLES[mark]}m{text}\x1b[0m\n" if mark in _STYLES else f"{text}\n"
        for mark, text in lines
    )


def to_markdown(plan: Plan) -> str:
    """A review for a pull request: a headline, the changes as a diff, what to know."""
    parts = [f"### wai budget plan: {escape(headline(plan))}", ""]
    body = [text for _, text in _changes(plan.changes)]
    if body:
        # A fence that nothing inside can close.
        longest = max((len(run) for run in _ticks(body)), default=0)
        fence = "`" * max(3, longest + 1)
        parts += [f"{fence}diff", *(_diff_line(text) for text in body), fence, ""]
    parts += [f"- {escape(text.strip())}" for _, text in _remarks(plan) if text.strip()]
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


def plan_lines(plan: Plan) -> Iterator[Line]:
    """All lines, each with its mark."""
    yield "#", headline(plan)
    yield from _changes(plan.changes)
    yield from _remarks(plan)


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
        yield mark, f"      {name}: {before or '(none)'} -> {after or '(none)'}"


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
    yield from _held(plan)


def _held(plan: Plan) -> Iterator[Line]:
    """Each budget with its forms, why, and what passes them."""
    names = sorted({g.budget for g in plan.guards if g.budget} | {x.budget for x in plan.local})
    if names:
        yield " ", ""
        yield "#", "How budgets are held:"
    for name in names:
        forms = {guard.form.value: guard for guard in plan.guards if guard.budget == name}
        for form, guard in forms.items():
            yield " ", f"  {name}: {form}, because {guard.why}"
            yield from _gaps(guard)
        for held in plan.local:
            if held.budget == name:
                yield " ", f"  {name}: local, because {held.why}"
                for gap in held.gaps:
                    yield " ", f"      passes: {gap}"
        for item in plan.unfit:
            if item.budget == name and not item.is_wanted:
                yield " ", f"      not {item.form.value}: {item.why}"


def _gaps(guard: Guard) -> Iterator[Line]:
    for gap in guard.gaps:
        yield " ", f"      passes: {gap}"


def _flat(kind: Kind, body: Mapping[str, Any] | None) -> dict[str, str]:
    """Dotted name -> value, for what we set; ids and times of the API are left out."""
    if body is None:
        return {}
    if kind is Kind.POLICY:
        body = {name: body[name] for name in POLICY_FIELDS if name in body}
    if kind is Kind.ROUTE:
        elements = body.get("elements") or []
        body = {str(item.get("id")): item for item in elements if isinstance(item, Mapping)}
    return dict(_leaves(body, ""))


def _leaves(value: Any, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _leaves(item, f"{name}.{_clean(str(key))}" if name else _clean(str(key)))
    else:
        yield name, _clean(json.dumps(value, ensure_ascii=False))


def _clean(text: str) -> str:
    return one_line(text, _LONGEST)


def _ticks(lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        run = ""
        for char in line:
            run = run + char if char == "`" else ""
            if run:
                yield run


def _diff_line(text: str) -> str:
    """A mark in the first column, which is what colours a diff."""
    stripped = text.strip()
    if stripped[:1] in {"+", "-"}:
        return f"{stripped[0]} {stripped[1:].strip()}"
    if stripped[:1] == "~":
        return f"! {stripped[1:].strip()}"
    return f"  {text}"
