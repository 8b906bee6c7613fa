"""Spellings by which somebody could try to reach an inner address."""
# ruff: noqa: RUF001 - look-alike characters are what this is about

import itertools
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address

V4 = (
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.5.4",
    "192.168.1.1",
    "169.254.169.254",
    "169.254.170.2",
    "100.64.0.1",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
)
V6 = (
    "::1",
    "::",
    "fe80::1",
    "fec0::1",
    "fc00::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "ff02::1",
    "2001::1",
    "2001:db8::1",
    "5f00::1",
    "100::1",
)
_DIGITS = (
    "0123456789",
    "０１２３４５６７８９",
    "⓪①②③④⑤⑥⑦⑧⑨",
    "𝟎𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖𝟗",
    "٠١٢٣٤٥٦٧٨٩",
    "⁰¹²³⁴⁵⁶⁷⁸⁹",
)
_DOTS = (".", "。", "．", "｡", "%2e", "%E3%80%82", "․")
_BASES = ("{}", "0x{:x}", "0X{:X}", "0{:o}", "000{:o}", "0x00{:x}")


def spellings_v4(text: str) -> Iterator[str]:
    """Hosts that some reader takes for this IPv4 address."""
    address = IPv4Address(text)
    octets = list(address.packed)
    number = int(address)
    plain = [
        *(base.format(number) for base in _BASES),
        str(number + 2**32),
        *(
            ".".join(base.format(n) for base, n in zip(bases, octets, strict=True))
            for bases in itertools.product(_BASES[:4], repeat=4)
        ),
    ]
    for bases in itertools.product(_BASES[:4], repeat=2):
        low16, low24 = number & 0xFFFF, number & 0xFF_FFFF
        plain.append(f"{bases[0].format(octets[0])}.{bases[1].format(low24)}")
        plain.append(f"{bases[0].format(octets[0])}.{octets[1]}.{bases[1].format(low16)}")
    plain += [f"{octets[0]:03}.{octets[1]:03}.{octets[2]:03}.{octets[3]:03}"]
    plain += [".".join(str(n + 256) for n in octets), f"{text}.0", f"0.{text}"]
    yield from plain
    for digits, dot in itertools.product(_DIGITS, _DOTS):
        yield text.translate(str.maketrans("0123456789", digits)).replace(".", dot)
    yield from (f"{text}.", f"{number}.", f".{text}", f"[{text}]", f"{text}%00", f"{text}%09")
    yield from ("".join(f"%{ord(c):02x}" for c in text), "".join(f"%25{ord(c):02x}" for c in text))
    yield from (text.replace(".", c + ".", 1) for c in "\u00ad\u200b\u200d\ufeff\u2060\t\n\r\x00")
    for carrier in carriers(address):
        yield from spellings_v6(carrier)


def carriers(address: IPv4Address) -> Iterator[str]:
    """IPv6 addresses that carry an IPv4 address."""
    number = int(address)
    for prefix in ("::ffff:", "::ffff:0:", "::", "64:ff9b::", "64:ff9b:1::", "fe80::5efe:"):
        yield f"{prefix}{address}"
    yield str(IPv6Address(0x2002 << 112 | number << 80 | 1))
    yield str(IPv6Address(0x2001 << 112 | (number ^ 0xFFFF_FFFF)))
    yield str(IPv6Address(0x2606_4700 << 96 | 0x5EFE << 32 | number))


def spellings_v6(text: str) -> Iterator[str]:
    """Hosts that some reader takes for this IPv6 address."""
    address = IPv6Address(text)
    for form in (text, str(address), address.exploded, address.exploded.upper()):
        yield from (f"[{form}]", f"[{form}%25eth0]", f"[{form}%eth0]", form)
    yield f"[{text}].example.com"
    yield f"%5b{text}%5d"
    yield f"{address.exploded.replace(':', '-')}.ipv6-literal.net"


SHAPES = (
    "{s}://{h}/",
    "{s}://{h}",
    "{s}://{h}:80/",
    "{s}://{h}:{p}/latest/meta-data/",
    "{s}://{h}:0{p}/",
    "{s}://{h}?x",
    "{s}://{h}#x",
    "{s}://user@{h}/",
    "{s}://user:pass@{h}:{p}/",
    "{s}://@{h}/",
    "{s}://example.com@{h}/",
    "{s}://example.com:80@{h}/",
    "{s}://example.com%40{h}/",
    "{s}://{h}#@example.com/",
    "{s}://{h}?@example.com/",
    "{s}://{h}\\@example.com/",
    "{s}://example.com\\@{h}/",
    "{s}://example.com#@{h}/",
    "{s}://{h};example.com/",
    "{s}://{h},example.com/",
    "{s}://{h}&@example.com/",
    "{s}://{h}%2fexample.com/",
    "{s}://{h}%00.example.com/",
    "{s}://{h}\x00.example.com/",
    "{s}://{h}.example.com@{h}/",
    "{s}:\\\\{h}\\",
    "{s}:/\\{h}/",
    "{s}:/{h}/",
    "{s}:{h}/",
    "{s}:///{h}/",
    "{s}:////{h}/",
    "//{h}/",
    "///{h}/",
    "\\\\{h}\\",
    " {s}://{h}/",
    "{s}://{h}/ ",
    "\t{s}://{h}/",
    "{s}://\t{h}/",
    "{s}:\n//{h}/",
    "{s}://{h}/\r\nHost: example.com",
    "{s}:// {h}/",
    "\ufeff{s}://{h}/",
    "url:{s}://{h}/",
    "view-source:{s}://{h}/",
    "blob:{s}://{h}/",
)
SCHEMES = (
    "http",
    "https",
    "HTTP",
    "ftp",
    "gopher",
    "dict",
    "file",
    "ws",
    "ldap",
    "tftp",
    "jar:http",
)


def hosts() -> Iterator[str]:
    """Every spelling of every address."""
    for text in V4:
        yield from spellings_v4(text)
    for text in V6:
        yield from spellings_v6(text)


def urls(port: int) -> Iterator[str]:
    """Every host in the plain shape; one host in twelve in every shape and scheme."""
    for index, host in enumerate(dict.fromkeys(hosts())):
        for scheme in ("http", "https"):
            yield f"{scheme}://{host}/"
            yield f"{scheme}://{host}:{port}/"
        shape = SHAPES[index % len(SHAPES)]
        for scheme in SCHEMES[: 3 + index % 9]:
            yield shape.format(s=scheme, h=host, p=port)
    for shape, text, scheme in itertools.product(SHAPES, (*V4, *V6), SCHEMES):
        host = text if "." in text else f"[{text}]"
        yield shape.format(s=scheme, h=host, p=port)


def names(text: str) -> Iterator[str]:
    """Names that resolve to an address, as such services spell them."""
    dashed = text.replace(".", "-").replace(":", "-").strip("-") or "0"
    yield from (
        f"{dashed}.nip.example.com",
        f"x.{dashed}.sslip.example.com",
        f"customer-{dashed}.rebind.example.net",
        f"xn--bcher-kva.{dashed}.example.org",
        "localtest.example.com",
    )
