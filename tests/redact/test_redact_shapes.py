"""What has the shape of a credential is masked; what an audit needs is not."""

import base64
import json
from urllib.parse import quote

import pytest

from redact.planted import IDENTIFIERS, IN_CONTEXT, OPAQUE, PEM, PREFIXED, SENTENCES
from wai_ops.observe.redact.engine import MAX_DEPTH, Redactor

KEY = b"k" * 32
EACH_PREFIXED = [(kind, secret) for kind, secrets in PREFIXED.items() for secret in secrets]


def redactor(*, pii: bool = False, **secrets: str) -> Redactor:
    return Redactor.build(secrets, key=KEY, pii=pii)


@pytest.mark.parametrize(("kind", "secret"), EACH_PREFIXED)
@pytest.mark.parametrize(
    "text",
    ["{}", "x {} y", '{{"k":"{}"}}', "k={},", "<{}>", "'{}'", "line\n{}\nline", "({})"],
)
def test_a_credential_with_a_prefix_is_masked_wherever_it_stands(
    kind: str, secret: str, text: str
) -> None:
    masks = redactor()
    masked = masks.text(text.format(secret))
    assert secret not in masked
    assert masked.count("[redacted:") == 1
    if text != "k={},":
        assert f"[redacted:{kind}:" in masked
    before, after = text.format("|").split("|")
    assert masked.startswith(before)
    assert masked.endswith(after)


@pytest.mark.parametrize(("template", "secret", "kind"), IN_CONTEXT)
def test_a_secret_is_known_by_what_stands_before_it(
    template: str, secret: str, kind: str | None
) -> None:
    masks = redactor()
    text = template.format(secret)
    masked = masks.text(text)
    assert secret not in masked, masked
    if kind is not None:
        assert kind in masks.counts
    # In a JSON string, as logs quote each other.
    quoted = json.dumps({"log": text})
    assert secret not in masks.text(quoted)
    assert json.loads(masks.text(quoted))


def test_a_word_that_is_no_secret_does_not_hide_the_one_after_it() -> None:
    text = f"token: x-auth-key: {OPAQUE}"
    masked = redactor().text(text)
    assert masked.startswith("token: x-auth-key: [redacted:secret:")
    assert OPAQUE not in masked


def test_a_pem_block_goes_as_a_whole_also_escaped_and_cut() -> None:
    masks = redactor()
    assert masks.text(f"key:\n{PEM}\nend") == "key:\n" + masks.text(PEM) + "\nend"
    body = PEM.splitlines()[5]
    assert body not in masks.text(json.dumps({"k": PEM}))
    assert body not in masks.text(PEM[:900])
    assert body not in masks.text(PEM.replace("RSA PRIVATE", "OPENSSH PRIVATE"))
    public = PEM.replace("RSA PRIVATE", "RSA PUBLIC")
    assert masks.text(public) == public


@pytest.mark.parametrize(("kind", "secret"), EACH_PREFIXED)
def test_an_encoded_credential_is_masked_with_its_whole_run(kind: str, secret: str) -> None:
    for lead in ("", "a", "ab"):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            run = encode(f"{lead} this is {secret} tail".encode()).decode()
            masked = redactor().text(f"x {run} y")
            assert masked.startswith("x [redacted:"), (kind, masked)
            assert masked.endswith("] y")
    run = f" {secret} ".encode().hex()
    assert redactor().text(f"x {run} y").startswith("x [redacted:")
    percent = "".join(f"%{byte:02x}" for byte in secret.encode())
    assert percent not in redactor().text(f"x={percent}&y")
    escaped = "".join(f"\\u{ord(char):04x}" for char in secret)
    assert escaped not in redactor().text(f'{{"x":"{escaped}"}}')


def test_base64_that_is_wrapped_at_76_columns_is_put_together() -> None:
    secret = PREFIXED["cloudflare-token"][0]
    wrapped = base64.encodebytes((" " * 40 + secret + " " * 60).encode()).decode()
    masked = redactor().text(f"part:\n{wrapped}\nend")
    assert "[redacted:cloudflare-token:" in masked
    assert masked.startswith("part:\n")
    assert masked.endswith("\n\nend")


@pytest.mark.parametrize("text", [*IDENTIFIERS, *SENTENCES])
def test_what_an_audit_needs_survives(text: str) -> None:
    for form in (
        text,
        f"id {text} id",
        json.dumps({"log_id": text, "metadata": {"trace": text}}),
        quote(text),
        f"trace={text}&log_id={text}",
    ):
        assert redactor(CLOUDFLARE_API_TOKEN="known-secret-0123456789").text(form) == form


def test_the_same_secret_has_the_same_tag_in_every_form_and_another_key_another() -> None:
    secret = PREFIXED["cloudflare-token"][0]
    plain = redactor().text(secret)
    assert redactor().text(quote(secret)) == plain
    assert redactor(X_TOKEN=secret).text(secret).endswith(plain[-10:])
    assert redactor(X_TOKEN=secret).text(secret.encode().hex())[-10:] == plain[-10:]
    other = Redactor.build({}, key=b"o" * 32).text(secret)
    assert other != plain
    assert secret[10:20] not in plain


def test_masks_are_counted_by_kind() -> None:
    masks = redactor(DB_PASSWORD="opaque-value-77")
    masks.text("opaque-value-77 and cfut_" + "a1" * 24 + " and opaque-value-77")
    masks.data({"password": "x"})
    assert masks.counts == {"db-password": 2, "cloudflare-token": 1, "password": 1}


def test_json_values_are_walked_keys_and_sensitive_members_included() -> None:
    masks = redactor(SOME_TOKEN="opaque-value-77")
    masked = masks.data(
        {
            "opaque-value-77": 1,
            "Authorization": "plain words",
            "nested": [{"clientSecret": "zz", "api-key": "q", "max_tokens": 5, "token_count": "7"}],
            "password": None,
            "ok": True,
            "text": "opaque-value-77",
            "cookie": "",
        }
    )
    assert next(iter(masked)).startswith("[redacted:some-token:")
    assert masked["Authorization"].startswith("[redacted:authorization:")
    inner = masked["nested"][0]
    assert inner["clientSecret"].startswith("[redacted:client-secret:")
    assert inner["api-key"].startswith("[redacted:api-key:")
    assert (inner["max_tokens"], inner["token_count"]) == (5, "7")
    assert (masked["password"], masked["ok"], masked["cookie"]) == (None, True, "")
    assert masks.data(masked) == masked


def test_what_is_nested_too_deeply_is_masked_as_a_whole() -> None:
    deep: object = "cfut_" + "a1" * 24
    for _ in range(MAX_DEPTH + 5):
        deep = [deep]
    text = json.dumps(redactor().data(deep))
    assert "cfut_" not in text
    assert "[redacted:too-deep:" in text


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("email", "mail ada.lovelace+x@example.co.uk now"),
        ("phone", "call +49 170 1234567 now"),
        ("phone", "call (415) 555-2671 now"),
        ("card", "card 4111 1111 1111 1111 now"),
        ("card", "card 5500000000000004 now"),
        ("iban", "pay DE89 3704 0044 0532 0130 00 now"),
        ("ip", "from 203.0.113.7 now"),
        ("ip", "from 2001:db8::8a2e:370:7334 now"),
    ],
)
def test_personal_data_is_masked_on_demand_only(kind: str, text: str) -> None:
    assert redactor().text(text) == text
    masks = redactor(pii=True)
    masked = masks.text(text)
    assert masks.counts == {kind: 1}
    assert masked.split("[")[0] == text[: len(masked.split("[")[0])]
    assert masked.endswith("] now")
    assert masks.text(masked) == masked


@pytest.mark.parametrize(
    "text",
    [
        "card 4111 1111 1111 1112",
        "GB82 WEST 1234 5698 7654 33",
        "127.0.0.1 and ::1",
        "at 12:34:56 on 2026-11-23",
        "version 1.2.3",
        *IDENTIFIERS,
    ],
)
def test_what_fails_its_checksum_is_no_personal_data(text: str) -> None:
    assert redactor(pii=True).text(text) == text
