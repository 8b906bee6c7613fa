"""What to want in place of the budgets: how it was before a push, or nothing at all. Pure."""

from collections.abc import Mapping
from typing import Any

from wai_ops.config.budget_settings import Enforcement
from wai_ops.control.budgets.diff import bodies_of
from wai_ops.control.budgets.native import Compiled, Guard, Kind, Ref, Remote
from wai_ops.control.budgets.normal import POLICY_FIELDS
from wai_ops.control.budgets.state_file import GatewayState, Push
from wai_ops.core.errors import UsageError

NOTHING = Compiled(guards=())
_FORMS = {
    Kind.POLICY: Enforcement.POLICY,
    Kind.SPEND_RULE: Enforcement.SPEND_LIMIT,
    Kind.ROUTE: Enforcement.ROUTE,
    Kind.RATE_LIMIT: Enforcement.RATE_LIMIT,
}


def last_push(state: GatewayState) -> Push:
    """The newest push. Raises UsageError when there is none."""
    if not state.pushes:
        raise UsageError(
            "nothing was pushed to this gateway from this state folder",
            hint="see what is there: wai budget plan",
        )
    return state.pushes[-1]


def as_before(push: Push, remote: Remote, owned: frozenset[Ref]) -> Compiled:
    """Our objects as they were before a push; those that it did not touch as they are now."""
    wanted: dict[Ref, Mapping[str, Any]] = bodies_of(remote, owned)
    for ref, body in push.before:
        if body is None:
            wanted.pop(ref, None)
        else:
            wanted[ref] = body
    return Compiled(
        guards=tuple(
            Guard(
                budget="",
                form=_FORMS[ref.kind],
                ref=ref,
                body=_settable(ref.kind, body),
                why=f"it was so before the push of {push.at}",
            )
            for ref, body in sorted(wanted.items(), key=lambda item: str(item[0]))
        )
    )


def _settable(kind: Kind, body: Mapping[str, Any]) -> Mapping[str, Any]:
    if kind is not Kind.POLICY:
        return body
    return {name: body[name] for name in POLICY_FIELDS if name in body}
