"""Rules for single values of tool files, beside those of `config.rules`."""

import re

from wai_ops.config.rules import Rule

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*\Z")
_WIRE_LENGTH = 64
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}\Z")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
OUR_HEADERS = frozenset(
    (
        *("host", "connection", "content-length", "transfer-encoding", "te", "trailer", "upgrade"),
        *("content-type", "accept-encoding", "expect", "proxy-authorization", "proxy-connection"),
        *("idempotency-key", "x-wai-decision", "cookie", "forwarded", "x-forwarded-for"),
    )
)
"""Headers that a tool file may not set: they frame the request, or they are ours."""


def wire_name(name: str) -> str:
    """A tool's name as models see it: dots, which some of them refuse, are written as `__`."""
    return name.replace(".", "__")


def _tool_name(value: str) -> str | None:
    if _NAME.match(value) and len(wire_name(value)) <= _WIRE_LENGTH:
        return None
    return (
        "must be a tool's name: letters, digits, _ and -, in parts with dots between them, "
        f"at most {_WIRE_LENGTH} characters (a dot counts as two)"
    )


def _header_name(value: str) -> str | None:
    if not _HEADER.match(value):
        return "must be the name of a header: letters, digits and dashes"
    if value.lower() in OUR_HEADERS:
        return f"the header {value} is set by wai itself, or by nobody"
    return None


def _header_value(value: str) -> str | None:
    if all(" " <= letter <= "~" for letter in value) and len(value) <= 1000:
        return None
    return "must be printable ASCII, at most 1000 characters"


def _between(low: float, high: float) -> Rule:
    text = f"must be between {low} and {high}"
    return Rule(lambda value: None if low <= value <= high else f"{text}, not {value}")


def _description(value: str) -> str | None:
    if len(value.strip()) > 0 and len(value) <= 2000 and "\0" not in value:
        return None
    return "must say in at most 2000 characters what the tool does"


def _argument(value: str) -> str | None:
    if len(value) <= 4096 and "\0" not in value:
        return None
    return "must be a text of at most 4096 characters"


TOOL_NAME = Rule(_tool_name)
HEADER_NAME = Rule(_header_name)
HEADER_VALUE = Rule(_header_value)
DESCRIPTION = Rule(_description)
ARGUMENT_ROOM = Rule(_argument)
SHA256 = Rule(
    lambda value: None if _SHA256.match(value) else "must be 64 hexadecimal digits in lower case"
)
TOOL_SECONDS = _between(1, 600)
ATTEMPTS = _between(1, 5)
REPEATS = _between(1, 100)
REDIRECTS = _between(0, 5)
ROWS = _between(1, 10_000)
BYTES = _between(1, 64 * 1024 * 1024)
MEGABYTES = _between(1, 65_536)
PROCESSES = _between(1, 4096)
