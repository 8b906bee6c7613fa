"""The failure taxonomy: one closed list, used by retries, reports and the emulator alike.

Each class says whose fault it is, whether the same request may succeed later, and whether the
failed attempt may have cost money. What is billed for failed, timed-out and cancelled calls is not
documented by the provider, so where work may have begun the answer is "maybe".
"""

import re
from dataclasses import dataclass
from enum import Enum, StrEnum


class Fault(Enum):
    """Whose doing a failure is."""

    CALLER = "caller"
    ACCOUNT = "account"
    PROVIDER = "provider"
    NETWORK = "network"
    POLICY = "policy"
    MODEL = "model"
    UNKNOWN = "unknown"


class Billed(Enum):
    """Whether a failed attempt costs money."""

    NO = "no"
    MAYBE = "maybe"
    YES = "yes"


class FailureClass(StrEnum):
    """The closed list. The value is what records, reports and `--json` carry as `error_type`."""

    CAPACITY = "capacity"
    RATE_LIMITED_MODEL = "rate_limited_model"
    RATE_LIMITED_GATEWAY = "rate_limited_gateway"
    ALLOWANCE_SPENT = "allowance_spent"
    SPEND_LIMIT = "spend_limit"
    POLICY_DENIED = "policy_denied"
    GUARDRAIL = "guardrail"
    DLP = "dlp"
    AUTH = "auth"
    PERMISSION = "permission"
    NOT_FOUND = "not_found"
    MODEL_RETIRED = "model_retired"
    CONTEXT_TOO_LONG = "context_too_long"
    BAD_REQUEST = "bad_request"
    PAYMENT_REQUIRED = "payment_required"
    TIMEOUT_CONNECT = "timeout_connect"
    TIMEOUT_FIRST_TOKEN = "timeout_first_token"  # noqa: S105 - a class of failure
    TIMEOUT_TOTAL = "timeout_total"
    STREAM_TRUNCATED = "stream_truncated"
    STREAM_MALFORMED = "stream_malformed"
    SERVER_ERROR = "server_error"
    NETWORK = "network"
    CANCELLED = "cancelled"
    LOCAL_POLICY = "local_policy"
    LOCAL_BUDGET = "local_budget"
    TOOL_ERROR = "tool_error"
    TOOL_LOOP = "tool_loop"
    OUTPUT_TRUNCATED = "output_truncated"
    INVALID_OUTPUT = "invalid_output"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Traits:
    """What is known of a class. `retryable`: the same request may succeed if sent again."""

    fault: Fault
    retryable: bool
    billed: Billed
    meaning: str


_F, _B = Fault, Billed
TRAITS: dict[FailureClass, Traits] = {
    FailureClass.CAPACITY: Traits(_F.PROVIDER, True, _B.NO, "no data centre had capacity"),
    FailureClass.RATE_LIMITED_MODEL: Traits(
        _F.ACCOUNT, True, _B.NO, "the model's requests-per-minute limit is used up"
    ),
    FailureClass.RATE_LIMITED_GATEWAY: Traits(
        _F.ACCOUNT, True, _B.NO, "the gateway's own rate limit is used up"
    ),
    FailureClass.ALLOWANCE_SPENT: Traits(
        _F.ACCOUNT, False, _B.NO, "the day's free neurons are spent, until 00:00 UTC"
    ),
    FailureClass.SPEND_LIMIT: Traits(_F.POLICY, False, _B.NO, "a gateway spend limit is reached"),
    FailureClass.POLICY_DENIED: Traits(_F.POLICY, False, _B.NO, "a gateway policy refused it"),
    FailureClass.GUARDRAIL: Traits(
        _F.POLICY, False, _B.MAYBE, "a guardrail blocked the prompt or the response"
    ),
    FailureClass.DLP: Traits(
        _F.POLICY, False, _B.MAYBE, "data loss prevention blocked the prompt or the response"
    ),
    FailureClass.AUTH: Traits(_F.CALLER, False, _B.NO, "the token is missing or not valid"),
    FailureClass.PERMISSION: Traits(
        _F.CALLER, False, _B.NO, "the token or the account lacks a permission"
    ),
    FailureClass.NOT_FOUND: Traits(
        _F.CALLER, False, _B.NO, "no such model, gateway, account or path"
    ),
    FailureClass.MODEL_RETIRED: Traits(_F.CALLER, False, _B.NO, "the model has been withdrawn"),
    FailureClass.CONTEXT_TOO_LONG: Traits(
        _F.CALLER, False, _B.NO, "input plus reserved output exceed the model's context"
    ),
    FailureClass.BAD_REQUEST: Traits(_F.CALLER, False, _B.NO, "the request is not valid"),
    FailureClass.PAYMENT_REQUIRED: Traits(
        _F.ACCOUNT, False, _B.NO, "prepaid credits are used up, or the model needs a paid plan"
    ),
    FailureClass.TIMEOUT_CONNECT: Traits(
        _F.NETWORK, True, _B.NO, "no connection within the time limit"
    ),
    FailureClass.TIMEOUT_FIRST_TOKEN: Traits(
        _F.PROVIDER, True, _B.MAYBE, "no first token within the time limit"
    ),
    FailureClass.TIMEOUT_TOTAL: Traits(
        _F.PROVIDER, False, _B.MAYBE, "the answer took longer than the time limit"
    ),
    FailureClass.STREAM_TRUNCATED: Traits(
        _F.PROVIDER, False, _B.MAYBE, "the stream ended without its end mark"
    ),
    FailureClass.STREAM_MALFORMED: Traits(
        _F.PROVIDER, False, _B.MAYBE, "the answer could not be understood"
    ),
    FailureClass.SERVER_ERROR: Traits(_F.PROVIDER, True, _B.MAYBE, "the server failed"),
    FailureClass.NETWORK: Traits(
        _F.NETWORK, True, _B.MAYBE, "the connection broke before an answer"
    ),
    FailureClass.CANCELLED: Traits(
        _F.CALLER, False, _B.MAYBE, "interrupted on this side before the answer was complete"
    ),
    FailureClass.LOCAL_POLICY: Traits(_F.POLICY, False, _B.NO, "refused by local policy"),
    FailureClass.LOCAL_BUDGET: Traits(_F.POLICY, False, _B.NO, "refused by a local budget"),
    FailureClass.TOOL_ERROR: Traits(_F.MODEL, False, _B.YES, "a tool call failed"),
    FailureClass.TOOL_LOOP: Traits(_F.MODEL, False, _B.YES, "the model repeated a tool call"),
    FailureClass.OUTPUT_TRUNCATED: Traits(
        _F.CALLER, False, _B.YES, "the answer was cut by the output limit"
    ),
    FailureClass.INVALID_OUTPUT: Traits(
        _F.MODEL, False, _B.YES, "the answer does not match its schema"
    ),
    FailureClass.UNKNOWN: Traits(_F.UNKNOWN, False, _B.MAYBE, "not recognised"),
}

# Codes of Workers AI and AI Gateway; what is not in the provider's own tables was seen by others.
_BY_CODE: dict[int, FailureClass] = {
    2001: FailureClass.NOT_FOUND,  # the gateway does not exist
    2003: FailureClass.RATE_LIMITED_GATEWAY,
    2005: FailureClass.SERVER_ERROR,
    2008: FailureClass.BAD_REQUEST,
    2009: FailureClass.AUTH,
    2016: FailureClass.GUARDRAIL,
    2017: FailureClass.GUARDRAIL,
    2021: FailureClass.PAYMENT_REQUIRED,
    2029: FailureClass.DLP,
    2030: FailureClass.DLP,
    2040: FailureClass.AUTH,
    2041: FailureClass.SPEND_LIMIT,
    2045: FailureClass.SPEND_LIMIT,
    3003: FailureClass.BAD_REQUEST,
    3006: FailureClass.BAD_REQUEST,
    3007: FailureClass.TIMEOUT_TOTAL,
    3008: FailureClass.SERVER_ERROR,
    3023: FailureClass.PERMISSION,
    3036: FailureClass.ALLOWANCE_SPENT,
    3039: FailureClass.BAD_REQUEST,
    3040: FailureClass.CAPACITY,
    3041: FailureClass.PERMISSION,
    3042: FailureClass.NOT_FOUND,
    3046: FailureClass.TIMEOUT_TOTAL,
    4006: FailureClass.ALLOWANCE_SPENT,
    5001: FailureClass.SERVER_ERROR,
    5004: FailureClass.BAD_REQUEST,
    5005: FailureClass.BAD_REQUEST,
    5007: FailureClass.NOT_FOUND,
    5016: FailureClass.PERMISSION,
    5018: FailureClass.PERMISSION,
    5019: FailureClass.BAD_REQUEST,
    5021: FailureClass.CONTEXT_TOO_LONG,
    5035: FailureClass.PAYMENT_REQUIRED,
    7001: FailureClass.BAD_REQUEST,
    7002: FailureClass.NOT_FOUND,
    7003: FailureClass.NOT_FOUND,
    7013: FailureClass.SERVER_ERROR,
    8001: FailureClass.BAD_REQUEST,
    8006: FailureClass.BAD_REQUEST,
}
# Words beat codes: allowance and spend errors have been seen under more than one code.
_BY_WORDS: tuple[tuple[re.Pattern[str], FailureClass], ...] = (
    (re.compile(r"daily free allocation", re.IGNORECASE), FailureClass.ALLOWANCE_SPENT),
    (re.compile(r"spend(?:ing)? limit exceeded", re.IGNORECASE), FailureClass.SPEND_LIMIT),
    (re.compile(r"capacity temporarily exceeded", re.IGNORECASE), FailureClass.CAPACITY),
    (
        re.compile(r"model .{0,200}(?:deprecated|retired|sunset)", re.IGNORECASE),
        FailureClass.MODEL_RETIRED,
    ),
)
_BY_STATUS: dict[int, FailureClass] = {
    400: FailureClass.BAD_REQUEST,
    401: FailureClass.AUTH,
    402: FailureClass.PAYMENT_REQUIRED,
    403: FailureClass.PERMISSION,
    404: FailureClass.NOT_FOUND,
    405: FailureClass.BAD_REQUEST,
    408: FailureClass.TIMEOUT_TOTAL,
    410: FailureClass.MODEL_RETIRED,
    413: FailureClass.BAD_REQUEST,
    415: FailureClass.BAD_REQUEST,
    422: FailureClass.BAD_REQUEST,
}


def classify_response(status: int, code: int | None, message: str) -> FailureClass:
    """Class of an error answer from its HTTP status, the body's code and its words.

    A status of 200 counts too: error bodies have been seen under it. Never decides on 429 alone,
    because it stands for at least five different things.
    """
    for pattern, failure in _BY_WORDS:
        if pattern.search(message):
            return failure
    if code == 10000:  # authentication or permission, told apart by the status
        return FailureClass.PERMISSION if status == 403 else FailureClass.AUTH
    if code is not None and code in _BY_CODE:
        return _BY_CODE[code]
    if status == 403 and code is None:
        return FailureClass.POLICY_DENIED  # policies answer with a message and no code
    if status == 429 and re.search(r"rate.?limit|too many requests", message, re.IGNORECASE):
        return FailureClass.RATE_LIMITED_MODEL
    if status >= 500:
        return FailureClass.SERVER_ERROR
    return _BY_STATUS.get(status, FailureClass.UNKNOWN)
