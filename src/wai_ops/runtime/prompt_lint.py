"""Linting prompts with what the project knows: its settings, and what its credentials look like."""

import secrets
from collections.abc import Callable, Iterator, Mapping

from wai_ops.config.lint_settings import to_levels
from wai_ops.config.settings import Settings
from wai_ops.observe.redact.engine import Redactor
from wai_ops.observe.redact.finds import REACH, WINDOW, Find, merged
from wai_ops.observe.redact.known import known_secrets
from wai_ops.prompts.lint.look import Options, Secret

_SIGNS = ("{{", "${", "<", "your_", "your-", "...", "…")
_WORDS = frozenset(
    {"pass", "passwd", "password", "pwd", "secret", "token", "key", "changeme", "example"}
)


def lint_options(settings: Settings, environ: Mapping[str, str]) -> Options:
    """What to look for in this project."""
    lint = settings.prompts.lint
    return Options(
        block_tokens=settings.prompts.cache_block_tokens,
        default_output_tokens=settings.defaults.max_output_tokens,
        find_secrets=secret_finder(known_secrets(settings, environ)),
        levels=to_levels(lint.levels),
    )


def secret_finder(known: Mapping[str, str]) -> Callable[[str], Iterator[Secret]]:
    """A search for credentials: the known ones (name -> value), and whatever is shaped like one."""
    # The key makes tags of masks; nothing is masked here.
    redactor = Redactor.build(known, key=secrets.token_bytes(32))

    def find(text: str) -> Iterator[Secret]:
        raw = text.encode("utf-8")
        for found in merged(_all(redactor, raw)):
            if _is_placeholder(raw[found.start : found.end].decode("utf-8", "replace")):
                continue
            start = len(raw[: found.start].decode("utf-8", "ignore"))
            end = len(raw[: found.end].decode("utf-8", "ignore"))
            yield Secret(start=start, end=end, kind=found.kind)

    return find


def _is_placeholder(text: str) -> bool:
    """Whether a text only shows where a credential would stand."""
    plain = text.strip("'\"`").lower()
    return (
        any(sign in plain for sign in _SIGNS)
        or plain.rpartition(":")[2] in _WORDS  # user:password
        or len(set(plain) - set("-_.")) <= 1  # xxxx-xxxx, ****, ....
    )


def _all(redactor: Redactor, raw: bytes) -> list[Find]:
    """Every find in a text of any size, window by window; they overlap by more than a secret."""
    found: list[Find] = []
    for low in range(0, max(len(raw), 1), WINDOW):
        window = raw[low : low + WINDOW + REACH]
        found += [
            Find(item.begin + low, item.start + low, item.end + low, item.rank, item.kind, b"")
            for item in redactor.find(window)
        ]
    return found
