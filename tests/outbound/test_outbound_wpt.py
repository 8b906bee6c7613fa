"""The WHATWG's own test data: what must fail is refused, what passes is what they expect."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from wai_ops.control.outbound.refusal import DeniedUrl
from wai_ops.control.outbound.url import ParsedUrl, parse_redirect, parse_target

DATA = Path(__file__).parent / "data"
EVERY_HOST = frozenset({"h", "host", "test", "example", "foo", "x", "a", "f", "c", "d"})
"""Single labels of the test data, so that they are not refused before it comes to the point."""


def cases(name: str) -> list[dict[str, Any]]:
    """The cases of a file; strings between them are comments."""
    return [item for item in json.loads((DATA / name).read_bytes()) if isinstance(item, dict)]


URLS = cases("urltestdata.json")
MUST_FAIL = [item for item in URLS if item.get("failure")]
NAMES = cases("toascii.json")


def base_of(item: dict[str, Any]) -> ParsedUrl | None:
    """The base of a case, if it is one that requests could have."""
    try:
        return parse_target(item["base"] or "", "GET", known_hosts=EVERY_HOST)
    except DeniedUrl:
        return None


def test_the_data_is_all_there() -> None:
    assert (len(URLS), len(MUST_FAIL), len(NAMES)) == (820, 272, 39)


@pytest.mark.parametrize("item", MUST_FAIL, ids=lambda item: ascii(item["input"])[:60])
def test_what_must_fail_is_refused(item: dict[str, Any]) -> None:
    """As the URL of a request, and as where a redirect leads to."""
    with pytest.raises(DeniedUrl):
        parse_target(item["input"], "GET", known_hosts=EVERY_HOST)
    if base := base_of(item):
        with pytest.raises(DeniedUrl):
            parse_redirect(item["input"], base, "GET", known_hosts=EVERY_HOST)


@pytest.mark.parametrize(
    "name", [item["input"] for item in NAMES if item["output"] is None], ids=ascii
)
def test_names_that_must_fail_are_refused(name: str) -> None:
    with pytest.raises(DeniedUrl):
        parse_target(f"https://{name}/", "GET", known_hosts=EVERY_HOST)


def test_what_is_accepted_has_the_parts_that_the_data_expects() -> None:
    accepted = 0
    for item in URLS:
        if item.get("failure"):
            continue
        found = []
        with suppress(DeniedUrl):
            found.append(parse_target(item["input"], "GET", known_hosts=EVERY_HOST))
        if base := base_of(item):
            with suppress(DeniedUrl):
                found.append(parse_redirect(item["input"], base, "GET", known_hosts=EVERY_HOST))
        for parsed in found:
            accepted += 1
            target = parsed.target
            usual = "80" if target.scheme == "http" else "443"
            assert (
                f"{target.scheme}:",
                target.host,
                str(target.port),
                target.path,
                parsed.path_and_query,
                parsed.origin,
            ) == (
                item["protocol"],
                item["hostname"],
                item["port"] or usual,
                item["pathname"],
                item["pathname"] + item["search"],
                item.get("origin", parsed.origin),
            )
    assert accepted > 60


def test_names_that_are_accepted_are_those_that_the_data_expects() -> None:
    accepted = []
    for item in NAMES:
        try:
            parsed = parse_target(f"https://{item['input']}/x", "GET", known_hosts=EVERY_HOST)
        except DeniedUrl:
            continue
        assert parsed.target.host == item["output"]
        accepted.append(item["input"])
    assert accepted
