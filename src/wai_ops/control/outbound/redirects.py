"""What follows a redirect, as the fetch standard has it, less what should not be carried on."""

from dataclasses import replace

from wai_ops.control.outbound.headers import across_origins, without_body
from wai_ops.control.outbound.refusal import DeniedUrl
from wai_ops.control.outbound.request import Prepared
from wai_ops.control.outbound.url import parse_redirect

FOLLOWED = frozenset({301, 302, 303, 307, 308})


def location_of(status: int, headers: tuple[tuple[str, str], ...]) -> str | None:
    """Where an answer sends us; None when it is no redirect.

    Raises DeniedUrl when it names two places: whoever reads it elsewhere may take the other one.
    """
    if status not in FOLLOWED:
        return None
    places = {value for name, value in headers if name == "location"}
    if len(places) > 1:
        raise DeniedUrl("outbound.redirect.ambiguous", "the redirect names more than one place")
    for place in places:
        try:
            return place.encode("latin-1").decode("utf-8")
        except UnicodeDecodeError:
            raise DeniedUrl(
                "outbound.redirect.location", "where the redirect leads is no text"
            ) from None
    return None


def following(
    sent: Prepared, status: int, location: str, *, known_hosts: frozenset[str]
) -> Prepared:
    """The request that a redirect asks for. Raises DeniedUrl."""
    method = sent.url.target.method
    becomes_get = (status == 303 and method not in ("GET", "HEAD")) or (
        status in (301, 302) and method == "POST"
    )
    url = parse_redirect(
        location, sent.url, "GET" if becomes_get else method, known_hosts=known_hosts
    )
    headers = sent.headers if url.origin == sent.url.origin else across_origins(sent.headers)
    if becomes_get:
        return Prepared(url=url, headers=without_body(headers), body=b"")
    return replace(sent, url=url, headers=headers)
