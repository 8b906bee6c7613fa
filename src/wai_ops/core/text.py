"""Untrusted text made safe to print. Model output, logs and names pass here before a terminal."""

import unicodedata

_KEEP = "\n\t"


def _replacement(code: int) -> str:
    if code < 0x20:
        return chr(0x2400 + code)  # the control pictures: ESC becomes ␛
    return "␡" if code == 0x7F else f"<U+{code:04X}>"


_C0_C1 = [code for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in _KEEP]
# Marks that reorder, hide or break text: bidi controls, invisible format characters, line and
# paragraph separators, tags. Zero-width joiner and non-joiner stay: emoji and scripts need them.
_FORMAT = [
    code
    for code in (
        0xAD,
        *range(0x600, 0x606),
        0x61C,
        0x6DD,
        0x70F,
        0x890,
        0x891,
        0x8E2,
        0x180E,
        *range(0x200B, 0x2010),
        *range(0x2028, 0x202F),
        *range(0x2060, 0x2070),
        0xFEFF,
        *range(0xFFF9, 0xFFFC),
        0x110BD,
        0x110CD,
        *range(0x13430, 0x13440),
        *range(0x1BCA0, 0x1BCA4),
        *range(0x1D173, 0x1D17B),
        *range(0xE0000, 0xE0080),
    )
    if code not in (0x200C, 0x200D, 0x202F)
]
_TABLE = {code: _replacement(code) for code in (*_C0_C1, *_FORMAT)}
_LINE_TABLE = _TABLE | {ord("\n"): "␊", ord("\t"): " "}


def printable(text: str) -> str:
    """Replace whatever could steer a terminal; newlines and tabs stay.

    The mapping is per character, so it gives the same result however a stream was cut.
    Lone surrogates become U+FFFD, because no encoder would take them.
    """
    return _no_surrogates(text.translate(_TABLE))


def one_line(text: str, limit: int = 300) -> str:
    """`printable`, on one line, cut to `limit` characters: for names and messages."""
    line = _no_surrogates(text.translate(_LINE_TABLE)).strip()
    return line if len(line) <= limit else line[: limit - 1] + "…"


def _no_surrogates(text: str) -> str:
    if text.isascii() or not any(unicodedata.category(c) == "Cs" for c in text):
        return text
    return "".join("\ufffd" if unicodedata.category(c) == "Cs" else c for c in text)


def counted(count: int, noun: str, nouns: str | None = None) -> str:
    """`1 row`, `2,000 rows`, `3 bodies`."""
    return f"{count:,} {noun if count == 1 else nouns or noun + 's'}"
