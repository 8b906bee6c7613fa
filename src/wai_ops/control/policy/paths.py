"""Paths of URLs against prefixes of rules.

A server may decode a path more than once, fold dots, or take a backslash for a slash. A path that
some server could read as another one is refused before it is compared with anything.
"""

import re
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from wai_ops.config.rules import host_problem

_ENCODED = re.compile(r"%([0-9A-Fa-f]{2})")
_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_TRAPS = {
    **dict.fromkeys(("2f", "5c"), "an encoded slash"),
    "2e": "an encoded dot",
    "25": "an encoded percent sign",
    "3b": "an encoded semicolon",
    "7f": "an encoded control character",
    **{f"{code:02x}": "an encoded control character" for code in range(0x20)},
}
_PLAIN = re.compile(r"[!$&'()*+,;=:@/A-Za-z0-9._~%|\[\]^-]*\Z")


@lru_cache(maxsize=1024)
def host_misread(host: str) -> bool:
    """Whether a host is not spelled as the URL parser spells one: it could dodge a denial."""
    return host_problem(host) is not None


@lru_cache(maxsize=1024)
def path_problem(path: str) -> str | None:
    """What keeps a path from being compared; None when every server reads it alike."""
    if not path.startswith("/"):
        return "the path does not begin with a slash"
    if not _PLAIN.match(path):
        return "the path holds a character that URLs carry encoded"
    if "%" in path:
        if _BAD_PERCENT.search(path):
            return "the path holds a percent sign that encodes nothing"
        for code in _ENCODED.findall(path):
            if trap := _TRAPS.get(code.lower()):
                return f"the path holds {trap}"
    for segment in path.split("/"):
        if segment.partition(";")[0] in (".", ".."):
            return "the path holds a dot segment"
    return None


def decoded(path: str) -> str:
    """A path without problems, percent-decoded; bytes that are no text stay apart."""
    if "%" not in path:
        return path
    return unquote_to_bytes(path).decode("utf-8", "surrogateescape")


def is_below(path: str, prefix: str) -> bool:
    """Whether a decoded path is the prefix, or goes on behind it at the border of a segment."""
    if not path.startswith(prefix):
        return False
    return prefix.endswith("/") or len(path) == len(prefix) or path[len(prefix)] == "/"


def is_below_loosely(path: str, prefix: str) -> bool:
    """The same as a lenient server could read it: empty segments and case do not count.

    For denials: they hold however the server reads the path.
    """
    return is_below(_loose(path), _loose(prefix).rstrip("/") or "/")


def _loose(path: str) -> str:
    return re.sub("/+", "/", path).casefold()
