"""What a program that `wai` starts for others gets of the environment: a short list, no secrets."""

from collections.abc import Mapping

_LOCALE = ("ADDRESS", "ALL", "COLLATE", "CTYPE", "IDENTIFICATION", "MEASUREMENT", "MESSAGES")
_MORE_LOCALE = ("MONETARY", "NAME", "NUMERIC", "PAPER", "TELEPHONE", "TIME")
ALLOWED = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL"),
        *("LANG", "LANGUAGE", *(f"LC_{name}" for name in (*_LOCALE, *_MORE_LOCALE))),
        *("TZ", "TMPDIR", "TMP", "TEMP", "TERM", "NO_COLOR"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR"),
    }
)
"""Names, not patterns: a variable that somebody makes up is never among them. No proxies: what goes
out of a tool is decided upon by policy, not by the environment."""


def child_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for a tool: neither token, no setting, no key, no proxy. Sorted by name."""
    return {name: environ[name] for name in sorted(ALLOWED) if name in environ}
