"""Signed notes, checkpoints and key files: the published examples, and all that is refused."""

import base64
from pathlib import Path

import pytest

from support import tlog_reference as reference
from support.decisions import KEY, OTHER_KEY, Ledgered
from wai_ops.control.decisions.checkpoint import (
    Checkpoint,
    open_checkpoint,
    parse_checkpoint,
    sign_checkpoint,
    store_checkpoint,
)
from wai_ops.control.decisions.keys import find_verifier_keys, read_signing_key, write_new_key
from wai_ops.control.decisions.note import (
    BadNoteError,
    SigningKey,
    VerifierKey,
    open_note,
    split_note,
)
from wai_ops.core.errors import AccessError, UsageError

SKEY = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
NOTE = (
    TEXT
    + "\n\N{EM DASH} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXg"
    "KvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
"""The example in the documentation of Go's package for signed notes."""
SUM_GOLANG = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
SPECIFIED = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
"""The checkpoint in C2SP's tlog-checkpoint."""


def test_the_published_key_signs_the_published_text_byte_for_byte() -> None:
    key = SigningKey.parse(SKEY)
    assert key.sign(TEXT) == NOTE
    assert str(key.verifier) == VKEY
    assert key.encoded() == SKEY


def test_the_published_note_opens_with_the_published_key() -> None:
    text, signer = open_note(NOTE.encode(), [VerifierKey.parse(VKEY)])
    assert (text, signer.name) == (TEXT, "PeterNeumann")
    assert reference.open_note(NOTE.encode(), VKEY) == TEXT.splitlines()


def test_keys_of_other_logs_are_read_and_written_back() -> None:
    assert str(VerifierKey.parse(f" {SUM_GOLANG}\n")) == SUM_GOLANG


def test_the_checkpoint_of_the_specification_is_read_and_written_back() -> None:
    found = parse_checkpoint(SPECIFIED)
    assert (found.origin, found.size) == ("example.com/behind-the-sofa", 20852163)
    assert str(found) == SPECIFIED
    assert parse_checkpoint(SPECIFIED + "an extension\n") == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "PeterNeumann",
        "PeterNeumann+c74f20a3",
        "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+!!!!",
    ],
)
def test_what_is_no_verifier_key_is_refused(text: str) -> None:
    with pytest.raises(BadNoteError):
        VerifierKey.parse(text)


@pytest.mark.parametrize(
    "note",
    [
        b"",
        b"\n",
        TEXT.encode(),
        NOTE.encode().rstrip(b"\n"),
        NOTE.replace("\n\n", "\n").encode(),
        NOTE.replace("\N{EM DASH}", "-").encode(),
        NOTE.replace("PeterNeumann ", "Peter Neumann ").encode(),
        NOTE.replace("BwJnAM=", "BwJnAM").encode(),
        NOTE.replace("you", "you\r").encode(),
        NOTE.encode().replace(b"you", b"\xff\xfe"),
        TEXT.encode() + b"\n\xe2\x80\x94 PeterNeumann AAAA\n",
        b"x" * 300_000 + NOTE.encode(),
        TEXT.encode() + b"\n" + (NOTE.splitlines()[-1].encode() + b"\n") * 101,
    ],
)
def test_what_is_no_signed_note_is_refused(note: bytes) -> None:
    with pytest.raises(BadNoteError):
        open_note(note, [VerifierKey.parse(VKEY)])


def test_a_known_key_whose_signature_does_not_fit_spoils_the_whole_note() -> None:
    other = KEY.sign(TEXT).splitlines(keepends=True)[-1]
    bad = NOTE.replace("problem is", "problem was") + other
    with pytest.raises(BadNoteError, match="does not fit"):
        open_note(bad.encode(), [KEY.verifier, VerifierKey.parse(VKEY)])


def test_signatures_of_unknown_keys_are_passed_over() -> None:
    both = NOTE + KEY.sign(TEXT).splitlines(keepends=True)[-1]
    assert open_note(both.encode(), [KEY.verifier])[1] == KEY.verifier
    with pytest.raises(BadNoteError, match="no known key"):
        open_note(both.encode(), [OTHER_KEY.verifier])
    assert len(split_note(both.encode())[1]) == 2


def test_a_text_with_empty_lines_is_cut_at_the_last_one() -> None:
    note = KEY.sign("one\n\ntwo\n")
    assert open_note(note.encode(), [KEY.verifier])[0] == "one\n\ntwo\n"


@pytest.mark.parametrize(
    "text",
    [
        "o\n1\n",
        "o\n-1\n" + base64.b64encode(bytes(32)).decode() + "\n",
        "o\n01\n" + base64.b64encode(bytes(32)).decode() + "\n",
        "o\n1\n" + base64.b64encode(bytes(31)).decode() + "\n",
        "o\n1\nno base64\n",
        "\n1\n" + base64.b64encode(bytes(32)).decode() + "\n",
        "o\n\u0661\n" + base64.b64encode(bytes(32)).decode() + "\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(BadNoteError):
        parse_checkpoint(text)


def test_a_checkpoint_of_another_log_is_refused_though_the_key_is_known() -> None:
    note = KEY.sign(str(Checkpoint("example.com/other", 1, bytes(32))))
    with pytest.raises(BadNoteError, match=r"checkpoint of example\.com/other"):
        open_checkpoint(note.encode(), [KEY.verifier])


def test_a_checkpoint_that_is_there_is_never_replaced(tmp_path: Path) -> None:
    first, second = (sign_checkpoint(3, bytes([one]) * 32, KEY) for one in (1, 2))
    path = store_checkpoint(tmp_path, 3, first)
    assert store_checkpoint(tmp_path, 3, second) == path
    assert path.read_bytes() == first
    assert [one.name for one in path.parent.iterdir()] == ["000000000003.txt"]


def test_a_new_key_is_kept_in_a_file_of_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "audit.key"
    key = write_new_key("example.com/wai", path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_signing_key(path).verifier == key.verifier
    assert key.encoded() not in repr(key)
    with pytest.raises(UsageError, match="is there already"):
        write_new_key("example.com/wai", path)


@pytest.mark.parametrize("name", ["", "with blank", "a+b", "new\nline", "x" * 129])
def test_what_cannot_name_a_key_is_refused_before_a_file_is_made(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot name a key"):
        write_new_key(name, tmp_path / "audit.key")
    assert not (tmp_path / "audit.key").exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666, 0o700])
def test_a_signing_key_that_others_may_read_is_not_used(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "audit.key"
    write_new_key("example.com/wai", path)
    path.chmod(mode)
    with pytest.raises(AccessError, match="not used") as caught:
        read_signing_key(path)
    assert caught.value.hint == f"chmod 600 {path}"


def test_a_signing_key_behind_a_link_or_of_another_form_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "audit.key"
    key = write_new_key("example.com/wai", path)
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(AccessError, match="symbolic link"):
        read_signing_key(tmp_path / "link")
    secret = key.encoded()
    path.write_text(secret.replace("example.com/wai", "example.com/other"))
    with pytest.raises(AccessError, match="holds no signing key") as caught:
        read_signing_key(path)
    assert secret[-20:] not in str(caught.value)
    with pytest.raises(AccessError, match="not a regular file"):
        read_signing_key(tmp_path)
    with pytest.raises(AccessError, match="no such file"):
        read_signing_key(tmp_path / "nowhere")


def test_public_keys_come_from_a_file_from_text_or_from_the_settings(tmp_path: Path) -> None:
    (tmp_path / "pub").write_text(f"{VKEY}\n{SUM_GOLANG}\n")
    names = [key.name for key in find_verifier_keys(str(tmp_path / "pub"), None)]
    assert names == ["PeterNeumann", "sum.golang.org"]
    assert find_verifier_keys(VKEY, SUM_GOLANG)[0].name == "PeterNeumann"
    assert find_verifier_keys(None, SUM_GOLANG)[0].name == "sum.golang.org"
    assert find_verifier_keys(None, None) == ()
    with pytest.raises(UsageError, match="verifier key"):
        find_verifier_keys("nonsense", None)


def test_checkpoints_of_a_log_open_with_the_second_implementation(tmp_path: Path) -> None:
    made = Ledgered(tmp_path)
    made.many(7)
    made.sign()
    path = next((made.folder / "checkpoints").iterdir())
    origin, size, root = reference.open_note(path.read_bytes(), str(KEY.verifier))
    leaves = [line.rstrip(b"\n") for line in made.lines()]
    assert (origin, int(size)) == (KEY.name, len(leaves))
    assert base64.b64decode(root) == reference.mth(leaves)
