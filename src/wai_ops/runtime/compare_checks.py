"""Whether an answer holds what its case asserts. Pure, but for the verdicts of judges."""

import json
from collections.abc import Callable
from dataclasses import dataclass

from wai_ops.core.failures import FailureClass
from wai_ops.prompts.dataset import Assertion, Kind, compile_pattern
from wai_ops.runtime.compare_journal import Answer
from wai_ops.runtime.schema_check import SchemaCheck

_SETTLED = frozenset(
    {
        FailureClass.OUTPUT_TRUNCATED,
        FailureClass.INVALID_OUTPUT,
        FailureClass.GUARDRAIL,
        FailureClass.DLP,
        FailureClass.POLICY_DENIED,
        FailureClass.BAD_REQUEST,
        FailureClass.CONTEXT_TOO_LONG,
    }
)
_FATAL = frozenset(
    {
        FailureClass.AUTH,
        FailureClass.PERMISSION,
        FailureClass.NOT_FOUND,
        FailureClass.MODEL_RETIRED,
        FailureClass.PAYMENT_REQUIRED,
        FailureClass.ALLOWANCE_SPENT,
        FailureClass.SPEND_LIMIT,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One assertion and its outcome. `passed` None: it could not be judged."""

    assertion: str
    passed: bool | None
    reason: str | None = None


def is_settled(answer: Answer) -> bool:
    """Whether asking again would be pointless: there is an answer, or the version is at fault."""
    return answer.failure is None or answer.failure in _SETTLED


def is_refused(answer: Answer) -> bool:
    """Whether the version itself kept it from being answered. An answer that was cut is one."""
    return answer.failure not in (None, FailureClass.OUTPUT_TRUNCATED)


def is_fatal(answer: Answer) -> bool:
    """Whether no other call can succeed either: the account, the token, the address."""
    return answer.failure in _FATAL


def check(
    assertion: Assertion,
    answer: Answer,
    *,
    schema: SchemaCheck | None,
    verdict_of: Callable[[Assertion], Answer | None],
) -> Checked:
    """Judge one assertion. `verdict_of` asks a judge; None: it gave no answer."""
    passed: bool | None
    reason = None
    match assertion.kind:
        case Kind.CONTAINS:
            passed = assertion.value in answer.text
        case Kind.NOT_CONTAINS:
            passed = assertion.value not in answer.text
        case Kind.REGEX:
            passed = compile_pattern(assertion.value).search(answer.text) is not None
        case Kind.JSON_SCHEMA:
            assert schema is not None
            reason = schema.problem_of(answer.text)
            passed = reason is None
        case Kind.MAX_COST_USD:
            cost = answer.cost_usd
            passed = None if cost is None else cost <= assertion.value
            reason = "the cost is not known" if cost is None else f"${cost.normalize():f}"
        case Kind.MAX_LATENCY_MS:
            passed = answer.duration_ms is not None and answer.duration_ms <= assertion.value
            reason = f"{answer.duration_ms or 0:.0f} ms"
        case Kind.JUDGE:
            passed, reason = _verdict(verdict_of(assertion))
    return Checked(assertion=str(assertion), passed=passed, reason=None if passed else reason)


def _verdict(answer: Answer | None) -> tuple[bool | None, str | None]:
    if answer is None or not is_settled(answer):
        return None, "the judge gave no answer"
    try:
        data = json.loads(answer.text)
        verdict = data["pass"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None, "the judge's answer is no verdict"
    if not isinstance(verdict, bool):
        return None, "the judge's answer is no verdict"
    reason = data.get("reason")
    return verdict, reason if isinstance(reason, str) else None
