"""How the gateway itself refuses: its codes, statuses and body shapes."""

from collections.abc import Mapping
from typing import Any

from wai_ops.emulator.errors import ApiError

RATE_LIMITED = 2003


class PolicyRefusalError(ApiError):
    """A policy's refusal: here `error` is an object, and there is no code."""

    def __init__(self, status: int, error: Mapping[str, Any]) -> None:
        """`error`: `message`, and for a spent limit `bucket`, `spent` and `limit`."""
        super().__init__(status, 0, str(error["message"]), gateway=True)
        self._error = dict(error)

    def body(self) -> dict[str, Any]:
        """The answer's JSON."""
        return {"success": False, "error": self._error}


class BlockedError(ApiError):
    """Content was blocked: no other provider is asked."""

    def __init__(self, status: int, code: int, message: str) -> None:
        """In the gateway's own shape."""
        super().__init__(status, code, message, gateway=True)


def rate_limited() -> ApiError:
    """The gateway's own rate limit is reached."""
    return ApiError(429, RATE_LIMITED, "Rate limited", gateway=True)


def no_gateway_token() -> ApiError:
    """An authenticated gateway was called without a token that may run it."""
    return ApiError(401, 2009, "Unauthorized", gateway=True)


def credential_rejected() -> ApiError:
    """The provider does not take the credential that came with the request."""
    return ApiError(401, 2009, "Provider rejected the credential", gateway=True)


def invalid_provider(name: str) -> ApiError:
    """No such provider, or none that is emulated."""
    return ApiError(
        400, 2008, f"Invalid provider: {name!r}; only workers-ai is emulated", gateway=True
    )


def no_such_alias(alias: str) -> ApiError:
    """No stored key goes by that name."""
    return ApiError(400, 2040, f"No provider credential with alias {alias!r}", gateway=True)


def no_credential() -> ApiError:
    """Prepaid credits may not pay, and there is no credential of the caller's own."""
    return ApiError(400, 2040, "No provider credential for this request", gateway=True)


def no_credit() -> ApiError:
    """Prepaid credits are spent."""
    return BlockedError(402, 2021, "Insufficient credits")


def guardrail_blocked(side: str, *, is_rest_run: bool) -> ApiError:
    """A guardrail blocked the prompt or the response; on `/ai/run` it says so in its own way."""
    message = f"{side.capitalize()} blocked due to security configurations"
    if is_rest_run:
        return BlockedError(422, 2017, message)
    return BlockedError(424, 2016 if side == "prompt" else 2017, message)


def scanner_unavailable() -> ApiError:
    """The guardrails' scanner is down, and a rule would have blocked."""
    return BlockedError(503, 7013, "Guardrails are temporarily unavailable")


def dlp_blocked(side: str, status: int) -> ApiError:
    """DLP blocked the request or the response; sources disagree about the status."""
    code, what = (2029, "Request") if side == "prompt" else (2030, "Response")
    return BlockedError(status, code, f"{what} blocked due to DLP policy violations")


def no_answer_in_time(timeout_ms: int) -> ApiError:
    """The provider did not begin to answer within the request's timeout."""
    return ApiError(408, 2005, f"The provider gave no answer within {timeout_ms} ms", gateway=True)


def invalid_universal(message: str) -> ApiError:
    """The universal endpoint's array is malformed."""
    return ApiError(400, 7003, f"Invalid request: {message}", gateway=True)


def no_such_route(name: str) -> ApiError:
    """No dynamic route of that name is deployed."""
    return ApiError(400, 7003, f"No deployed dynamic route {name!r}", gateway=True)


def invalid_route() -> ApiError:
    """The dynamic route leads to no model."""
    return ApiError(400, 7003, "The dynamic route ended without a model", gateway=True)
