"""What one call of a tool comes to, before and after it was put into shape."""

from dataclasses import dataclass
from enum import StrEnum

from wai_ops.core.failures import FailureClass


class ToolProblem(StrEnum):
    """Why a call has no result: what the model is told, and what the ledger counts."""

    UNKNOWN_TOOL = "unknown_tool"
    INVALID_ARGUMENTS = "invalid_arguments"
    REFUSED = "refused_by_policy"
    NOT_APPROVED = "not_approved"
    REPEATED = "tool_loop"
    LIMIT = "call_limit"
    TIMEOUT = "timeout"
    TOO_LARGE = "output_too_large"
    NOT_TEXT = "output_not_text"
    NOT_JSON = "output_not_json"
    FAILED = "tool_error"
    """The tool ran, or the host answered, and said that it failed."""
    NETWORK = "network"
    NOT_STARTED = "not_started"
    """The program, the server or a secret that it needs is not there."""
    CHANGED = "declaration_differs"
    """An MCP server's tool is not what the declaration says."""
    NOT_RUN = "not_run"
    """The conversation went on without it: a limit, an interruption."""

    @property
    def failure(self) -> FailureClass:
        """The class that records and reports count it under."""
        return _FAILURES.get(self, FailureClass.TOOL_ERROR)


_FAILURES = {
    ToolProblem.REFUSED: FailureClass.LOCAL_POLICY,
    ToolProblem.NOT_APPROVED: FailureClass.LOCAL_POLICY,
    ToolProblem.REPEATED: FailureClass.TOOL_LOOP,
    ToolProblem.LIMIT: FailureClass.LOCAL_BUDGET,
    ToolProblem.TIMEOUT: FailureClass.TIMEOUT_TOTAL,
    ToolProblem.NETWORK: FailureClass.NETWORK,
    ToolProblem.NOT_RUN: FailureClass.CANCELLED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """What a tool said, byte for byte."""

    content: bytes
    http_status: int | None = None
    note: str | None = None
    """What the model is to know of it besides the content."""


UNAVAILABLE = "this tool cannot be used now"
"""All that a model hears of what is wrong on our side."""


class ToolFailed(Exception):  # noqa: N818 - an outcome of a call
    """A call without a result. The message goes to the model: nothing of our side is in it."""

    def __init__(
        self,
        problem: ToolProblem,
        message: str,
        *,
        raw: Raw | None = None,
        sent: bool = True,
        detail: str | None = None,
    ) -> None:
        """Keep why; `sent` is false when nothing can have reached the other side.

        `detail` is for people alone.
        """
        super().__init__(message)
        self.problem = problem
        self.message = message
        self.raw = raw
        self.sent = sent
        self.detail = detail
        self.decision_id: str | None = None
        """The decision that refused it, if one did."""
