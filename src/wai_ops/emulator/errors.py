"""Refusals, each with the HTTP status, code and body shape that the provider documents."""

from collections.abc import Mapping
from typing import Any


class ApiError(Exception):
    """One refusal. `headers` are added to the answer."""

    def __init__(self, status: int, code: int, message: str, *, gateway: bool = False) -> None:
        """`gateway`: the body has AI Gateway's shape, with `error`, not `errors`."""
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.gateway = gateway
        self.headers: Mapping[str, str] = {}

    def body(self) -> dict[str, Any]:
        """The answer's JSON."""
        item = {"code": self.code, "message": self.message}
        if not self.gateway:
            return {"result": None, "success": False, "errors": [item], "messages": []}
        return {
            "success": False,
            "result": [],
            "messages": [],
            "error": [item],
            "name": "AiGatewayError",
            "httpCode": self.status,
            "internalCode": self.code,
            "message": self.message,
            "description": self.message,
        }


def not_authenticated() -> ApiError:
    """No token, or one that nobody issued."""
    return ApiError(401, 10000, "Authentication error")


def not_permitted(detail: str) -> ApiError:
    """A good token without the permission, or for another account."""
    return ApiError(403, 10000, f"Authentication error: {detail}")


def no_route(path: str) -> ApiError:
    """Nothing is served there."""
    return ApiError(
        404, 7003, f"Could not route to {path}, perhaps your object identifier is invalid?"
    )


def not_found(what: str) -> ApiError:
    """No such gateway or log row."""
    return ApiError(404, 7002, f"{what} not found")


def invalid_query(message: str) -> ApiError:
    """A control-plane parameter is wrong."""
    return ApiError(400, 7001, message)


def no_such_gateway(gateway_id: str) -> ApiError:
    """A model call named a gateway that does not exist."""
    return ApiError(400, 2001, f"Please configure AI Gateway: {gateway_id} not found", gateway=True)


def incomplete(message: str) -> ApiError:
    """The body is missing or is no JSON object."""
    return ApiError(400, 3003, f"AiError: Incomplete request: {message}")


def too_large(limit: int) -> ApiError:
    """The body is longer than the emulator takes."""
    return ApiError(413, 3006, f"AiError: Request is too large: the limit is {limit} bytes")


def invalid_input(message: str) -> ApiError:
    """The body does not fit the model's schema."""
    return ApiError(400, 8001, f"AiError: Invalid input: {message}")


def invalid_model_id(model: str) -> ApiError:
    """The name is malformed."""
    return ApiError(404, 3042, f"AiError: Invalid model ID: {model}")


def no_such_model(model: str, reason: str = "") -> ApiError:
    """Unknown model or task, or one that was withdrawn."""
    return ApiError(400, 5007, f"AiError: No such model {model}{reason}")


def context_too_long(*, input_tokens: int, reserved: int, window: int) -> ApiError:
    """Input and reserved output do not fit together."""
    return ApiError(
        400,
        5021,
        f"AiError: The estimated number of input tokens ({input_tokens}) and maximum output "
        f"tokens ({reserved}) exceeded this model context window limit ({window}).",
    )


def execution_failed(detail: str) -> ApiError:
    """The model failed."""
    return ApiError(500, 5001, f"AiError: Model execution failed: {detail}")
