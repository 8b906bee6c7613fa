"""Properties of redaction, for texts that nobody wrote by hand."""

import base64
import json
import string
from urllib.parse import quote

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redact.planted import IDENTIFIERS, IN_CONTEXT, PEM, PREFIXED, SENTENCES
from wai_ops.observe.redact.cheap import Suspicion
from wai_ops.observe.redact.engine import Redactor
from wai_ops.observe.redact.finds import REACH, WINDOW
from wai_ops.observe.redact.rules import LONG_RUN, PREFILTER

KEY = b"k" * 32
KNOWN = "kn0wn/secret+value_77"
ALL = [secret for secrets in PREFIXED.values() for secret in secrets]
PIECES = [
    *ALL,
    KNOWN,
    PEM,
    base64.b64encode(f"..{KNOWN}..".encode()).decode(),
    base64.b64encode(f"say {ALL[0]} again".encode()).decode(),
    quote(KNOWN, safe=""),
    KNOWN.encode().hex(),
    "".join(f"%{byte:02X}" for byte in ALL[0].encode()),
    *(template.format(secret) for template, secret, _ in IN_CONTEXT),
    *IDENTIFIERS,
    *SENTENCES,
    *("token", "token: ", "password=", "Bearer ", "authorization: ", "eyJ", "sk-", "cfut_", "://"),
    *("[redacted:", "[redacted:jwt:0123abcd]", "]", "[", "%", "%41", "\\", "\\n", "\\u0041", '"'),
    *(" ", "\n", ",", ":", "=", "@", ".", "-", "_", "a", "0", "é", "\x00", "\x01"),
]
TEXTS = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=8)), max_size=12).map("".join)
SECRETS = st.text(
    alphabet=string.ascii_letters + string.digits + "-_.~+/=!@#$%^&*'\"\\é ",
    min_size=8,
    max_size=60,
).filter(lambda text: len(text.strip()) >= 8 and text == text.strip())


def redactor(*, pii: bool = False) -> Redactor:
    return Redactor.build({"known": KNOWN}, key=KEY, pii=pii)


@given(TEXTS, st.booleans())
@settings(max_examples=600)
def test_masking_twice_is_masking_once(text: str, pii: bool) -> None:
    masks = redactor(pii=pii)
    once = masks.text(text)
    assert masks.text(once) == once


@given(TEXTS, st.lists(st.integers(1, 40), min_size=1, max_size=20))
@settings(max_examples=300)
def test_any_chunking_gives_what_the_whole_text_gives(text: str, sizes: list[int]) -> None:
    masks = redactor()
    whole = text.encode("utf-8", "surrogatepass")
    stream = masks.stream()
    out, place, turn = b"", 0, 0
    while place < len(whole):
        size = sizes[turn % len(sizes)]
        out += stream.feed(whole[place : place + size])
        place, turn = place + size, turn + 1
    out += stream.finish()
    assert out == masks.raw(whole)


@given(st.integers(0, 200), st.sampled_from([*ALL, KNOWN]), st.integers(1, 70_000))
@settings(max_examples=60)
def test_a_secret_at_the_edge_of_a_window_is_masked_however_the_text_was_cut(
    shift: int, secret: str, size: int
) -> None:
    masks = redactor()
    for edge in (WINDOW, WINDOW + REACH, 2 * WINDOW):
        text = "word " * ((edge - shift) // 5) + secret + " word" * 20_000
        raw = text.encode()
        stream = masks.stream()
        parts = [stream.feed(raw[at : at + size]) for at in range(0, len(raw), size)]
        masked = b"".join([*parts, stream.finish()])
        assert secret.encode() not in masked
        assert masked == masks.raw(raw)
        assert masked.startswith(b"word word")
        assert len(masked) == len(raw) - len(secret) + len(masks.raw(secret.encode()))


@given(
    SECRETS, st.sampled_from(["", " ", "x", '"', "/", "ab"]), st.sampled_from(["", " ", "y", "&"])
)
@settings(max_examples=300)
def test_every_form_of_a_known_secret_is_found(secret: str, before: str, after: str) -> None:
    masks = Redactor.build({"mine": secret}, key=KEY)
    raw = secret.encode()
    forms = {
        "plain": secret,
        "percent": quote(secret, safe=""),
        "lower percent": quote(secret, safe="").lower() if secret.islower() else "",
        "every byte": "".join(f"%{byte:02x}" for byte in raw),
        "json": json.dumps(secret)[1:-1],
        "json, slashes": json.dumps(secret)[1:-1].replace("/", "\\/"),
        "hex": raw.hex(),
        "HEX": raw.hex().upper(),
    }
    for name, form in forms.items():
        if form:
            masked = masks.text(f"{before} {form} {after}")
            assert "[redacted:" in masked, (name, form)
            assert form not in masked, (name, form)
    for lead in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            run = encode(before.encode() + b"." * lead + raw + after.encode()).decode()
            masked = masks.text(run)
            assert "[redacted:mine:" in masked, (lead, run)
            assert run not in masked


@given(TEXTS)
@settings(max_examples=500)
def test_what_the_cheap_tests_let_pass_needs_no_mask(text: str) -> None:
    """The prefilters never say no to a text that the redactor would change."""
    import re2

    masks = redactor()
    if masks.text(text) == text:
        return
    assert Suspicion([KNOWN]).of(text)
    assert re2.search(masks.prefilter, text)
    shapes = Redactor.build({}, key=KEY)
    if shapes.text(text) != text:
        assert re2.search(PREFILTER, text)
        assert Suspicion([]).of(text)


@given(
    st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=8)), max_size=4).map("".join),
    st.text(alphabet="0123456789abcdef-", min_size=30, max_size=36),
    st.booleans(),
)
@settings(max_examples=500)
def test_the_prefilter_of_brief_texts_never_lets_one_pass(
    text: str, beside: str, pii: bool
) -> None:
    import re2

    masks = redactor(pii=pii)
    brief = text.encode()[: LONG_RUN - 1].decode("utf-8", "ignore")
    if masks.text(brief) != brief:
        assert re2.search(masks.brief_prefilter, brief)
        assert re2.search(masks.brief_prefilter, f"{beside} {brief} {beside}")


@pytest.mark.parametrize("text", [*ALL, *IDENTIFIERS, *SENTENCES, KNOWN])
def test_the_prefilter_means_the_same_to_duckdb(text: str) -> None:
    import re2

    pattern = redactor().prefilter
    with duckdb.connect() as connection:
        row = connection.execute("select regexp_matches($t, $p)", {"t": text, "p": pattern})
        assert row.fetchall() == [(re2.search(pattern, text) is not None,)]


@given(
    st.sampled_from(IDENTIFIERS),
    st.sampled_from(IDENTIFIERS),
    st.uuids(),
    st.binary(min_size=32, max_size=32),
)
def test_identifiers_survive_together(one: str, two: str, uuid: object, digest: bytes) -> None:
    row = json.dumps({"id": one, "trace": str(uuid), "sha256": digest.hex(), "path": two})
    assert redactor().text(row) == row
    assert redactor().data(json.loads(row)) == json.loads(row)


@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), TEXTS),
        lambda inner: st.one_of(
            st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)
        ),
        max_leaves=8,
    )
)
@settings(max_examples=150)
def test_json_values_keep_their_structure_and_hold_no_secret(value: object) -> None:
    masks = redactor()
    masked = masks.data(value)
    assert masks.data(masked) == masked
    text = json.dumps(masked, ensure_ascii=False)
    assert KNOWN not in text


@given(st.binary(max_size=400))
def test_bytes_that_are_no_text_come_out_as_they_went_in(raw: bytes) -> None:
    masks = redactor()
    if not masks.find(raw):
        assert masks.raw(raw) == raw
