"""URLs of outbound requests: parsed once, by one parser, and refused where parsers could disagree.

`ada_url` follows the WHATWG standard, which repairs much: it strips tabs, turns backslashes into
slashes and `0x7f.1` into 127.0.0.1. What had to be repaired is refused here, because somebody who
looked at the URL before saw something else. The parts go on as `ParsedUrl`; nobody parses again.
"""

import re
import unicodedata
from dataclasses import dataclass

from ada_url import URL, HostType, idna

from wai_ops.control.outbound.refusal import DeniedUrl
from wai_ops.control.policy.action import OutboundTarget
from wai_ops.control.policy.paths import path_problem

LONGEST_URL = 8192
"""In characters; what servers take is rarely more."""
_LONGEST_HOST = 253
_PORTS = {"http": 80, "https": 443}
_METHOD = re.compile(r"[A-Z][A-Z-]{0,31}\Z")
_TUNNELS = frozenset({"CONNECT", "TRACE", "TRACK"})
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_START = re.compile(r"(?:https?:)?//(?![/?#])", re.IGNORECASE)
_AUTHORITY = re.compile(r"[^/?#]*")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\Z")
_PORT = re.compile(r"[1-9][0-9]{0,4}\Z")
_PLAIN = re.compile(r"[!-\[\]-~]*\Z")
_LOCAL_NAMES = ("localhost", "local", "internal", "home.arpa", "onion")
"""Names that never belong to the public DNS; below them as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedUrl:
    """The parts of an accepted URL. All of it is ASCII."""

    target: OutboundTarget
    """Scheme, host, port, method and path: what policies decide upon."""
    path_and_query: str
    """What the request line holds."""
    origin: str
    """Scheme, host and port; the usual port is left out."""

    @property
    def href(self) -> str:
        """The whole URL as it is sent; a fragment never is."""
        return self.origin + self.path_and_query

    @property
    def host_header(self) -> str:
        """The value of `Host`."""
        return self.origin.partition("://")[2]


def parse_target(url: str, method: str, *, known_hosts: frozenset[str] = frozenset()) -> ParsedUrl:
    """Parse the URL of a request. Raises DeniedUrl with the rule that it breaks.

    `known_hosts`: hosts that wai.yaml names; only these may be single labels or local names.
    """
    _check_method(method)
    _check_text(url)
    if not _ABSOLUTE.match(url) or not _START.match(url):
        raise _denied("scheme", "a URL begins with https:// or http:// and a host")
    if "#" in url:
        raise _denied("fragment", "a fragment is never sent: leave it out")
    return _accepted(url, None, method, known_hosts)


def parse_redirect(
    location: str, base: ParsedUrl, method: str, *, known_hosts: frozenset[str] = frozenset()
) -> ParsedUrl:
    """Parse where a redirect leads to, relative to the URL that answered. Raises DeniedUrl.

    The same rules hold, but that a fragment is left out, and that https never leads to http.
    """
    _check_method(method)
    location = location.partition("#")[0]
    _check_text(location)
    is_whole = _ABSOLUTE.match(location) or location.startswith("//")
    if is_whole and not _START.match(location):
        raise _denied("scheme", "the redirect leads to something else than http or https")
    found = _accepted(location, base, method, known_hosts)
    if base.target.scheme == "https" and found.target.scheme != "https":
        raise _denied("downgrade", "the redirect leads from https to http", found.target)
    return found


def _accepted(
    text: str, base: ParsedUrl | None, method: str, known_hosts: frozenset[str]
) -> ParsedUrl:
    try:
        url = URL(text) if base is None else URL(text, base.href)
    except ValueError:
        raise _denied("unparsable", "it is no valid URL") from None
    scheme = url.protocol.removesuffix(":")
    if scheme not in _PORTS:
        raise _denied("scheme", f"{scheme} is neither http nor https")
    if url.username or url.password:
        raise _denied("userinfo", "user and password do not belong into a URL")
    host = url.hostname
    if url.host_type is not HostType.DEFAULT:
        raise _denied("ip_literal", "the host is an address: name the host")
    if start := _START.match(text):
        _check_authority(_AUTHORITY.match(text, start.end())[0], host)  # type: ignore[index]
    _check_host(host, known_hosts)
    port = int(url.port) if url.port else _PORTS[scheme]
    if port == 0:
        raise _denied("port", "there is no port 0")
    path_and_query = url.pathname + url.search
    if problem := path_problem(url.pathname):
        raise _denied("path", problem)
    if len(path_and_query) > LONGEST_URL:
        raise _denied("too_long", f"it is longer than {LONGEST_URL:,} characters as it is sent")
    if not _PLAIN.match(path_and_query):
        raise _denied("path", "it holds a character that URLs carry encoded")
    target = OutboundTarget(scheme=scheme, host=host, port=port, method=method, path=url.pathname)
    return ParsedUrl(target=target, path_and_query=path_and_query, origin=url.origin)


def _check_method(method: str) -> None:
    if not _METHOD.match(method) or method in _TUNNELS:
        raise _denied("method", "the method is none that may be used: name one in capitals")


def _check_text(url: str) -> None:
    """What the parser would strip, fold or encode without a word."""
    if len(url) > LONGEST_URL:
        raise _denied("too_long", f"it is longer than {LONGEST_URL:,} characters")
    if _PLAIN.match(url):
        return
    if "\\" in url:
        raise _denied("backslash", "backslashes are read as slashes by some and not by others")
    for char in url:
        if "!" <= char <= "~":
            continue
        kind = unicodedata.category(char)
        if kind[0] == "Z":
            raise _denied("blank", "blanks are written as %20")
        if kind[0] == "C":
            raise _denied("control", "it holds control, invisible or unassigned characters")


def _check_authority(authority: str, host: str) -> None:
    """Compare what stands in the text with what was parsed: both must say the same."""
    if "@" in authority:
        raise _denied("userinfo", "user and password do not belong into a URL")
    name, colon, port = authority.partition(":")
    if colon and not (_PORT.match(port) or port == "0"):
        raise _denied("port", "the port is a plain number, or is left out with its colon")
    written, parsed = name.split("."), host.split(".")
    if len(written) != len(parsed) or not all(map(_is_same_label, written, parsed)):
        raise _denied(
            "host_changed",
            f"the host is not the one that is written there, but {host}",
        )


def _is_same_label(written: str, label: str) -> bool:
    """Whether a label is the written one: in lower case, or its punycode and back again."""
    if written.isascii():
        return written.lower() == label
    plain = unicodedata.normalize("NFC", written.lower())
    return label.startswith("xn--") and idna.decode(label) == plain


def _check_host(host: str, known_hosts: frozenset[str]) -> None:
    if not host:
        raise _denied("host", "there is no host")
    if host.endswith("."):
        raise _denied("trailing_dot", "the host ends with a dot")
    if len(host) > _LONGEST_HOST:
        raise _denied("host", f"the host is longer than {_LONGEST_HOST} characters")
    labels = host.split(".")
    for label in labels:
        if not _LABEL.match(label):
            raise _denied("host", "the host is no name: letters, digits, dashes between dots")
        if label.startswith("xn--") and not _is_punycode(label):
            raise _denied("punycode", "the host holds punycode that stands for nothing")
    if host in known_hosts:
        return
    if len(labels) == 1:
        raise _denied("single_label", "the host has one label only, and wai.yaml does not name it")
    if any(host.endswith("." + name) for name in _LOCAL_NAMES):
        raise _denied("local_name", "the host is a local name, and wai.yaml does not name it")


def _is_punycode(label: str) -> bool:
    name = idna.decode(label)
    return name != label and not name.isascii() and idna.encode(name) == label.encode("ascii")


def _denied(rule: str, reason: str, target: OutboundTarget | None = None) -> DeniedUrl:
    return DeniedUrl(f"outbound.url.{rule}", reason, target=target)
