"""What prompts, their files and their labels may be called.

A name is a path below `prompts/` without its suffix: `triage`, `support/triage`. Letters, digits
and `. _ -`; each part begins with a letter or digit, so that no name leads out of the folder or
into a hidden one.
"""

import re

from wai_ops.core.text import one_line
from wai_ops.prompts.errors import PromptError

_PART = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_NAME = re.compile(rf"{_PART}(?:/{_PART})*\Z")
_LABEL = re.compile(rf"[a-z][a-z0-9_-]{{0,31}}(?:/{_PART})?\Z")
_RESERVED = frozenset({"work", "latest"})
MOST = 128
"""Characters in a name: what the metadata contract carries."""


def is_prompt_name(text: str) -> bool:
    """Say whether `text` may name a prompt."""
    return len(text) <= MOST and _NAME.match(text) is not None


def check_prompt_name(text: str) -> str:
    """Return the name. Raises PromptError when it is none."""
    if is_prompt_name(text):
        return text
    raise PromptError(
        f"{one_line(text, 80)!r} is not a name of a prompt",
        hint="letters, digits and . _ -, parts separated by /, at most 128 characters",
    )


def is_label(text: str) -> bool:
    """Say whether `text` may be a label: `production`, or `staging/acme` for one tenant."""
    return len(text) <= MOST and text not in _RESERVED and _LABEL.match(text) is not None


def check_label(text: str) -> str:
    """Return the label. Raises PromptError when it is none."""
    if is_label(text):
        return text
    reserved = " (the name is reserved)" if text in _RESERVED else ""
    raise PromptError(
        f"{one_line(text, 80)!r} is not a label{reserved}",
        hint="a label is like production, or staging/acme for one tenant",
    )


def label_base(label: str) -> str:
    """The label without its tenant: protection holds for all tenants of a label."""
    return label.partition("/")[0]
