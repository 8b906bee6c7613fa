"""URLs: which are refused and by which rule, and that ordinary ones are not."""
# ruff: noqa: RUF001 - look-alike characters are what this is about

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from support.outbound_urls import ORDINARY
from wai_ops.control.outbound.refusal import DeniedUrl
from wai_ops.control.outbound.url import LONGEST_URL, parse_redirect, parse_target

REFUSED = {
    "userinfo": [
        "https://user@example.com/",
        "https://user:pass@example.com/",
        "https://@example.com/",
        "https://:@example.com/",
        "https://example.com@evil.example.org/",
        "https://example.com%40evil@evil.example.org/",
        "https://a@b@example.com/",
    ],
    "control": [
        "https://exa\tmple.com/",
        "https://example.com/\n",
        "\x00https://example.com/",
        "https://example.com/\x7f",
        "https://example.com/\x85",
        "https://example.com/a\u200bb",
        "https://exa\u00admple.com/",
        "https://example.com/\ud800",
        "https://example.com/\u202e",
        "ht\ntps://example.com/",
    ],
    "blank": [
        " https://example.com/",
        "https://example.com/ ",
        "https://example.com/a b",
        "https://example.com/\u00a0",
        "https://example.com/\u3000",
        "https://example.com/\u2028",
    ],
    "backslash": [
        "https:\\\\example.com\\",
        "https://example.com\\@evil.example.org/",
        "https://example.com/a\\b",
        "https://example.com/?q=\\",
    ],
    "ip_literal": [
        "http://127.0.0.1/",
        "http://93.184.215.14/",
        "http://2130706433/",
        "http://017700000001/",
        "http://0x7f000001/",
        "http://0x7F.1/",
        "http://127.1/",
        "http://127.0.1/",
        "http://0/",
        "http://0x/",
        "http://127.0.0.1./",
        "http://１２７.０.０.１/",
        "http://①②⑦.⓪.⓪.①/",
        "http://127。0。0。1/",
        "http://%31%32%37.0.0.1/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:7f00:1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[0:0:0:0:0:0:0:1]/",
        "http://[2606:4700::1111]/",
    ],
    "scheme": [
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "ws://example.com/",
        "data:text/plain,x",
        "javascript:alert(1)",
        "blob:https://example.com/x",
        "https:example.com",
        "https:/example.com",
        "https:///example.com",
        "https:////example.com",
        "",
        "https://?a",
        "//example.com/",
        "/path",
        "example.com",
        "example.com:443",
        "1https://example.com/",
    ],
    "unparsable": [
        "https://",
        "https://[::1",
        "https://[fe80::1%25eth0]/",
        "https://[fe80::1%eth0]/",
        "https://1.2.3.4.5/",
        "https://4294967296/",
        "https://example.com:65536/",
        "https://example.com:x/",
        "https://example.0x7f/",
        "https://exa%00mple.com/",
        "https://exa%23mple.com/",
        "https://exa<mple.com/",
        "https://xn--a-.%/",
    ],
    "host": [
        "https://-example.com/",
        "https://example-.com/",
        "https://example..com/",
        "https://.example.com/",
        "https://xn--/",
        "https://exa*mple.com/",
        "https://exa!mple.com/",
        "https://exa$mple.com/",
        "https://exa,mple.com/",
        "https://" + "a" * 64 + ".com/",
        "https://" + "a." * 130 + "com/",
    ],
    "trailing_dot": [
        "https://example.com./",
        "https://localhost./",
        "https://example.com.:443/",
    ],
    "single_label": ["https://localhost/", "https://intranet/", "https://a/", "http://metadata/"],
    "local_name": [
        "http://metadata.google.internal/",
        "http://printer.local/",
        "http://a.localhost/",
        "http://router.home.arpa/",
        "http://duckduckgogg42xjoc72x3sjasowoarfbgcmvfimaftt6twagswzczad.onion/",
    ],
    "fragment": ["https://example.com/#", "https://example.com/#@evil.example.org"],
    "port": [
        "https://example.com:/",
        "https://example.com:0/",
        "https://example.com:0443/",
        "https://example.com:00/",
    ],
    "host_changed": [
        "https://ex%61mple.com/",
        "https://ｅxample.com/",
        "https://example。com/",
        "https://ﬀ.com/",
        "https://\u212a.com/",
        "https://ſ.com/",
        "https://①.com/",
        "https://ℰxample.com/",
    ],
    "punycode": [
        "https://xn--a/",
        "https://a.b.c.xn--pokxncvks/",
        "https://10.0.0.xn--pokxncvks/",
        "https://xn--a.example.com/",
        "https://xn--ls8h.xn--a-yoc.com/",
    ],
    "path": [
        "https://example.com/v1/..%2f..%2fadmin",
        "https://example.com/v1/%5c..%5cadmin",
        "https://example.com/%00",
        "https://example.com/a%0d%0aHost:x",
        "https://example.com/%252e%252e/",
        "https://example.com/..;/admin",
        "https://example.com/%",
    ],
    "too_long": ["https://example.com/" + "a" * LONGEST_URL, "https://example.com/" + "é" * 3000],
}


@pytest.mark.parametrize(
    ("rule", "url"),
    [(rule, url) for rule, urls in REFUSED.items() for url in urls],
    ids=lambda text: ascii(text)[:70],
)
def test_a_url_is_refused_by_the_rule_that_it_breaks(rule: str, url: str) -> None:
    with pytest.raises(DeniedUrl) as caught:
        parse_target(url, "GET")
    assert caught.value.rule == f"outbound.url.{rule}"
    assert rule in caught.value.message
    assert caught.value.exit_code == 5


@pytest.mark.parametrize("url", ORDINARY)
def test_ordinary_urls_pass_as_they_are(url: str) -> None:
    parsed = parse_target(url, "GET")
    whole = url if "/" in url.partition("://")[2] else url + "/"
    if whole.isascii() and "/../" not in whole and "/./" not in whole:
        assert parsed.href.replace("%27", "'") == whole
    assert parsed.target.host in parsed.host_header
    assert re.fullmatch(r"[!-~]+", parsed.path_and_query)


def test_the_parts_of_a_url_are_those_that_were_parsed() -> None:
    parsed = parse_target("HTTPS://API.Bücher.example:8443/a/../v1/ü?x=ü&y='", "POST")
    target = parsed.target
    assert (target.scheme, target.host, target.port) == (
        "https",
        "api.xn--bcher-kva.example",
        8443,
    )
    assert (target.method, target.path) == ("POST", "/v1/%C3%BC")
    assert parsed.path_and_query == "/v1/%C3%BC?x=%C3%BC&y=%27"
    assert parsed.origin == "https://api.xn--bcher-kva.example:8443"
    assert parsed.host_header == "api.xn--bcher-kva.example:8443"
    assert parse_target("http://example.com:80", "GET").host_header == "example.com"


@pytest.mark.parametrize("method", ["get", "CONNECT", "TRACE", "TRACK", "", "GET ", "G\r\n", "ÄB"])
def test_a_method_is_a_word_in_capitals_that_opens_no_tunnel(method: str) -> None:
    with pytest.raises(DeniedUrl, match=r"outbound\.url\.method"):
        parse_target("https://example.com/", method)


@pytest.mark.parametrize(
    "url",
    ["http://localhost:8080/", "http://crm.internal/", "http://crm/", "http://api.localhost/"],
)
def test_local_names_pass_when_wai_yaml_names_them(url: str) -> None:
    known = frozenset({"localhost", "crm.internal", "crm", "api.localhost"})
    assert parse_target(url, "GET", known_hosts=known).target.host in known


def test_an_address_does_not_pass_even_when_it_is_named() -> None:
    with pytest.raises(DeniedUrl, match="ip_literal"):
        parse_target("http://127.0.0.1/", "GET", known_hosts=frozenset({"127.0.0.1"}))


@pytest.mark.parametrize(
    ("location", "leads_to"),
    [
        ("next", "https://example.com/a/next"),
        ("../up?x=1", "https://example.com/up?x=1"),
        ("/root#fragment", "https://example.com/root"),
        ("?q=2", "https://example.com/a/b?q=2"),
        ("", "https://example.com/a/b?q=1"),
        ("#top", "https://example.com/a/b?q=1"),
        ("//other.example.org/x", "https://other.example.org/x"),
        ("https://other.example.org:8443/x#y", "https://other.example.org:8443/x"),
        ("HTTPS://OTHER.example.org", "https://other.example.org/"),
    ],
)
def test_redirects_are_read_against_the_url_that_answered(location: str, leads_to: str) -> None:
    base = parse_target("https://example.com/a/b?q=1", "GET")
    assert parse_redirect(location, base, "GET").href == leads_to


TEXT = st.text(
    alphabet=st.sampled_from(list("aA0179.:/@?#%\\[]-_xn ~\t\n\u00ad。１éßK\u200d")), max_size=30
)


@given(st.one_of(TEXT, st.text(max_size=20)))
@example("xn--")
def test_whatever_is_accepted_is_plain_and_is_read_alike_again(text: str) -> None:
    """No input breaks the parser, and what passes once passes again, unchanged."""
    for url in (text, f"https://{text}", f"https://example.com/{text}"):
        try:
            parsed = parse_target(url, "GET")
        except DeniedUrl:
            continue
        again = parse_target(parsed.href, "GET")
        assert again == parsed
        assert re.fullmatch(r"[a-z0-9_.-]+\.[a-z0-9_-]+", parsed.target.host)
        assert "@" not in parsed.host_header


def test_a_message_never_repeats_the_url() -> None:
    """It may hold a password, and it may hold what steers a terminal."""
    for url in ("https://me:hunter2@example.com/", "https://example.com/\x1b[31mhunter2"):
        with pytest.raises(DeniedUrl) as caught:
            parse_target(url, "GET")
        assert "hunter2" not in str(caught.value)
