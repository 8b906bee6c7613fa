"""How the API refuses and fails, in our words: the one map from the official package's errors."""

from typing import Any

from wai_ops.core.errors import AccessError, RemoteError
from wai_ops.core.text import one_line


class ApiError(RemoteError):
    """The API refused, failed, or did not answer at all (`is_unreachable`)."""

    def __init__(
        self,
        message: str,
        *,
        where: str,
        status: int | None = None,
        code: int | None = None,
        hint: str | None = None,
        is_unreachable: bool = False,
    ) -> None:
        """Keep the HTTP status and Cloudflare's own code beside the message."""
        super().__init__(message, where=where, hint=hint)
        self.status = status
        self.code = code
        self.is_unreachable = is_unreachable


class ApiAccessError(AccessError):
    """The API does not accept the token, or not for this call."""

    def __init__(self, message: str, *, where: str, status: int, code: int | None) -> None:
        """Keep the HTTP status and Cloudflare's own code beside the message."""
        super().__init__(message, where=where, hint="see what the token may do: wai doctor")
        self.status = status
        self.code = code


def translated(error: Any, what: str) -> ApiError | ApiAccessError:
    """Turn the official package's exceptions into ours; the only place that knows them."""
    import cloudflare

    if isinstance(error, cloudflare.APITimeoutError):
        return ApiError(
            "no answer in time",
            where=what,
            hint="try again, or check the network",
            is_unreachable=True,
        )
    if isinstance(error, cloudflare.APIConnectionError):
        cause = error.__cause__
        reason = one_line(str(cause), 200) if cause is not None and str(cause) else "no reason told"
        host = f"{error.request.url.scheme}://{error.request.url.netloc.decode('ascii', 'replace')}"
        return ApiError(
            f"{host} cannot be reached: {reason}",
            where=what,
            hint="check the network and the base address, or work with --local",
            is_unreachable=True,
        )
    status = getattr(error, "status_code", None)
    code, message = first_error(error.body)
    text = f"HTTP {status}" + (f", code {code}" if code is not None else "")
    text += f": {message}" if message else ""
    if status in (401, 403):
        return ApiAccessError(text, where=what, status=status, code=code)
    hint = None
    if status == 429:
        wait = error.response.headers.get("retry-after", "")
        hint = f"try again in {wait} s" if wait.isdigit() else "try again in five minutes"
    return ApiError(text, where=what, status=status, code=code, hint=hint)


def odd_answer(what: str) -> ApiError:
    return ApiError(
        "the answer is not one of the API's",
        where=what,
        hint="check the base address, and whether a proxy answers in between",
    )


def first_error(body: Any) -> tuple[int | None, str | None]:
    """The first error of an answer: a list in `errors` or `error`, or an object in `error`."""
    if not isinstance(body, dict):
        return None, None
    for name in ("errors", "error"):
        items = body.get(name)
        first = items[0] if isinstance(items, list) and items else items
        if isinstance(first, dict):
            code, message = first.get("code"), first.get("message")
            return (
                code if isinstance(code, int) else None,
                one_line(message, 200) if isinstance(message, str) and message else None,
            )
    return None, None
