"""What the outbound gate refuses by itself, whatever a policy says.

    DeniedError
    └── RefusedRequest   a rule of the gate: `rule`, `reason`, and the target if there was one
        ├── DeniedUrl      the URL, the method, or where a redirect leads
        ├── DeniedHeaders  a header that the gate sets itself, or that could split the request
        └── DeniedAddress  what the name resolves to

Nothing was sent when one of these is raised. Messages never repeat the URL: it may hold secrets.
"""

from typing import Self

from wai_ops.control.policy.action import OutboundTarget
from wai_ops.core.errors import DeniedError
from wai_ops.core.text import one_line


class RefusedRequest(DeniedError):  # noqa: N818 - it says what happened
    """A request that never leaves, and the rule that it broke."""

    def __init__(
        self,
        rule: str,
        reason: str,
        *,
        target: OutboundTarget | None = None,
        hint: str | None = None,
    ) -> None:
        """`rule`: such as `outbound.url.userinfo`; `reason`: one sentence for people."""
        self.rule = rule
        self.decision_id: str | None = None
        self.reason = one_line(reason)
        self.target = target
        super().__init__(
            f"the outbound gate refuses this request ({rule}): {self.reason}", hint=hint
        )

    def recorded_as(self, decision_id: str) -> Self:
        """Name the record that belongs to it."""
        self.decision_id = decision_id
        self.message += f" (decision {decision_id})"
        self.args = (self.message,)
        self.hint = self.hint or f"wai audit show {decision_id}"
        return self


class DeniedUrl(RefusedRequest):
    """The URL or the method may not be used, however it is permitted."""


class DeniedHeaders(RefusedRequest):
    """The headers may not be sent."""


class DeniedAddress(RefusedRequest):
    """The host is, or leads to, an address that nothing here may connect to."""
