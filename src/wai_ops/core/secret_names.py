"""Which environment variables are called as those are that hold secrets."""

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
