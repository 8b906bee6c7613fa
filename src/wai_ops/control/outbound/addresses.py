"""Addresses that outbound requests may reach, and the reason why others may not.

The ranges are written out here, from the IANA special-purpose and multicast registries, because
what libraries call "global" differs between them and their versions. IPv4 is refused by range.
IPv6 is refused outside 2000::/3, where all public addresses are, and by range inside it. An
address that carries another one (NAT64) is judged by the one that it carries; tunnels and other
carriers are refused whatever they carry.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network


class AddressKind(StrEnum):
    """What an address is for."""

    PUBLIC = "public"
    UNSPECIFIED = "unspecified"
    LOOPBACK = "loopback"
    PRIVATE = "private"
    """RFC 1918, and unique local addresses of IPv6."""
    SHARED = "shared"
    """Between a provider and its customers: carrier-grade NAT."""
    LINK_LOCAL = "link_local"
    METADATA = "metadata"
    """Where cloud machines ask for their own credentials."""
    MULTICAST = "multicast"
    RESERVED = "reserved"
    DOCUMENTATION = "documentation"
    BENCHMARKING = "benchmarking"
    CARRIER = "carrier"
    """Carries an IPv4 address: mapped, translated, tunnelled."""
    SPECIAL = "special"
    """Assigned to protocols; no service answers there."""


@dataclass(frozen=True, slots=True)
class AddressClass:
    """What an address is, in a word and in a sentence."""

    kind: AddressKind
    reason: str
    """Why nothing may connect to it; empty for public addresses."""


_K = AddressKind
Range = tuple[str, AddressKind, str]

IPV4: tuple[Range, ...] = (
    ("0.0.0.0/8", _K.UNSPECIFIED, "this network: reaches the machine itself"),
    ("10.0.0.0/8", _K.PRIVATE, "private (RFC 1918)"),
    ("100.100.100.200/32", _K.METADATA, "the metadata service of a cloud"),
    ("100.64.0.0/10", _K.SHARED, "shared address space of carrier-grade NAT (RFC 6598)"),
    ("127.0.0.0/8", _K.LOOPBACK, "loopback"),
    ("168.63.129.16/32", _K.METADATA, "the platform address of a cloud"),
    ("169.254.0.0/16", _K.LINK_LOCAL, "link-local, with the metadata services of clouds"),
    ("172.16.0.0/12", _K.PRIVATE, "private (RFC 1918)"),
    ("192.0.0.192/32", _K.METADATA, "the metadata service of a cloud"),
    ("192.0.0.0/24", _K.SPECIAL, "protocol assignments (RFC 6890)"),
    ("192.0.2.0/24", _K.DOCUMENTATION, "documentation (RFC 5737)"),
    ("192.31.196.0/24", _K.SPECIAL, "AS112: swallows stray DNS queries (RFC 7535)"),
    ("192.52.193.0/24", _K.CARRIER, "automatic multicast tunnelling (RFC 7450)"),
    ("192.88.99.0/24", _K.CARRIER, "former relays of 6to4 (RFC 7526)"),
    ("192.168.0.0/16", _K.PRIVATE, "private (RFC 1918)"),
    ("192.175.48.0/24", _K.SPECIAL, "AS112: swallows stray DNS queries (RFC 7534)"),
    ("198.18.0.0/15", _K.BENCHMARKING, "benchmarking (RFC 2544)"),
    ("198.51.100.0/24", _K.DOCUMENTATION, "documentation (RFC 5737)"),
    ("203.0.113.0/24", _K.DOCUMENTATION, "documentation (RFC 5737)"),
    ("224.0.0.0/4", _K.MULTICAST, "multicast"),
    ("255.255.255.255/32", _K.RESERVED, "limited broadcast"),
    ("240.0.0.0/4", _K.RESERVED, "reserved (RFC 1112)"),
)
"""The first range that holds an address counts."""

NAT64 = "64:ff9b::/96"
"""Reaches the IPv4 address in its last 32 bits (RFC 6052); public names may resolve to it."""

IPV6: tuple[Range, ...] = (
    ("::/128", _K.UNSPECIFIED, "unspecified: reaches the machine itself"),
    ("::1/128", _K.LOOPBACK, "loopback"),
    ("::ffff:0:0/96", _K.CARRIER, "an IPv4-mapped address (RFC 4291)"),
    ("::ffff:0:0:0/96", _K.CARRIER, "an IPv4-translated address (RFC 7915)"),
    ("::/96", _K.CARRIER, "an IPv4-compatible address (RFC 4291)"),
    ("64:ff9b:1::/48", _K.CARRIER, "NAT64 of a local network (RFC 8215)"),
    ("100::/64", _K.SPECIAL, "discard-only (RFC 6666)"),
    ("100:0:0:1::/64", _K.SPECIAL, "a dummy prefix (RFC 9780)"),
    ("2001::/32", _K.CARRIER, "a Teredo tunnel (RFC 4380)"),
    ("2001:2::/48", _K.BENCHMARKING, "benchmarking (RFC 5180)"),
    ("2001:10::/28", _K.SPECIAL, "former ORCHID identifiers (RFC 4843)"),
    ("2001:20::/28", _K.SPECIAL, "ORCHIDv2 identifiers (RFC 7343)"),
    ("2001:30::/28", _K.SPECIAL, "identifiers of drones (RFC 9374)"),
    ("2001::/23", _K.SPECIAL, "protocol assignments (RFC 2928)"),
    ("2001:db8::/32", _K.DOCUMENTATION, "documentation (RFC 3849)"),
    ("2002::/16", _K.CARRIER, "a 6to4 tunnel (RFC 3056)"),
    ("2620:4f:8000::/48", _K.SPECIAL, "AS112: swallows stray DNS queries (RFC 7534)"),
    ("3ffe::/16", _K.RESERVED, "returned by the former 6bone (RFC 3701)"),
    ("3fff::/20", _K.DOCUMENTATION, "documentation (RFC 9637)"),
    ("5f00::/16", _K.SPECIAL, "segment identifiers of SRv6 (RFC 9602)"),
    ("fd00:ec2::254/128", _K.METADATA, "the metadata service of a cloud"),
    ("fd20:ce::254/128", _K.METADATA, "the metadata service of a cloud"),
    ("fc00::/7", _K.PRIVATE, "unique local (RFC 4193)"),
    ("fe80::/10", _K.LINK_LOCAL, "link-local"),
    ("fec0::/10", _K.PRIVATE, "former site-local (RFC 3879)"),
    ("ff00::/8", _K.MULTICAST, "multicast"),
)
"""The first range that holds an address counts."""

_V4 = tuple((IPv4Network(network), AddressClass(kind, text)) for network, kind, text in IPV4)
_V6 = tuple((IPv6Network(network), AddressClass(kind, text)) for network, kind, text in IPV6)
_NAT64 = IPv6Network(NAT64)
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_LOW_32 = 0xFFFF_FFFF
_ISATAP = frozenset({0x0000_5EFE, 0x0200_5EFE})
_PUBLIC = AddressClass(AddressKind.PUBLIC, "")
_OUTSIDE = AddressClass(AddressKind.RESERVED, "outside of the public unicast range 2000::/3")
_IS_ISATAP = AddressClass(AddressKind.CARRIER, "an ISATAP tunnel (RFC 5214)")
_ALLOWED_PRIVATE = tuple(
    ip_network(text)
    for text in ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1", "fc00::/7")
)


def classify(ip: str) -> AddressClass:
    """What an address is. Raises ValueError for text that is none; a zone makes it link-local."""
    address = ip_address(ip)
    if isinstance(address, IPv4Address):
        return _class_v4(address)
    if address.scope_id is not None:
        return AddressClass(AddressKind.LINK_LOCAL, "an address with a zone")
    return _class_v6(address)


def refuse_reason(ip: str) -> str | None:
    """Why nothing may connect to an address; None for public ones.

    Text that is no address is refused as well.
    """
    try:
        found = classify(ip)
    except ValueError:
        return "no address"
    return found.reason or None


def private_refuse_reason(ip: str, networks: Sequence[IPv4Network | IPv6Network]) -> str | None:
    """The same for a host that wai.yaml names as private, with the networks that it names.

    None for loopback, RFC 1918 and unique local addresses in these networks alone, and never where
    clouds keep credentials.
    """
    try:
        found = classify(ip)
    except ValueError:
        return "no address"
    if found.kind is AddressKind.PUBLIC:
        return "a public address, and the host is named as a private one"
    address = ip_address(ip)
    if found.kind not in (AddressKind.LOOPBACK, AddressKind.PRIVATE) or not any(
        address in network for network in _ALLOWED_PRIVATE
    ):
        return found.reason
    if not any(address in network for network in networks):
        return f"{found.reason}, and not what policy.private_hosts names"
    return None


def _class_v4(address: IPv4Address) -> AddressClass:
    for network, found in _V4:
        if address in network:
            return found
    return _PUBLIC


def _class_v6(address: IPv6Address) -> AddressClass:
    if address in _NAT64:
        inner = IPv4Address(int(address) & _LOW_32)
        found = _class_v4(inner)
        if found.kind is AddressKind.PUBLIC:
            return _PUBLIC
        return AddressClass(AddressKind.CARRIER, f"NAT64 of {inner}: {found.reason}")
    for network, found in _V6:
        if address in network:
            return found
    if address not in _GLOBAL_UNICAST:
        return _OUTSIDE
    if int(address) >> 32 & _LOW_32 in _ISATAP:
        return _IS_ISATAP
    return _PUBLIC
