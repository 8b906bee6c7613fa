"""Which of the two log systems holds a gateway's rows: asked, said, and behind a switch if new."""

from dataclasses import dataclass
from enum import StrEnum

from wai_ops.cloudflare.api_errors import ApiAccessError, ApiError
from wai_ops.core.errors import UsageError
from wai_ops.observe.ingest.pull_source import LogSource
from wai_ops.observe.ingest.windows import Span

_NOT_FOUND = 404


class SourceChoice(StrEnum):
    """What `--source` says."""

    AUTO = "auto"
    LOGS_API = "logs-api"
    WORKERS_OBSERVABILITY = "workers-observability"


@dataclass(frozen=True, slots=True)
class Chosen:
    """A source, and why, in words for people."""

    source: LogSource
    reason: str


def choose_source(
    choice: SourceChoice, *, legacy: LogSource, newer: LogSource, is_newer_allowed: bool, span: Span
) -> Chosen:
    """Ask both how many rows they have of `span`, unless the choice is made already.

    Raises UsageError for an unknown gateway and when rows are only where reading is switched off,
    ApiError and ApiAccessError when the older log does not answer.
    """
    if choice is SourceChoice.LOGS_API:
        return Chosen(legacy, "reading the gateway's log (logs api), as asked")
    if choice is SourceChoice.WORKERS_OBSERVABILITY:
        return Chosen(newer, _newer("as asked"))
    try:
        count = legacy.count(span)
    except ApiError as error:
        raise unknown_gateway(error) from error
    if count != 0:
        return Chosen(legacy, "reading the gateway's log (logs api)")
    if not (elsewhere := _probe(newer, span)):
        return Chosen(legacy, "reading the gateway's log (logs api); it has no rows of this time")
    if is_newer_allowed:
        return Chosen(newer, _newer("which has this gateway's rows"))
    raise UsageError(
        f"the gateway's log is empty, and Workers Observability has {elsewhere} events of it",
        hint="how those look is not documented: to read them all the same, use --source "
        "workers-observability, or set logs.workers_observability: true",
    )


def unknown_gateway(error: ApiError) -> ApiError | UsageError:
    """What to raise for an error about a gateway: of one that there is not, whose mistake it is."""
    if error.status != _NOT_FOUND:
        return error
    return UsageError(
        f"the account has no such gateway: {error.message}",
        hint="name one with --gateway, or set `gateway` in wai.yaml",
    )


def _probe(newer: LogSource, span: Span) -> int:
    """How many events there are; 0 where the token may not ask."""
    try:
        return newer.count(span) or 0
    except (ApiAccessError, ApiError):
        return 0


def _newer(why: str) -> str:
    return (
        f"reading Workers Observability, {why}; how its events look is not documented, "
        "and it may leave rows out"
    )
