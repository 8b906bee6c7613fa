"""Permits that keep what they were asked, and how each permitted request ended."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from wai_ops.control.outbound.request import Outcome
from wai_ops.control.policy.action import OutboundTarget
from wai_ops.core.errors import DeniedError


@dataclass
class Token:
    """A permit that keeps its end."""

    decision_id: str
    target: OutboundTarget
    request_sha256: str
    hop: int
    allows_private: bool
    ends: list[dict[str, Any]] = field(default_factory=list)

    def end(self, outcome: Outcome, **facts: Any) -> None:
        """Keep it."""
        self.ends.append({"outcome": outcome} | facts)


@dataclass
class Permits:
    """Says yes unless `says_no`, and keeps the tokens."""

    tokens: list[Token] = field(default_factory=list)
    allows_private: bool = True
    says_no: Callable[[OutboundTarget], bool] = lambda _: False

    def __call__(self, target: OutboundTarget, request_sha256: str, hop: int) -> Token:
        """Permit one hop."""
        if self.says_no(target):
            raise DeniedError("denied by the test's policy")
        token = Token(
            f"decision-{len(self.tokens)}", target, request_sha256, hop, self.allows_private
        )
        self.tokens.append(token)
        return token

    @property
    def ends(self) -> list[dict[str, Any]]:
        """All ends, in the order of the permits; every permit must have exactly one."""
        assert all(len(token.ends) == 1 for token in self.tokens)
        return [token.ends[0] for token in self.tokens]
