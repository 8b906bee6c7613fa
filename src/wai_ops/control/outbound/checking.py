"""What would become of a URL: how it is parsed, what policy says, where its name leads. Sends
nothing and records nothing.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from wai_ops.control.outbound.addresses import classify
from wai_ops.control.outbound.connect import PrivateHosts, vet
from wai_ops.control.outbound.limits import OutboundFailure
from wai_ops.control.outbound.refusal import DeniedAddress, DeniedUrl
from wai_ops.control.outbound.resolve import Resolver
from wai_ops.control.outbound.url import ParsedUrl, parse_target
from wai_ops.control.policy.action import OutboundTarget, VerdictWord
from wai_ops.core.table import Table, Verdict, col
from wai_ops.core.text import counted, one_line

_RESOLVE_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlRow:
    """One URL. What was not reached, because it was refused before, is None."""

    url: str = col("URL")
    verdict: str = col("Verdict")
    """`allow`, `deny`, or `needs_approval`."""
    rule: str | None = col("Rule")
    """What decided: a rule of the gate (`outbound.…`) or of a policy; None: nothing objects."""
    where: str | None = col("Where")
    reason: str = col("Reason")
    method: str = col("Method")
    scheme: str | None = col("Scheme")
    host: str | None = col("Host")
    port: int | None = col("Port")
    path_and_query: str | None = col("Path and query")
    addresses: str | None = col("Addresses")
    """What the name resolves to, each with its kind; None without --resolve."""

    @property
    def is_allowed(self) -> bool:
        """Whether a request would be sent."""
        return self.verdict == VerdictWord.ALLOW.value

    def to_text(self) -> str:
        """For a terminal, one fact a line."""
        by = "" if self.rule is None else f" by {self.rule}"
        at = f" ({self.where})" if self.where else ""
        facts = [
            ("verdict", f"{self.verdict}{by}{at}"),
            ("because", self.reason),
            ("method", self.method),
            ("scheme", self.scheme),
            ("host", self.host),
            ("port", self.port),
            ("sends", self.path_and_query),
            ("leads to", self.addresses),
        ]
        lines = [f"  {name:<9} {one_line(str(value), 2000)}" for name, value in facts if value]
        return "\n".join([one_line(self.url, 2000), *lines]) + "\n"


@dataclass(frozen=True, slots=True)
class PolicySays:
    """What the policies say to a target."""

    word: VerdictWord
    rule: str
    where: str
    reason: str
    allows_private: bool


Ask = Callable[[OutboundTarget], PolicySays]


def check_urls(
    urls: Iterable[str],
    *,
    method: str,
    ask: Ask | None,
    resolver: Resolver | None,
    private_hosts: PrivateHosts,
) -> Table[UrlRow]:
    """Check URLs. `ask` None: there are no policies; `resolver` None: no name is resolved."""
    rows = [_checked(url, method, ask, resolver, private_hosts) for url in urls]
    denied = sum(not row.is_allowed for row in rows)
    notes = [f"{counted(len(rows), 'URL')}, {denied:,} of them not allowed"]
    if ask is None:
        notes.append("there are no policies here: only the gate's own rules were asked")
    return Table(
        row_type=UrlRow,
        rows=rows,
        title="Outbound URLs",
        notes=tuple(notes),
        verdict=Verdict.FAIL if denied else Verdict.PASS,
    )


def _checked(
    url: str, method: str, ask: Ask | None, resolver: Resolver | None, private_hosts: PrivateHosts
) -> UrlRow:
    try:
        parsed = parse_target(url, method, known_hosts=frozenset(private_hosts))
    except DeniedUrl as error:
        return _row(url, method, None, _refused(error.rule, error.reason))
    says = _NO_POLICY if ask is None else ask(parsed.target)
    if resolver is None or says.word is VerdictWord.DENY:
        return _row(url, method, parsed, says)
    host, port = parsed.target.host, parsed.target.port
    asked = _Remembering(resolver)
    try:
        found = vet(
            host,
            port,
            asked,
            private=private_hosts.get(host, ()) if says.allows_private else (),
            timeout_s=_RESOLVE_S,
        )
    except DeniedAddress as error:
        return _row(url, method, parsed, _refused(error.rule, error.reason), asked.found)
    except OutboundFailure as error:
        return _row(url, method, parsed, _refused("outbound.resolve", error.message))
    return _row(url, method, parsed, says, found)


class _Remembering:
    """A resolver that keeps what it found, for when that is refused."""

    def __init__(self, inner: Resolver) -> None:
        self._inner = inner
        self.found: Sequence[str] = ()

    def __call__(self, host: str, port: int, timeout_s: float) -> Sequence[str]:
        self.found = self._inner(host, port, timeout_s)
        return self.found


_NO_POLICY = PolicySays(VerdictWord.ALLOW, "", "", "nothing of the gate objects", True)


def _refused(rule: str, reason: str) -> PolicySays:
    return PolicySays(VerdictWord.DENY, rule, "", reason, allows_private=False)


def _row(
    url: str,
    method: str,
    parsed: ParsedUrl | None,
    says: PolicySays,
    addresses: Sequence[str] = (),
) -> UrlRow:
    target = None if parsed is None else parsed.target
    return UrlRow(
        url=url.encode("utf-8", "replace").decode(),
        verdict=says.word.value,
        rule=says.rule or None,
        where=says.where or None,
        reason=says.reason,
        method=method,
        scheme=None if target is None else target.scheme,
        host=None if target is None else target.host,
        port=None if target is None else target.port,
        path_and_query=None if parsed is None else parsed.path_and_query,
        addresses=", ".join(f"{ip} {_kind(ip)}" for ip in addresses) or None,
    )


def _kind(ip: str) -> str:
    try:
        return classify(ip).kind.value
    except ValueError:
        return "no address"
