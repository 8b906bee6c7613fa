"""Whether a token may do more than its role needs: what its policy says, and what calls show.

Two kinds of evidence, each named in its row. *Declared*: the token's own policy, where the API lets
the token see it. *Probed*: a call that the role has no use for. One that answers proves that the
token may; a refusal shows that it may not, though a token younger than a minute is refused now and
then; anything else leaves it unknown. All calls only read, but one: whether a token may run models
is asked of a model that does not exist, so that nothing runs and nothing is billed.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from wai_ops.cloudflare.api_errors import ApiAccessError, ApiError
from wai_ops.cloudflare.control import ABSENT_MODEL, ControlPlane, TokenStatus
from wai_ops.cloudflare.token_policy import TokenPolicy, policy_address, read_token_policy
from wai_ops.config.credentials import Role
from wai_ops.core.text import one_line
from wai_ops.observe.doctor.rows import CheckRow, ok, skipped, warning

_NAMED = 6
RUNS_MODELS = frozenset({"AI Gateway Run", "Workers AI Edit", "Workers AI Write"})
"""The permission groups that let a token run models; dashboard and API name them differently."""
_RUNTIME_GROUPS = RUNS_MODELS | {"Workers AI Read"}
_OPERATOR_GROUPS = (
    *("AI Gateway", "Account Analytics Read", "Billing Read", "Logs", "Pipelines", "Queues"),
    *("Secrets Store", "Workers AI Read", "Workers KV Storage", "Workers Observability"),
    *("Workers R2", "Workers Scripts"),
)
"""How the names of the groups begin that an operator's commands can need."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A call that a role has no use for, and what it shows."""

    what: str
    path: str
    group: str
    """The permission group that it needs."""


_RUNTIME_PROBES = (
    Probe("read gateways", "/accounts/{account}/ai-gateway/gateways", "AI Gateway Metadata Read"),
    Probe(
        "read gateway logs",
        "/accounts/{account}/ai-gateway/gateways/{gateway}/logs?page=1&per_page=1",
        "AI Gateway Metadata Read",
    ),
    Probe("list Workers", "/accounts/{account}/workers/scripts", "Workers Scripts Read"),
    Probe(
        "list KV namespaces", "/accounts/{account}/storage/kv/namespaces", "Workers KV Storage Read"
    ),
    Probe("list Logpush jobs", "/accounts/{account}/logpush/jobs", "Logs Read"),
)
_RUN_CALL = f"POST /accounts/{{account}}/ai/run/{ABSENT_MODEL}"


def scope_checks(
    api: ControlPlane, role: Role, status: TokenStatus | None, *, account_id: str, gateway: str
) -> Iterator[CheckRow]:
    """One row for what is declared, one for what was probed, and one for each thing too many.

    `status` None: the token was not verified, and nothing is asked. An API that cannot be reached
    raises ApiError.
    """
    if status is None or status.status != "active":
        return
    yield from _declared(api, role, status, account_id)
    if role is Role.RUNTIME:
        yield from _probed_runtime(api, gateway)
    else:
        yield _probed_operator(api)


def _declared(
    api: ControlPlane, role: Role, status: TokenStatus, account_id: str
) -> Iterator[CheckRow]:
    check = f"{role.value} token's policy"
    address = policy_address(status)
    if address is None:
        yield skipped(check, "not known: verification named no id to ask for")
        return
    call = f"GET {_short(address, status)}"
    try:
        policy = read_token_policy(api, address)
    except (ApiError, ApiAccessError) as error:
        if isinstance(error, ApiError) and error.is_unreachable:
            raise
        yield skipped(check, f"not known: {call} says {error.message}; see what was probed")
        return
    yield from _judged(check, role, policy, call, account_id)


def _judged(
    check: str, role: Role, policy: TokenPolicy, call: str, account_id: str
) -> Iterator[CheckRow]:
    beyond = [name for name in policy.groups if not _is_of(role, name)]
    elsewhere = policy.reaches_beyond(account_id)
    step = f"make a token with {role.permissions} alone, and set {role.variable} to it"
    if beyond:
        yield warning(check, f"more than its role needs: {_listed(beyond)} (certain: {call})", step)
    if elsewhere:
        yield warning(
            f"{role.value} token's reach",
            f"beyond this account: {_listed(elsewhere)} (certain: {call})",
            "limit the token to this account",
        )
    if not beyond and not elsewhere:
        named = _listed(policy.groups) or "nothing"
        yield ok(check, f"no more than its role needs: {named} (certain: {call})")


def _is_of(role: Role, group: str) -> bool:
    if role is Role.RUNTIME:
        return group in _RUNTIME_GROUPS
    return group not in RUNS_MODELS and group.startswith(_OPERATOR_GROUPS)


def _probed_runtime(api: ControlPlane, gateway: str) -> Iterator[CheckRow]:
    check = "runtime token's reach, probed"
    refused, unknown, held = [], [], []
    for probe in _RUNTIME_PROBES:
        try:
            api.get(probe.path.replace("{gateway}", gateway))
        except ApiAccessError:
            refused.append(probe)
        except ApiError as error:
            if error.is_unreachable:
                raise
            unknown.append(f"{probe.what} ({error.message})")
        else:
            held.append(probe)
    for probe in held:
        yield warning(
            f"runtime token may {probe.what}",
            f"{_call_of(probe)} answered (certain): its role has no use for that",
            f"take {probe.group} from the token; keep it for {Role.OPERATOR.variable}",
        )
    if refused:
        may_not = f"may not {', '.join(probe.what for probe in refused)} (probable: refused)"
        yield ok(check, may_not)
    if unknown:
        yield skipped(check, f"not known: {_listed(unknown)}")


def _probed_operator(api: ControlPlane) -> CheckRow:
    check = "operator token may not run models"
    try:
        api.ask_absent_model()
    except ApiAccessError as error:
        return ok(check, f"{_RUN_CALL} was refused (probable): {error.message}")
    except ApiError as error:
        if error.is_unreachable:
            raise
        if error.status not in (400, 404):
            return skipped(check, f"not known: {_RUN_CALL} says {error.message}")
        return warning(
            "operator token may run models",
            f"{_RUN_CALL} came as far as the model (certain): its role has no use for that",
            "take Workers AI and AI Gateway Run from the token; keep them for"
            f" {Role.RUNTIME.variable}",
        )
    raise AssertionError("a model that does not exist raises")


def _call_of(probe: Probe) -> str:
    return f"GET {probe.path.partition('?')[0].removeprefix('/accounts/{account}')}"


def _short(address: str, status: TokenStatus) -> str:
    return address.replace(status.token_id or "", "{token}").removeprefix("/accounts/{account}")


def _listed(names: "list[str] | tuple[str, ...]") -> str:
    more = len(names) - _NAMED
    text = ", ".join(one_line(name, 120) for name in names[:_NAMED])
    return f"{text} and {more} more" if more > 0 else text
