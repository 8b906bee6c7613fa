"""Guardrails and DLP by marker: what a configured rule makes of a text. Pure.

Nothing here judges content. A text that holds the guardrails' marker (or `<marker>:S1` for one
category) is what a guardrail finds; one with DLP's marker (or `<marker>:<profile>`) what DLP finds.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

SCANNER_MODEL = "@cf/meta/llama-guard-3-8b"
Side = Literal["prompt", "response"]
_CHECKS: Mapping[Side, str] = {"prompt": "REQUEST", "response": "RESPONSE"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the guardrails of one side found."""

    findings: Mapping[str, str]
    """Category -> `FLAG` or `BLOCK`."""

    @property
    def is_blocked(self) -> bool:
        """Whether any finding blocks."""
        return "BLOCK" in self.findings.values()


@dataclass(frozen=True, slots=True, kw_only=True)
class DlpVerdict:
    """What DLP found: `action` is `FLAG` or `BLOCK`."""

    action: str
    findings: Sequence[Mapping[str, Any]]

    def to_json(self) -> dict[str, Any]:
        """The value of the response header `cf-aig-dlp`."""
        return {"findings": list(self.findings), "action": self.action}

    @property
    def profiles(self) -> list[str]:
        """The ids of the profiles that matched."""
        return [finding["profile"]["profile_id"] for finding in self.findings]


@cache
def _pattern(marker: str) -> re.Pattern[str]:
    """The marker, perhaps with a name after a colon. An empty marker is never found."""
    return re.compile(rf"{re.escape(marker)}(?::([A-Za-z0-9_-]+))?" if marker else r"(?!)")


def rules_of(guardrails: Any, side: Side) -> Mapping[str, str]:
    """The rules of one side, category -> action; empty when nothing is configured."""
    rules = guardrails.get(side) if isinstance(guardrails, Mapping) else None
    return rules if isinstance(rules, Mapping) else {}


def check_guardrails(rules: Mapping[str, str], text: str, marker: str) -> Verdict:
    """Hold a text against the rules of its side."""
    found: dict[str, str] = {}
    for match in _pattern(marker).finditer(text):
        named = [match[1]] if match[1] else list(rules)
        found |= {category: rules[category] for category in named if category in rules}
    return Verdict(findings=found)


@dataclass(frozen=True, slots=True, kw_only=True)
class DlpPolicy:
    """One policy, whichever of the two configured forms it came from."""

    id: str
    action: str
    checks: frozenset[str]
    profiles: Sequence[str]


def dlp_policies(dlp: Any) -> tuple[DlpPolicy, ...]:
    """The policies in force: the `policies` form, or the older `action` and `profiles`."""
    if not isinstance(dlp, Mapping) or dlp.get("enabled") is not True:
        return ()
    both = frozenset(_CHECKS.values())
    listed = dlp.get("policies")
    if not isinstance(listed, list):
        return (
            DlpPolicy(
                id="default",
                action=str(dlp.get("action", "FLAG")).upper(),
                checks=both,
                profiles=tuple(dlp.get("profiles") or ()),
            ),
        )
    return tuple(
        DlpPolicy(
            id=str(item.get("id", "")),
            action=str(item.get("action", "FLAG")).upper(),
            checks=frozenset(item.get("check") or both),
            profiles=tuple(item.get("profiles") or ()),
        )
        for item in listed
        if isinstance(item, Mapping) and item.get("enabled") is not False
    )


def check_dlp(
    policies: Sequence[DlpPolicy], side: Side, text: str, marker: str
) -> DlpVerdict | None:
    """Hold a text against the policies; None when nothing matched."""
    check = _CHECKS[side]
    named = {match[1] for match in _pattern(marker).finditer(text)}
    if not named:
        return None
    matched: dict[str, list[str]] = {}
    actions = set()
    for policy in policies:
        if check not in policy.checks:
            continue
        for profile in _matching(policy, named):
            matched.setdefault(profile, []).append(policy.id)
            actions.add(policy.action)
    if not matched:
        return None
    findings = [
        {
            "profile": {"context": {}, "entry_ids": [], "profile_id": profile},
            "policy_ids": ids,
            "check": check,
        }
        for profile, ids in matched.items()
    ]
    return DlpVerdict(action="BLOCK" if "BLOCK" in actions else "FLAG", findings=findings)


def _matching(policy: DlpPolicy, named: set[str | None]) -> Iterator[str]:
    for profile in policy.profiles:
        if None in named or profile in named:
            yield profile
