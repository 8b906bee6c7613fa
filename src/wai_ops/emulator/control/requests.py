"""Reading what control-plane requests carry: bodies, typed fields, pages."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from wai_ops.emulator.answers import envelope, json_response, page_info, read_body
from wai_ops.emulator.decoding import decode_json
from wai_ops.emulator.errors import ApiError, invalid_query
from wai_ops.emulator.gateway.log_query import positive

_T = TypeVar("_T")
BODY_LIMIT = 4 * 1024 * 1024
"""Bytes of a JSON body; nobody says what the provider takes."""
MAX_PER_PAGE = 100
Refuse = Callable[[str], ApiError]
"""Makes the refusal of a service from what is wrong."""


async def read_bytes(request: Request, limit: int = BODY_LIMIT) -> bytes:
    """The whole body. Raises 413 when it is longer than `limit`."""
    body = await read_body(request.receive, limit)
    if body is None:
        raise ApiError(413, 7001, f"the request is too large: the limit is {limit} bytes")
    return body


async def read_json(
    request: Request, refuse: Refuse = invalid_query, limit: int = BODY_LIMIT
) -> Any:
    """The body as JSON."""
    try:
        return decode_json(await read_bytes(request, limit))
    except ValueError:
        raise refuse("the body is not valid JSON") from None


async def read_fields(request: Request, refuse: Refuse = invalid_query) -> "Fields":
    """The body, which must be a JSON object."""
    return Fields(await read_json(request, refuse), refuse)


class Fields:
    """Typed access to a JSON object; what does not fit is refused by its path."""

    def __init__(self, value: Any, refuse: Refuse = invalid_query, where: str = "") -> None:
        """`where`: the object's own path, empty for a whole body."""
        if not isinstance(value, Mapping):
            raise refuse(f"{where or 'the body'} must be an object")
        self.values: Mapping[str, Any] = value
        self.refuse = refuse
        self._where = where

    def __contains__(self, name: object) -> bool:
        """Whether the object has that key at all."""
        return name in self.values

    def path(self, name: str) -> str:
        """How messages name a field."""
        return f"{self._where}.{name}" if self._where else name

    def require(self, *names: str) -> None:
        """Refuse when one of them is missing."""
        missing = [self.path(name) for name in names if name not in self.values]
        if missing:
            raise self.refuse(f"required: {', '.join(missing)}")

    def text(self, name: str, *, most: int = 10_000, least: int = 1) -> str:
        """A text of so many characters."""
        value = self.values.get(name)
        if not isinstance(value, str) or not least <= len(value) <= most:
            raise self.refuse(f"{self.path(name)} must be text of {least} to {most} characters")
        return value

    def flag(self, name: str) -> bool:
        """True or false."""
        value = self.values.get(name)
        if not isinstance(value, bool):
            raise self.refuse(f"{self.path(name)} must be true or false")
        return value

    def whole(self, name: str, *, low: int = 0, high: float = math.inf) -> int:
        """A whole number in a range."""
        value = self.number(name, low=low, high=high)
        if value != int(value):
            raise self.refuse(f"{self.path(name)} must be a whole number")
        return int(value)

    def number(self, name: str, *, low: float = 0, high: float = math.inf) -> float:
        """A number in a range."""
        value = self.values.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high:
            return value
        bounds = f"from {low}" if high == math.inf else f"from {low} to {high:.0f}"
        raise self.refuse(f"{self.path(name)} must be a number {bounds}")

    def choice(self, name: str, choices: Sequence[str]) -> str:
        """One of the words."""
        value = self.values.get(name)
        if not isinstance(value, str) or value not in choices:
            raise self.refuse(f"{self.path(name)} must be one of {', '.join(choices)}")
        return value

    def texts(self, name: str) -> list[str]:
        """A list of text."""
        value = self.values.get(name)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.refuse(f"{self.path(name)} must be a list of text")
        return value

    def items(self, name: str) -> "list[Fields]":
        """A list of objects."""
        value = self.values.get(name)
        if not isinstance(value, list):
            raise self.refuse(f"{self.path(name)} must be a list")
        return [
            Fields(item, self.refuse, f"{self.path(name)}[{index}]")
            for index, item in enumerate(value)
        ]

    def inner(self, name: str) -> "Fields":
        """An object."""
        return Fields(self.values.get(name), self.refuse, self.path(name))

    def optional(self, read: Callable[[str], _T], name: str, default: _T) -> _T:
        """What `read` makes of the field; the default when it is missing."""
        return read(name) if name in self.values else default

    def nullable(self, read: Callable[[str], _T], name: str) -> _T | None:
        """What `read` makes of the field; None when it is null or missing."""
        return None if self.values.get(name) is None else read(name)


def paged(request: Request, items: Sequence[Any], *, most: int = MAX_PER_PAGE) -> Response:
    """The page of a list that the request asks for, in the envelope."""
    page = positive(request.query_params, "page", 1)
    per_page = positive(request.query_params, "per_page", 20, most)
    shown = items[(page - 1) * per_page : page * per_page]
    info = page_info(page=page, per_page=per_page, count=len(shown), total_count=len(items))
    info["total_pages"] = -(-len(items) // per_page)
    return json_response(envelope(list(shown), info=info))


def flag_param(request: Request, name: str, *, default: bool | None = None) -> bool | None:
    """A query parameter that is true or false. Raises 400/7001."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if text not in ("true", "false"):
        raise invalid_query(f"{name} must be true or false")
    return text == "true"


def found(value: _T | None, refusal: ApiError) -> _T:
    """The value, or the refusal when there is none."""
    if value is None:
        raise refusal
    return value
