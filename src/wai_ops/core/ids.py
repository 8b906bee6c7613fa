"""Ids: UUIDv7 (RFC 9562), so that ids sort by the time they were made."""

import os
import re
from collections.abc import Callable
from datetime import datetime

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@/-]{0,127}\Z")


def uuid7(now: datetime, random_bytes: Callable[[int], bytes] = os.urandom) -> str:
    """Return a UUIDv7: 48 bits of Unix milliseconds, then version, variant and 74 random bits."""
    millis = int(now.timestamp() * 1000)
    tail = int.from_bytes(random_bytes(10), "big")
    value = (
        (millis & (1 << 48) - 1) << 80
        | 0x7 << 76
        | (tail >> 68 & 0xFFF) << 64
        | 0b10 << 62
        | tail & (1 << 62) - 1
    )
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def is_name(text: str) -> bool:
    """Say whether `text` may name a tenant, workflow, conversation or prompt.

    Letters, digits and `. _ @ / -`, starting with a letter or digit, at most 128 characters: what
    survives unchanged in a header, a file, a SQL value and a terminal. The colon is left out
    because it separates the parts of an affinity key.
    """
    return _NAME.match(text) is not None


SUMMARY = "/checkpoint/"
"""Stands in the ids of the conversations in which summaries of others are made."""


def summed_up(conversation_id: str) -> str:
    """The conversation that a summary's own one is about; any other id as it is."""
    return conversation_id.partition(SUMMARY)[0]
