"""Which environment variables are called as those are that hold secrets."""

from collections.abc import Mapping

_ENDINGS = (
    *("TOKEN", "KEY", "SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "PWD", "CREDENTIAL"),
    *("TOKENS", "KEYS", "SECRETS", "PASSWORDS", "CREDENTIALS", "API_KEY_ID", "ACCESS_KEY_ID"),
)
_SUFFIXES = ("_B64", "_BASE64", "_JSON")
_NOT_SECRET = frozenset({"PWD", "OLDPWD"})


def is_secret_name(name: str) -> bool:
    """Say whether a variable's name promises a secret: GITHUB_TOKEN, DB_PASSWORD_2, API_KEY."""
    upper = name.upper()
    for suffix in _SUFFIXES:
        upper = upper.removesuffix(suffix)
    upper = upper.rstrip("0123456789").rstrip("_")
    return upper.endswith(_ENDINGS) and name not in _NOT_SECRET


def without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for git or pip, which users configure by variables: all but the secrets."""
    return {
        name: value
        for name, value in environ.items()
        # Of git's numbered pairs none may be missing, and the key is the name of a setting.
        if name.startswith("GIT_CONFIG_KEY_") or not is_secret_name(name)
    }
