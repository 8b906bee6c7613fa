"""Logpush files: real key pairs, real encryption, and everything that is derived said so."""

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from support.cli import Wai
from support.facts import in_ledger
from wai_ops.core.errors import ExitCode

NAME = "20261005/20261005T080000Z_20261005T080030Z_0badcafe.log"
SECRET = "cfut_" + "Zz9" * 16


class KeyPair:
    """The two halves: the gateway has one, we have the other."""

    def __init__(self, bits: int = 2048) -> None:
        self.private = rsa.generate_private_key(public_exponent=65537, key_size=bits)

    def encrypt(self, value: Any, aes_key: bytes | None = None) -> dict[str, str]:
        """As the gateway does: a fresh AES key, wrapped with the public key."""
        aes_key = aes_key or AESGCM.generate_key(256)
        iv = os.urandom(12)
        text = value if isinstance(value, str) else json.dumps(value)
        oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
        parts = {
            "key": self.private.public_key().encrypt(aes_key, oaep),
            "iv": iv,
            "data": AESGCM(aes_key).encrypt(iv, text.encode(), None),
        }
        return {name: base64.b64encode(part).decode() for name, part in parts.items()}

    def write(self, path: Path, *, mode: int = 0o600, password: bytes | None = None) -> Path:
        locked = serialization.BestAvailableEncryption(password) if password else None
        path.write_bytes(
            self.private.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                locked or serialization.NoEncryption(),
            )
        )
        path.chmod(mode)
        return path


@pytest.fixture(scope="module")
def pair() -> KeyPair:
    return KeyPair()


def event(pair: KeyPair, number: int, **changes: Any) -> dict[str, Any]:
    """One line of the dataset, all of its fields."""
    labels = {
        "tenant": "acme",
        "workflow": "triage",
        "conversation": f"c{number}.0.1",
        "prompt": "triage@3",
        "trace": f"run-{number}",
    }
    aes_key = AESGCM.generate_key(256)
    return {
        "Cached": False,
        "Endpoint": "https://gateway.ai.cloudflare.com/v1/a/prod/workers-ai/v1/chat/completions",
        "Gateway": "prod",
        "Metadata": pair.encrypt(labels, aes_key),
        "Model": "@cf/meta/llama-3.3-70b-instruct-fp8-fast",
        "Provider": "workers-ai",
        "RateLimited": False,
        "RequestBody": pair.encrypt({"prompt": f"question {number} {SECRET}"}, aes_key),
        "ResponseBody": pair.encrypt({"answer": "x" * 40}, aes_key),
        "StatusCode": 200,
    } | changes


def write(path: Path, lines: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_encrypted_labels_are_read_and_what_is_derived_is_said(
    wai: Wai, project: Path, pair: KeyPair
) -> None:
    write(project / NAME, [event(pair, number) for number in range(5)])
    pair.write(project / "key.pem")
    ran = wai("logs", "import", NAME, "--private-key", "key.pem", "--json")
    assert ran.exit_code == 0, ran.stderr
    assert json.loads(ran.stdout)["formats"] == {"logpush": 1}
    assert "note: Logpush sends no id, cost, tokens or duration" in ran.stderr
    assert "note: times of Logpush rows without Datetime are the starts" in ran.stderr
    held = in_ledger(
        project / ".wai",
        "select tenant, workflow, conversation_id, run_id, gateway_id, http_status, ingest_source,"
        " created_at::varchar, cost_usd, input_tokens, length(log_id) from model_call"
        " order by run_id",
    )
    assert held == [
        (
            *("acme", "triage", f"c{number}", f"run-{number}", "prod", 200, "logpush"),
            *("2026-10-05 08:00:00", None, None, 64),
        )
        for number in range(5)
    ]
    assert in_ledger(project / ".wai", "select count(*) from body") == [(0,)]


def test_bodies_are_kept_only_when_asked_and_redacted(
    wai: Wai, project: Path, pair: KeyPair
) -> None:
    write(project / NAME, [event(pair, 1), event(pair, 2, RequestBody="", ResponseBody=None)])
    pair.write(project / "key.pem")
    ran = wai("logs", "import", NAME, "--private-key", "key.pem", "--bodies", "--json")
    assert json.loads(ran.stdout)["body_count"] == 2
    held = in_ledger(
        project / ".wai",
        "select kind, content, redacted_count, is_truncated from body order by kind",
    )
    assert [row[0] for row in held] == ["request", "response"]
    assert held[0][1].startswith('{"prompt": "question 1 [redacted:')
    assert held[0][2:] == (1, False)
    everything = b"".join(
        path.read_bytes() for path in (project / ".wai").rglob("*") if path.is_file()
    )
    assert SECRET.encode() not in everything


def test_without_a_key_labels_are_missing_and_that_is_said(
    wai: Wai, project: Path, pair: KeyPair
) -> None:
    write(project / NAME, [event(pair, 1)])
    ran = wai("logs", "import", NAME, "--bodies")
    assert ran.exit_code == 0
    assert "note: encrypted metadata was left out: give --private-key to read it\n" in ran.stderr
    assert in_ledger(project / ".wai", "select tenant, contract from model_call") == [
        (None, "missing")
    ]


def test_the_wrong_key_is_explained_and_nothing_is_loaded(
    wai: Wai, project: Path, pair: KeyPair
) -> None:
    write(project / NAME, [event(pair, 1)])
    KeyPair().write(project / "other.pem")
    ran = wai("logs", "import", NAME, "--private-key", "other.pem")
    assert (ran.exit_code, ran.stdout) == (ExitCode.USAGE, "")
    assert ran.stderr == (
        f"wai: error: the private key other.pem does not open {NAME}\n"
        "wai: hint: use the key whose public half is the gateway's logpush_public_key\n"
    )
    assert not (project / ".wai" / "ledger.duckdb").exists()


def test_lines_that_cannot_be_opened_among_others_are_quarantined(
    wai: Wai, project: Path, pair: KeyPair
) -> None:
    changed = pair.encrypt({"tenant": "acme"})
    changed["data"] = base64.b64encode(os.urandom(48)).decode()
    write(
        project / NAME,
        [
            event(pair, 1),
            event(pair, 2, Metadata=KeyPair().encrypt({"tenant": "x"})),
            event(pair, 3, Metadata=changed),
            event(pair, 4, Metadata={"key": "not base64!", "iv": "", "data": ""}),
            event(pair, 5, StatusCode="many"),
        ],
    )
    pair.write(project / "key.pem")
    ran = wai("logs", "import", NAME, "--private-key", "key.pem", "--json")
    assert json.loads(ran.stdout)["inserted_count"] == 1
    assert in_ledger(project / ".wai", "select line, reason from ingest_quarantine order by 1") == [
        (2, "the private key does not fit"),
        (3, "an encrypted value was changed or cut"),
        (4, "an encrypted value has no base64 in 'key'"),
        (5, "StatusCode is not a number"),
    ]


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-10-07T01:02:03Z", "2026-10-07 01:02:03"),
        ("2026-10-07T03:02:03+02:00", "2026-10-07 01:02:03"),
        (1791334923, "2026-10-07 01:02:03"),
        (1791334923000000000, "2026-10-07 01:02:03"),
    ],
)
def test_datetime_goes_before_the_name_in_every_spelling(
    wai: Wai, project: Path, pair: KeyPair, at: object, expected: str
) -> None:
    write(project / NAME, [event(pair, 1, Datetime=at, Metadata=None)])
    ran = wai("logs", "import", NAME)
    assert ran.exit_code == 0, ran.stderr
    assert "file names" not in ran.stderr
    assert in_ledger(project / ".wai", "select created_at::varchar from model_call") == [
        (expected,)
    ]


def test_without_any_time_a_line_is_quarantined(wai: Wai, project: Path, pair: KeyPair) -> None:
    write(project / "some.log", [event(pair, 1, Metadata=None)])
    assert wai("logs", "import", "some.log", "--strict").exit_code == ExitCode.VERDICT_NO
    assert in_ledger(project / ".wai", "select reason from ingest_quarantine") == [
        ("no time: neither Datetime nor an interval in the file's name",)
    ]


def test_a_key_that_others_can_read_is_warned_of(wai: Wai, project: Path, pair: KeyPair) -> None:
    write(project / NAME, [event(pair, 1)])
    pair.write(project / "key.pem", mode=0o644)
    ran = wai("logs", "import", NAME, "--private-key", "key.pem")
    assert ran.exit_code == 0
    assert "warning: others can read key.pem; mend it with: chmod 600 key.pem\n" in ran.stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no key", "is no PEM private key"),
        (None, "No such file"),
    ],
)
def test_a_key_file_that_is_none_is_a_usage_error(
    wai: Wai, project: Path, pair: KeyPair, content: bytes | None, message: str
) -> None:
    write(project / NAME, [event(pair, 1)])
    if content is not None:
        (project / "key.pem").write_bytes(content)
    ran = wai("logs", "import", NAME, "--private-key", "key.pem")
    assert (ran.exit_code, message in ran.stderr) == (ExitCode.USAGE, True)


def test_a_locked_key_is_a_usage_error_that_says_so(wai: Wai, project: Path, pair: KeyPair) -> None:
    write(project / NAME, [event(pair, 1)])
    pair.write(project / "key.pem", password=b"pass")
    ran = wai("logs", "import", NAME, "--private-key", "key.pem")
    assert (ran.exit_code, "is locked with a passphrase" in ran.stderr) == (ExitCode.USAGE, True)


def test_the_same_file_under_another_name_adds_nothing_and_ids_do_not_depend_on_names(
    wai: Wai, project: Path, pair: KeyPair
) -> None:
    write(project / NAME, [event(pair, number) for number in range(3)])
    pair.write(project / "key.pem")
    assert wai("logs", "import", NAME, "--private-key", "key.pem").exit_code == 0
    moved = project / "elsewhere" / Path(NAME).name
    moved.parent.mkdir()
    (project / NAME).rename(moved)
    ran = wai("logs", "import", "elsewhere", "--private-key", "key.pem", "--again", "--json")
    result = json.loads(ran.stdout)
    assert (result["inserted_count"], result["unchanged_count"]) == (0, 3)
