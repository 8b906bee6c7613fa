"""Addresses: which are refused and why, beside what the standard library thinks of them."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wai_ops.control.outbound.addresses import (
    IPV4,
    IPV6,
    AddressKind,
    classify,
    private_refuse_reason,
    refuse_reason,
)

PUBLIC = (
    "1.1.1.1",
    "8.8.8.8",
    "93.184.215.14",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "168.63.129.15",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.0",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2001:4860:4860::8888",
    "2001:200::1",
    "2a00:1450:4001:81b::200e",
    "2003::1",
    "3fff:1000::1",
    "64:ff9b::1.1.1.1",
    "64:ff9b::5db8:d70e",
)

REFUSED = {
    AddressKind.UNSPECIFIED: ("0.0.0.0", "0.1.2.3", "::"),
    AddressKind.LOOPBACK: ("127.0.0.1", "127.255.255.254", "127.1.2.3", "::1"),
    AddressKind.PRIVATE: (
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "fc00::1",
        "fd12:3456::1",
        "fec0::1",
    ),
    AddressKind.SHARED: ("100.64.0.1", "100.127.255.255"),
    AddressKind.LINK_LOCAL: (
        "169.254.169.254",
        "169.254.170.2",
        "169.254.0.1",
        "fe80::1",
        "fe80::1%eth0",
        "febf::1",
        "2606:4700::1%1",
    ),
    AddressKind.METADATA: (
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "fd00:ec2::254",
        "fd20:ce::254",
    ),
    AddressKind.MULTICAST: ("224.0.0.1", "239.255.255.255", "ff02::1", "ff0e::1"),
    AddressKind.RESERVED: (
        "240.0.0.1",
        "255.255.255.255",
        "4000::1",
        "1000::1",
        "e000::1",
        "200::1",
        "3ffe::1",
    ),
    AddressKind.DOCUMENTATION: (
        "192.0.2.1",
        "198.51.100.1",
        "203.0.113.1",
        "2001:db8::1",
        "3fff::1",
        "3fff:fff::1",
    ),
    AddressKind.BENCHMARKING: ("198.18.0.1", "198.19.255.255", "2001:2::1"),
    AddressKind.CARRIER: (
        "::ffff:127.0.0.1",
        "::ffff:1.1.1.1",
        "::ffff:0:127.0.0.1",
        "::ffff:0:1.1.1.1",
        "::127.0.0.1",
        "::1.1.1.1",
        "64:ff9b::127.0.0.1",
        "64:ff9b::169.254.169.254",
        "64:ff9b::10.0.0.1",
        "64:ff9b::168.63.129.16",
        "64:ff9b:1::1.1.1.1",
        "64:ff9b:1:7f00:0:100::",
        "2001::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2002:7f00:1::1",
        "2002:101:101::1",
        "192.88.99.1",
        "192.52.193.1",
        "2606:4700::5efe:7f00:1",
        "2606:4700::200:5efe:7f00:1",
    ),
    AddressKind.SPECIAL: (
        "192.0.0.1",
        "192.0.0.170",
        "192.31.196.1",
        "192.175.48.1",
        "100::1",
        "100:0:0:1::1",
        "2001:10::1",
        "2001:20::1",
        "2001:30::1",
        "2001:1::1",
        "2001:4:112::1",
        "2620:4f:8000::1",
        "5f00::1",
    ),
}

STRICTER: dict[str, str] = {
    "168.63.129.16/32": "a cloud's platform answers there, though the range is sold as public",
    "192.0.0.0/24": "anycast of PCP and TURN: no service of anybody",
    "192.31.196.0/24": "AS112",
    "192.52.193.0/24": "AMT relays",
    "192.88.99.0/24": "6to4 relays",
    "192.175.48.0/24": "AS112",
    "224.0.0.0/4": "multicast is no address of a server",
    "64:ff9b::/96": "judged by the address that is carried",
    "2001::/23": "protocols, tunnels and identifiers",
    "2002::/16": "6to4 carries any address",
    "2620:4f:8000::/48": "AS112",
    "3ffe::/16": "returned by the 6bone",
    "3fff::/20": "documentation; libraries before 2024 do not know it",
}
"""Where `ipaddress` says "global" and nothing may connect all the same."""


@pytest.mark.parametrize("ip", PUBLIC)
def test_public_addresses_pass(ip: str) -> None:
    assert refuse_reason(ip) is None
    assert classify(ip).kind is AddressKind.PUBLIC


@pytest.mark.parametrize(
    ("kind", "ip"), [(kind, ip) for kind, ips in REFUSED.items() for ip in ips]
)
def test_an_address_is_refused_for_what_it_is(kind: AddressKind, ip: str) -> None:
    assert classify(ip).kind is kind
    assert refuse_reason(ip)


def test_what_nat64_carries_is_in_the_reason() -> None:
    reason = refuse_reason("64:ff9b::a9fe:a9fe")
    assert reason is not None
    assert "169.254.169.254" in reason


@pytest.mark.parametrize(
    "text", ["", "localhost", "0177.0.0.1", "127.1", "1.2.3.4.5", "[::1]", "::1/128", "1.1.1.1 "]
)
def test_text_that_is_no_address_is_refused(text: str) -> None:
    assert refuse_reason(text) == "no address"
    assert private_refuse_reason(text, [ip_network("127.0.0.0/8")]) == "no address"


def test_every_range_is_well_formed_and_reached() -> None:
    """No range is hidden behind an earlier, wider one."""
    for ranges in (IPV4, IPV6):
        for network, kind, reason in ranges:
            parsed = ip_network(network)
            for address in (parsed[0], parsed[-1]):
                found = classify(str(address))
                assert found.kind is not AddressKind.PUBLIC
                assert found.reason
            assert any(
                classify(str(parsed[at])).reason == reason
                and classify(str(parsed[at])).kind is kind
                for at in (0, 1, -1, parsed.num_addresses // 2)
            ), network


def check_against_ipaddress(address: IPv4Address | IPv6Address) -> None:
    is_allowed = refuse_reason(str(address)) is None
    if is_allowed:
        assert address.is_global, f"{address} passes, and ipaddress says it is not global"
        assert not address.is_multicast
    elif address.is_global:
        outside = isinstance(address, IPv6Address) and address not in IPv6Network("2000::/3")
        isatap = isinstance(address, IPv6Address) and (int(address) >> 32) & 0xFDFF_FFFF == 0x5EFE
        named = any(address in ip_network(network) for network in STRICTER)
        assert outside or isatap or named, f"{address} is refused, and nothing here says why"


@given(st.ip_addresses(v=4))
def test_ipv4_agrees_with_ipaddress_but_for_what_is_listed(address: IPv4Address) -> None:
    check_against_ipaddress(address)


@given(
    st.one_of(
        st.ip_addresses(v=6),
        st.integers(0, 2**125 - 1).map(lambda n: IPv6Address(n | 1 << 125)),
        st.sampled_from([network for network, *_ in IPV6]).flatmap(
            lambda network: st.ip_addresses(network=network)
        ),
    )
)
def test_ipv6_agrees_with_ipaddress_but_for_what_is_listed(address: IPv6Address) -> None:
    check_against_ipaddress(address)


def test_the_borders_of_all_ranges_agree_with_ipaddress() -> None:
    """The first and the last of each range, and their neighbours."""
    borders = 0
    for network, *_ in (*IPV4, *IPV6, *((text, None, None) for text in STRICTER)):
        parsed = ip_network(network)
        make = IPv4Address if parsed.version == 4 else IPv6Address
        for number in (int(parsed[0]) - 1, int(parsed[0]), int(parsed[-1]), int(parsed[-1]) + 1):
            if 0 <= number < 2**parsed.max_prefixlen:
                check_against_ipaddress(make(number))
                borders += 1
    assert borders > 200


def test_whatever_ipaddress_calls_private_is_refused() -> None:
    """Its own list, however it grows in later versions."""
    for version in (4, 6):
        constants = ip_address("0.0.0.0" if version == 4 else "::")._constants  # type: ignore[union-attr]
        for network in constants._private_networks:
            assert refuse_reason(str(network[0])), network
            assert refuse_reason(str(network[-1])), network


NETWORKS = [
    ip_network(text)
    for text in ("127.0.0.0/8", "10.1.0.0/16", "169.254.0.0/16", "::/0", "100.64.0.0/10", "8.8.8.8")
]


@pytest.mark.parametrize("ip", ["127.0.0.1", "10.1.2.3", "::1", "fd12::1"])
def test_private_addresses_pass_where_they_are_named(ip: str) -> None:
    assert private_refuse_reason(ip, NETWORKS) is None


@pytest.mark.parametrize(
    "ip",
    [
        "10.2.0.1",  # not named
        "192.168.0.1",
        "8.8.8.8",  # public: named, but this is no private host then
        "2606:4700::1",
        "169.254.169.254",  # named, and never
        "100.64.0.1",
        "100.100.100.200",
        "fe80::1",
        "fd00:ec2::254",
        "fd20:ce::254",
        "fec0::1",
        "::",
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "64:ff9b::127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "ff02::1",
    ],
)
def test_other_addresses_do_not_pass_however_they_are_named(ip: str) -> None:
    assert private_refuse_reason(ip, NETWORKS)
