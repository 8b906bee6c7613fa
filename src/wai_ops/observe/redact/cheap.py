"""May a text hold a secret at all? A test that costs microseconds and imports nothing heavy.

It is wrong only in one direction: where it says no, the redactor would change nothing. Most text
that people send is settled here, and the engine is never loaded.
"""

import re
from collections.abc import Iterable
from functools import cache

from wai_ops.observe.redact.forms import forms_of, searchable
from wai_ops.observe.redact.rules import RULES

_COMMON = frozenset({b"token", b"key", b"secret", b"credential", b"cloudflare", b"://", b"basic"})
"""Words that ordinary text is full of: they count only with what must follow them."""
_WORDS = (
    r"\\u|%[0-9A-Fa-f]{2}"  # an escape may hide any word
    r"|[A-Za-z0-9+/_-]{37}"
    # A tab may stand as the two characters of its JSON escape.
    r"|(?i:token|secret|key|credentials?)[\"'\\ \tt]{0,12}[:=]"
    r"|(?i:basic)[ \t\\t]{1,8}[A-Za-z0-9+/]{12}"
    r"|:(?:\\?/){2}[^\s/@]{1,}@"
)


class Suspicion:
    """The test, for the secrets that are known."""

    def __init__(self, secrets: Iterable[str]) -> None:
        """Prepare it; the forms of the secrets are made when a text is first looked at."""
        self._secrets = tuple(secrets)
        self._forms: list[bytes] | None = None

    def of(self, text: str) -> bool:
        """Whether a redactor that knows the same secrets might change this text."""
        raw = text.encode("utf-8", "surrogatepass")
        if self._forms is None:
            self._forms = [
                form
                for value in self._secrets
                for secret in searchable(value)
                for form in forms_of(secret)
            ]
        if any(form in raw for form in self._forms):
            return True
        exact, folded = _anchors()
        if any(word in raw for word in exact):
            return True
        lower = raw.lower()
        return any(word in lower for word in folded) or _words().search(raw) is not None


@cache
def _anchors() -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    exact = {word for rule in RULES for word in rule.anchors} - _COMMON
    folded = {word for rule in RULES for word in rule.folded} - _COMMON
    return tuple(sorted(exact)), tuple(sorted(folded))


@cache
def _words() -> re.Pattern[bytes]:
    return re.compile(_WORDS.encode())
