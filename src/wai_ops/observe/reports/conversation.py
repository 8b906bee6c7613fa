"""Which conversation is meant: `tenant:workflow:conversation`, or an id and what is left out.

A conversation is known by tenant, workflow and its own id. The id alone is enough where the ledger
holds one conversation of that id, and where both other names are given.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from wai_ops.core.errors import UsageError
from wai_ops.core.text import one_line
from wai_ops.observe.ledger.store import Store

_LONGEST = 256
_SHOWN = 5
FULL_FORM = "tenant:workflow:conversation"


@dataclass(frozen=True, slots=True, order=True)
class ConversationKey:
    """The three names of a conversation."""

    tenant: str
    workflow: str
    conversation_id: str

    def __str__(self) -> str:
        """The form of the command line."""
        return f"{self.tenant}:{self.workflow}:{self.conversation_id}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A conversation as somebody named it; None is what was not said."""

    conversation_id: str
    tenant: str | None = None
    workflow: str | None = None

    @property
    def key(self) -> ConversationKey | None:
        """The whole key, where everything was said."""
        if self.tenant is None or self.workflow is None:
            return None
        return ConversationKey(self.tenant, self.workflow, self.conversation_id)

    def fits(self, key: ConversationKey) -> bool:
        """Say whether `key` is one of those that may be meant."""
        return (
            key.conversation_id == self.conversation_id
            and self.tenant in {None, key.tenant}
            and self.workflow in {None, key.workflow}
        )


def parse_wanted(text: str, tenant: str | None = None, workflow: str | None = None) -> Wanted:
    """Read what was typed. Raises UsageError for what can name no conversation."""
    given = {"tenant": tenant, "workflow": workflow, "conversation": text}
    if tenant is None and workflow is None and text.count(":") == 2:
        first, second, third = text.split(":")
        given = {"tenant": first, "workflow": second, "conversation": third}
    for name, value in given.items():
        if value is not None and (problem := name_problem(value)):
            raise UsageError(f"the {name} {one_line(value, 80)!r} {problem}", hint=_HINT)
    return Wanted(given["conversation"] or "", given["tenant"], given["workflow"])


_HINT = f"give {FULL_FORM}, or the conversation with --tenant and --workflow"


def name_problem(value: str) -> str | None:
    """Say what keeps `value` from being a name in the ledger; None when nothing does."""
    if not value.strip():
        return "is empty"
    if not value.isprintable():
        return "holds characters that cannot be printed"
    return None if len(value) <= _LONGEST else f"is longer than {_LONGEST} characters"


@dataclass(frozen=True, slots=True)
class Resolved:
    """The conversation that is meant, and whether the ledger has any call of it."""

    key: ConversationKey
    is_known: bool


class AmbiguousError(UsageError):
    """Several conversations of the ledger fit."""


def find_conversations(store: Store, ids: Iterable[str]) -> dict[str, list[ConversationKey]]:
    """The conversations of the ledger that have these ids, by id, sorted. Raises DataError."""
    found: dict[str, list[ConversationKey]] = {}
    for key in store.query(ConversationKey, "conversation_keys", ids=sorted(set(ids))):
        found.setdefault(key.conversation_id, []).append(key)
    return found


def resolve(
    wanted: Wanted,
    found: Mapping[str, list[ConversationKey]],
    *,
    default_tenant: str,
    default_workflow: str,
) -> Resolved:
    """Choose among what the ledger holds; for what it does not know the defaults stand in.

    Raises AmbiguousError when several fit.
    """
    fitting = [key for key in found.get(wanted.conversation_id, []) if wanted.fits(key)]
    if len(fitting) > 1:
        shown = ", ".join(one_line(str(key), 120) for key in fitting[:_SHOWN])
        more = f" and {len(fitting) - _SHOWN} more" if len(fitting) > _SHOWN else ""
        raise AmbiguousError(
            f"{len(fitting)} conversations are called {one_line(wanted.conversation_id, 80)!r}: "
            f"{shown}{more}",
            hint=_HINT,
        )
    if fitting:
        return Resolved(fitting[0], is_known=True)
    tenant = default_tenant if wanted.tenant is None else wanted.tenant
    workflow = default_workflow if wanted.workflow is None else wanted.workflow
    return Resolved(ConversationKey(tenant, workflow, wanted.conversation_id), is_known=False)
