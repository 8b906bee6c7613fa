"""What a credential looks like: the shape rules, as RE2 patterns over bytes.

No pattern looks far beyond its own end: what follows the part that decides only makes the match
longer, so that finding all matches stays linear whatever the text is. Classes never take control
characters, which is how an existing mask (hidden behind them) and the joints between decoded
pieces stop every rule.
"""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One shape. The secret is group 1 of `pattern` if it has one, else all of it.

    `anchors` are words as they stand, `folded` lower-case ones for a rule that ignores case: a text
    that holds none of them has no match. `suspect` is the cheap pattern, without all of the
    secret's own shape, for the prefilter of bulk loads.
    """

    kind: str
    pattern: str
    suspect: str
    anchors: tuple[bytes, ...] = ()
    folded: tuple[bytes, ...] = ()
    accept: Callable[[bytes], bool] | None = None
    is_exact: bool = False
    """The length of the secret decides: a piece of text that a mask cut off does not count."""
    rank: int = 2
    """Of overlapping finds the one with the lowest rank names the mask."""


_QUOTES = r"""["'\\]{0,4}"""
_SEPARATOR = rf"{_QUOTES}[ \t]{{0,4}}(?:=>|:=|=|:)[ \t]{{0,4}}{_QUOTES}"
_VALUE = r"[A-Za-z0-9_+/=.~:%@!$*^#?|-]"
_WORDS = (
    r"(?:token|secret|api[_ -]?key|(?:access|secret|private|account|auth|signing|encryption|"
    r"master|shared|storage|subscription|license)[_ -]?(?:access[_ -]?)?key|credentials?)"
)
_GITLAB = "pat|ptt|dt|rt|cbt|ft|soat|agent|imt|oas"
_PASSWORDS = r"(?:pass(?:word|wd|phrase)|pwd)"


def _has_digit(value: bytes) -> bool:
    return any(48 <= byte <= 57 for byte in value)


def _is_mixed(value: bytes) -> bool:
    """Letters and digits: no plain word and no plain number."""
    return _has_digit(value) and any(chr(byte).isalpha() for byte in value if byte < 128)


def _is_generic(value: bytes) -> bool:
    """The value of something called a token or key: no word of prose and no count."""
    if len(value) >= 40:
        return not value.isalpha() or _is_varied(value)
    return _is_mixed(value)


def _is_varied(value: bytes) -> bool:
    return not (value.islower() or value.isupper())


def _is_password(value: bytes) -> bool:
    return not value.isalpha() or len(value) >= 12


def _is_legacy(value: bytes) -> bool:
    """A Cloudflare token of 40 mixed characters, or a global key of 37 hex digits."""
    if len(value) == 37:
        return all(byte in b"0123456789abcdef" for byte in value)
    return len(value) == 40 and _is_mixed(value) and _is_varied(value)


def _is_authorization(value: bytes) -> bool:
    return _has_digit(value) or len(value) >= 16


def _is_userinfo(value: bytes) -> bool:
    return b":" in value or len(value) >= 16


def _prefixed(kind: str, *patterns: str, anchors: tuple[bytes, ...]) -> Rule:
    """A rule whose prefix says it all."""
    pattern = "|".join(patterns)
    return Rule(kind=kind, pattern=pattern, anchors=anchors, suspect=pattern, rank=1)


RULES: tuple[Rule, ...] = (
    _prefixed(
        "cloudflare-token",
        r"cf(?:k|ut|at)_[A-Za-z0-9_-]{16,}",
        # The origin CA key, and the token that runs a tunnel.
        r"v1\.0-[0-9a-f]{20,}-[0-9a-f]{40,}",
        r"eyJhIjoi[A-Za-z0-9+/=_-]{60,}",
        anchors=(b"cfk_", b"cfut_", b"cfat_", b"v1.0-", b"eyJhIjoi"),
    ),
    _prefixed(
        "jwt",
        r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)*",
        anchors=(b"eyJ",),
    ),
    Rule(
        kind="private-key",
        pattern=(
            r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
            r"(?:(?:[ \t\r\n]|\\r|\\n){1,4}[A-Za-z-]{2,40}: ?[A-Za-z0-9,. -]{1,120})*"
            r"(?:[A-Za-z0-9+/=]|[ \t\r\n]|\\[nrt])*"
            r"(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)?"
        ),
        anchors=(b"PRIVATE KEY",),
        suspect=r"PRIVATE KEY",
        rank=1,
    ),
    _prefixed(
        "aws-key",
        r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}",
        anchors=(b"AKIA", b"ASIA", b"ABIA", b"ACCA"),
    ),
    _prefixed(
        "google-key",
        r"AIza[A-Za-z0-9_-]{30,}",
        r"ya29\.[A-Za-z0-9_-]{20,}",
        r"GOCSPX-[A-Za-z0-9_-]{20,}",
        r"1//0[A-Za-z0-9_-]{30,}",
        anchors=(b"AIza", b"ya29.", b"GOCSPX-", b"1//0"),
    ),
    _prefixed(
        "azure-key",
        r"[A-Za-z0-9_~.]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,}",
        anchors=(b"Q~",),
    ),
    _prefixed(
        "github-token",
        r"gh[pousr]_[A-Za-z0-9]{20,}",
        r"github_pat_[A-Za-z0-9_]{20,}",
        anchors=(b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_", b"github_pat_"),
    ),
    _prefixed(
        "gitlab-token",
        rf"gl(?:{_GITLAB})-[A-Za-z0-9_.-]{{20,}}",
        anchors=tuple(f"gl{word}-".encode() for word in _GITLAB.split("|")),
    ),
    _prefixed(
        "slack-token",
        r"xox[abceoprs]-[A-Za-z0-9-]{10,}",
        r"xapp-[A-Za-z0-9-]{10,}",
        r"hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9/_+-]{20,}",
        anchors=(b"xox", b"xapp-", b"hooks.slack.com"),
    ),
    _prefixed(
        "stripe-key",
        r"(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{10,}",
        r"whsec_[A-Za-z0-9+/=]{16,}",
        anchors=(b"_live_", b"_test_", b"whsec_"),
    ),
    _prefixed(
        "llm-key",
        r"sk-(?:ant|proj|svcacct|admin|or-v1|lf|None)-[A-Za-z0-9_-]{16,}",
        r"(?:hf|r8)_[A-Za-z0-9]{30,}",
        r"(?:gsk|fw|jina)_[A-Za-z0-9]{20,}",
        r"pcsk_[A-Za-z0-9_]{30,}",
        r"tgp_v1_[A-Za-z0-9_-]{20,}",
        r"lsv2_(?:pt|sk)_[A-Za-z0-9_]{20,}",
        r"(?:pplx|xai|csk)-[A-Za-z0-9]{30,}",
        r"nvapi-[A-Za-z0-9_-]{30,}",
        anchors=(
            *(b"sk-", b"hf_", b"r8_", b"gsk_", b"fw_", b"jina_", b"pcsk_", b"tgp_v1_", b"lsv2_"),
            *(b"pplx-", b"xai-", b"csk-", b"nvapi-"),
        ),
    ),
    Rule(
        kind="llm-key",
        pattern=r"(?:^|[^A-Za-z0-9_\x01])(sk-[A-Za-z0-9]{20,})",
        anchors=(b"sk-",),
        suspect=r"sk-[A-Za-z0-9]{20}",
        accept=_has_digit,
        rank=1,
    ),
    _prefixed(
        "service-token",
        r"npm_[A-Za-z0-9]{30,}",
        r"pypi-AgEI[A-Za-z0-9_-]{20,}",
        r"do[opr]_v1_[a-f0-9]{40,}",
        r"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}",
        r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{20,}",
        r"hv[sb]\.[A-Za-z0-9_-]{20,}",
        r"AGE-SECRET-KEY-1[0-9A-Z]{20,}",
        r"tskey-[a-z]{2,12}-[A-Za-z0-9-]{10,}",
        r"[0-9]{8,10}:AA[A-Za-z0-9_-]{33}",
        r"dapi[0-9a-f]{32}",
        r"sntrys_[A-Za-z0-9+/=_-]{20,}",
        r"glsa_[A-Za-z0-9_]{30,}",
        r"lin_api_[A-Za-z0-9]{20,}",
        r"NRAK-[A-Z0-9]{20,}",
        r"sbp_[a-f0-9]{40,}",
        r"ATATT3[A-Za-z0-9_=-]{20,}",
        anchors=(
            *(b"npm_", b"pypi-AgEI", b"_v1_", b"SG.", b"shpat_", b"shpca_", b"shppa_", b"shpss_"),
            *(b"hvs.", b"hvb.", b"AGE-SECRET-KEY-1", b"tskey-", b":AA", b"dapi", b"sntrys_"),
            *(b"glsa_", b"lin_api_", b"NRAK-", b"sbp_", b"ATATT3"),
        ),
    ),
    Rule(
        kind="url-userinfo",
        pattern=r"""://([^\x00-\x20\x7f/@"'<>\\?#]+)@""",
        anchors=(b"://",),
        suspect=r"""://[^\x00-\x20\x7f/@"'<>\\?#]+@""",
        accept=_is_userinfo,
        rank=3,
    ),
    Rule(
        kind="url-secret",
        pattern=(
            r"(?i)[?&;](?:sig|signature|x-amz-signature|x-goog-signature|x-amz-security-token|"
            r"x-amz-credential|key|code|auth|access_token|refresh_token|id_token)="
            r"""([^\x00-\x20\x7f&"'<>\\]{8,})"""
        ),
        folded=(b"sig=", b"signature=", b"x-amz-", b"key=", b"code=", b"auth=", b"token="),
        suspect=r"(?i)[?&;](?:[a-z-]*sig[a-z]*|x-amz-[a-z-]+|key|code|auth|[a-z]+_token)=",
        accept=_has_digit,
        rank=4,
    ),
    Rule(
        kind="authorization",
        pattern=(
            rf"(?i)authorization{_SEPARATOR}"
            r"(?:(?:bearer|basic|token|digest|negotiate|apikey|key)[ \t]{1,4})?"
            r"""([^\x00-\x20\x7f"'\\,;]{8,})"""
        ),
        folded=(b"authorization",),
        suspect=r"(?i)authorization",
        accept=_is_authorization,
        rank=3,
    ),
    Rule(
        kind="authorization",
        pattern=r"(?i)bearer(?:[ \t]{1,4}|%20|\+)([A-Za-z0-9._~+/=-]{16,})",
        folded=(b"bearer",),
        suspect=r"(?i)bearer",
        accept=_has_digit,
        rank=3,
    ),
    Rule(
        kind="authorization",
        pattern=r"(?i)(?:^|[^a-z0-9])basic[ \t]{1,4}([A-Za-z0-9+/]{12,}={0,2})",
        folded=(b"basic",),
        suspect=r"(?i)basic[ \t]{1,4}[A-Za-z0-9+/]{12}",
        accept=_is_varied,
        rank=3,
    ),
    Rule(
        kind="cookie",
        pattern=rf"""(?i)cookie{_QUOTES}[ \t]{{0,4}}:[ \t]{{0,4}}{_QUOTES}"""
        r"""([A-Za-z0-9_.!#$%&*+^|~-]+=[^\x00-\x1f\x7f"'\\]{2,})""",
        folded=(b"cookie",),
        suspect=r"(?i)cookie",
        rank=3,
    ),
    Rule(
        kind="password",
        pattern=rf"""(?i){_PASSWORDS}{_SEPARATOR}([^\x00-\x20\x7f"'\\&,;<>{{}}()\[\]]{{6,}})""",
        folded=(b"passw", b"passphrase", b"pwd"),
        suspect=rf"(?i){_PASSWORDS}",
        accept=_is_password,
        rank=4,
    ),
    Rule(
        kind="secret",
        pattern=rf"(?i){_WORDS}{_SEPARATOR}({_VALUE}{{8,}})",
        folded=(b"token", b"secret", b"key", b"credential"),
        suspect=rf"(?i){_WORDS}{_QUOTES}[ \t]{{0,4}}[:=]",
        accept=_is_generic,
        rank=4,
    ),
    Rule(
        kind="cloudflare-token",
        pattern=(
            r"(?i)(?:token|key|bearer|credential|secret|cloudflare)[^A-Za-z0-9\x00-\x1f]{1,8}"
            r"(?:[a-z]{2,10}[^A-Za-z0-9\x00-\x1f]{1,4}){0,3}([A-Za-z0-9_-]{37,})"
        ),
        folded=(b"token", b"key", b"bearer", b"credential", b"secret", b"cloudflare"),
        suspect=r"(?i)(?:token|key|bearer|credential|secret|cloudflare)[^A-Za-z0-9]",
        accept=_is_legacy,
        is_exact=True,
        rank=2,
    ),
)
"""In no order: all of them see the same text."""

LONG_RUN = 37
BASE64_RUN = rf"[A-Za-z0-9+/_-]{{{LONG_RUN}}}"
"""Longer than a UUID: what is shorter is not taken for an encoded text."""
HEX_RUN = r"[0-9A-Fa-f]{40}"
ESCAPE = r"""%[0-9A-Fa-f]{2}|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4})"""

BRIEF_PREFILTER = "|".join([*(f"(?:{rule.suspect})" for rule in RULES), ESCAPE])
"""As `PREFILTER`, for texts of fewer bytes than `LONG_RUN`: counting them takes time."""
PREFILTER = f"{BRIEF_PREFILTER}|{BASE64_RUN}"
"""Matches every text that a shape rule could change, as it stands or once decoded."""
SUSPECTS = "|".join(f"(?:{rule.suspect})" for rule in RULES)
"""As `PREFILTER`, for a text that is not decoded again."""
