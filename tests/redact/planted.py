"""Credentials that look real and are not, and the identifiers that must survive."""

import base64
import random
import string

ALNUM = string.ascii_letters + string.digits
_RNG = random.Random(20261123)


def chars(count: int, alphabet: str = ALNUM) -> str:
    """Random characters, the same in every run, with a digit and both cases among the first."""
    head = "a1B" if alphabet == ALNUM else ""
    return head + "".join(_RNG.choices(alphabet, k=count - len(head)))


HEX = "0123456789abcdef"
UPPER = string.ascii_uppercase + string.digits

PREFIXED = {
    "cloudflare-token": [
        "cfut_" + chars(40) + chars(8, HEX),
        "cfat_" + chars(40) + chars(8, HEX),
        "cfk_" + chars(40) + chars(8, HEX),
        f"v1.0-{chars(24, HEX)}-{chars(146, HEX)}",
        "eyJhIjoi" + chars(150),
    ],
    "jwt": [
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0." + chars(43),
    ],
    "aws-key": ["AKIA" + chars(16, UPPER), "ASIA" + chars(16, UPPER)],
    "google-key": ["AIza" + chars(35), "ya29." + chars(60), "GOCSPX-" + chars(28)],
    "azure-key": [f"{chars(3)}8Q~{chars(34)}"],
    "github-token": ["ghp_" + chars(36), "gho_" + chars(36), "github_pat_" + chars(82)],
    "gitlab-token": ["glpat-" + chars(20), "gldt-" + chars(22)],
    "slack-token": [
        f"xoxb-{chars(12, string.digits)}-{chars(24)}",
        f"hooks.slack.com/services/T{chars(8, UPPER)}/B{chars(8, UPPER)}/{chars(24)}",
    ],
    "stripe-key": ["sk_live_" + chars(24), "rk_test_" + chars(24), "whsec_" + chars(32)],
    "llm-key": [
        "sk-" + chars(48),
        "sk-proj-" + chars(60),
        "sk-ant-api03-" + chars(80),
        "sk-or-v1-" + chars(64, HEX),
        "hf_" + chars(34),
        "gsk_" + chars(52),
        "r8_" + chars(37),
        "xai-" + chars(80),
        "pplx-" + chars(48),
        "nvapi-" + chars(64),
    ],
    "service-token": [
        "npm_" + chars(36),
        "pypi-AgEI" + chars(80),
        "dop_v1_" + chars(64, HEX),
        f"SG.{chars(22)}.{chars(43)}",
        "shpat_" + chars(32, HEX),
        "hvs." + chars(24),
        "AGE-SECRET-KEY-1" + chars(58, UPPER),
        "glsa_" + chars(32) + "_" + chars(8, HEX),
        "123456789:AA" + chars(33),
    ],
}
"""Kind -> credentials that a prefix gives away wherever they stand."""

PEM = "\n".join(
    [
        "-----BEGIN RSA PRIVATE KEY-----",
        *("".join(_RNG.choices(ALNUM + "+/", k=64)) for _ in range(24)),
        "".join(_RNG.choices(ALNUM, k=38)) + "==",
        "-----END RSA PRIVATE KEY-----",
    ]
)

LEGACY_TOKEN = chars(40)
GLOBAL_KEY = chars(37, HEX)
OPAQUE = chars(30)
"""A secret of no known shape."""

IN_CONTEXT = [
    ("Authorization: Bearer {}", OPAQUE, "authorization"),
    ('"authorization": "Bearer {}"', OPAQUE, "authorization"),
    ("Proxy-Authorization: Basic {}", base64.b64encode(b"ada:lovelace1815").decode(), None),
    ("cf-aig-authorization: Bearer {}", OPAQUE, "authorization"),
    ("curl -H 'X-Api-Key: {}' https://x", OPAQUE, "secret"),
    ('{{"api_key":"{}","n":1}}', OPAQUE, "secret"),
    ("x-auth-key: {}", GLOBAL_KEY, None),
    ("my API token is {} today", LEGACY_TOKEN, "cloudflare-token"),
    ("the global api key, {}", GLOBAL_KEY, "cloudflare-token"),
    ("client_secret={}&x=1", OPAQUE, "secret"),
    ("AWS_SECRET_ACCESS_KEY={}", chars(20) + "/" + chars(19), "secret"),
    ("AccountKey={}==;EndpointSuffix=x", chars(86), "secret"),
    ("password: {}", "correct-horse-7", "password"),
    ('"password":"{}"', "hunter22", "password"),
    ("postgres://ada:{}@db.example/prod", "s3cr3t", "url-userinfo"),
    ("https://{}@github.com/x/y", OPAQUE, "url-userinfo"),
    ("https://x.blob.core.windows.net/c?sv=1&sig={}", chars(43), "url-secret"),
    ("Cookie: session={}; theme=dark", OPAQUE, "cookie"),
    ("Set-Cookie: __cf_bm={}; Path=/", OPAQUE, "cookie"),
    ('"set-cookie": "a={}"', OPAQUE, "cookie"),
]
"""Template, secret, kind (None: any)."""

IDENTIFIERS = [
    "018f2b5c-7e3a-7000-8000-0123456789ab",  # a run id, UUIDv7
    "d9428888-122b-11e1-b85c-61cd3cbb3210",
    "01JADMCQQQBWH3NXZ5GCRN98DP",  # a log id, ULID
    "8f1e5ec13edac6b1-FRA",  # a ray id
    "023e105f4ecef8ad9ca31a8372d0c353",  # an account id
    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",  # a sha256
    "da39a3ee5e6b4b0d3255bfef95601890afd80709",  # a commit
    "4bf92f3577b34da6a3ce929d0e0e4736",  # a trace id
    "@cf/meta/llama-3.3-70b-instruct-fp8-fast",
    "claude-sonnet-4-5-20250929",
    "wai-3-9f86d081884c7d659a2feaa0c55ad015",
    "triage@2026-03-01.2+9f86d081884c",
    "2026-11-23T09:02:47.123456Z",
    "/client/v4/accounts/023e105f4ecef8ad9ca31a8372d0c353/ai/run/@cf/meta/llama-3.3-70b-instruct",
    "https://gateway.ai.cloudflare.com/v1/023e105f4ecef8ad9ca31a8372d0c353/default/workers-ai",
    "[redacted:jwt:0123abcd]",
]

SENTENCES = [
    "max_tokens: 1024, prompt_tokens: 123456, total_tokens=99999999",
    '"usage":{"prompt_tokens":10,"completion_tokens":20,"total_tokens":30}',
    "The password must be changed every month, and the token is refreshed.",
    "a task-management-for-everyone approach with disk-based storage",
    "primary key: id, sort key: created_at, cache key: none",
    "Bearer tokens are sent in the Authorization header.",
    "cookie: I like them with chocolate",
    "see https://user@host/ and mailto:x@y.z",
    '{"name":"get_token","parameters":{"type":"object","properties":{"token":{"type":"string"}}}}',
]
"""Text that speaks of secrets and holds none."""
