"""Anchors: a file, an object on a real S3 server, a stamp of a real time-stamping authority.

The S3 server is moto's in a process of its own, the authority is `openssl ts` behind HTTP on
loopback, with a certificate made here.
"""

import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest

from support.decisions import KEY, OTHER_KEY, Ledgered
from wai_ops.control.decisions import der
from wai_ops.control.decisions.anchor import anchor_file
from wai_ops.control.decisions.anchor_object import anchor_object, read_anchor_object
from wai_ops.control.decisions.anchor_stamp import anchor_stamp
from wai_ops.control.decisions.audit import needed_checkpoint
from wai_ops.control.decisions.checkpoint import Checkpoint, sign_checkpoint
from wai_ops.control.decisions.timestamp import make_request, read_response
from wai_ops.core.errors import AccessError, DataError, RemoteError, UsageError

KEYS = [KEY.verifier]
BUCKET = "evidence"


@pytest.fixture
def made(tmp_path: Path) -> Ledgered:
    found = Ledgered(tmp_path / ".wai")
    found.many(5)
    found.sign()
    return found


def newest(made: Ledgered) -> tuple[Checkpoint, bytes]:
    return needed_checkpoint(made.folder, KEYS)


def grow(made: Ledgered) -> tuple[Checkpoint, bytes]:
    made.many(5)
    made.sign()
    return newest(made)


def other_history(made: Ledgered, tmp_path: Path) -> Ledgered:
    """A log of the same key that never was the beginning of this one."""
    other = Ledgered(tmp_path / "other" / ".wai")
    other.many(9)
    other.act("bad.other")
    other.sign()
    return other


def test_a_file_is_replaced_by_a_checkpoint_that_it_grew_into(
    made: Ledgered, tmp_path: Path
) -> None:
    place = tmp_path / "anchor"
    first = anchor_file(place, made.folder, newest(made), KEYS)
    again = anchor_file(place, made.folder, newest(made), KEYS)
    later = anchor_file(place, made.folder, grow(made), KEYS)
    assert [one.is_new for one in (first, again, later)] == [True, False, True]
    assert later.was == first.size
    assert place.read_bytes() == newest(made)[1]


def test_a_file_is_never_replaced_by_an_older_checkpoint(made: Ledgered, tmp_path: Path) -> None:
    old = newest(made)
    place = tmp_path / "anchor"
    anchor_file(place, made.folder, grow(made), KEYS)
    before = place.read_bytes()
    with pytest.raises(DataError, match="more than the"):
        anchor_file(place, made.folder, old, KEYS)
    assert place.read_bytes() == before


def test_a_file_is_never_replaced_by_another_history(made: Ledgered, tmp_path: Path) -> None:
    place = tmp_path / "anchor"
    anchor_file(place, made.folder, newest(made), KEYS)
    before = place.read_bytes()
    other = other_history(made, tmp_path)
    with pytest.raises(DataError, match="not the one that was anchored"):
        anchor_file(place, other.folder, newest(other), KEYS)
    assert place.read_bytes() == before


@pytest.mark.parametrize(
    "content", [b"", b"a note to myself\n", sign_checkpoint(3, bytes(32), OTHER_KEY)]
)
def test_a_file_that_is_no_checkpoint_of_this_log_is_left_alone(
    made: Ledgered, tmp_path: Path, content: bytes
) -> None:
    place = tmp_path / "anchor"
    place.write_bytes(content)
    with pytest.raises(DataError, match="no checkpoint of this log"):
        anchor_file(place, made.folder, newest(made), KEYS)
    assert place.read_bytes() == content


def test_many_who_anchor_at_once_leave_the_largest(made: Ledgered, tmp_path: Path) -> None:
    place = tmp_path / "anchor"
    notes = [newest(made), *(grow(made) for _ in range(6))]

    def work(one: tuple[Checkpoint, bytes]) -> None:
        try:
            anchor_file(place, made.folder, one, KEYS)
        except DataError as error:
            assert "more than the" in error.message  # noqa: PT017 - not all of them raise

    with ThreadPoolExecutor(7) as pool:
        list(pool.map(work, notes))
    assert place.read_bytes() == notes[-1][1]


@dataclass
class Store:
    """A running S3 server."""

    endpoint: str

    def client(self) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id="id",
            aws_secret_access_key="secret",
        )

    def get(self, key: str) -> bytes:
        content: bytes = self.client().get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return content


@pytest.fixture(scope="module")
def server() -> Iterator[Store]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        while "Running on" not in (line := process.stderr.readline()):
            assert line, "the server ended"
        found = Store(f"http://127.0.0.1:{port}")
        found.client().create_bucket(Bucket=BUCKET)
        # The server writes a line for each request: somebody has to read them.
        with ThreadPoolExecutor(1) as reader:
            reader.submit(process.stderr.read)
            yield found
            process.terminate()
    finally:
        process.kill()
        process.wait()
        if process.stderr is not None:
            process.stderr.close()


@pytest.fixture
def store(server: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return server


def test_an_object_is_made_and_replaced_only_by_what_it_grew_into(
    store: Store, made: Ledgered, tmp_path: Path
) -> None:
    url = f"r2://{BUCKET}/grown/checkpoint"
    old = newest(made)
    assert anchor_object(url, store.endpoint, made.folder, old, KEYS).is_new
    assert not anchor_object(url, store.endpoint, made.folder, old, KEYS).is_new
    later = anchor_object(url, store.endpoint, made.folder, grow(made), KEYS)
    assert (later.is_new, later.was) == (True, old[0].size)
    assert store.get("grown/checkpoint") == newest(made)[1]
    assert read_anchor_object(url, store.endpoint) == newest(made)[1]
    with pytest.raises(DataError, match="more than the"):
        anchor_object(url, store.endpoint, made.folder, old, KEYS)
    other = other_history(made, tmp_path)
    other.many(20)
    other.sign()
    with pytest.raises(DataError, match="not the one that was anchored"):
        anchor_object(url, store.endpoint, other.folder, newest(other), KEYS)
    assert store.get("grown/checkpoint") == newest(made)[1]


class Between:
    """A store that passes everything on, and does something once before the first write."""

    def __init__(self, real: Any, then: Any) -> None:
        self.real = real
        self.then = then

    def get_object(self, **what: Any) -> Any:
        return self.real.get_object(**what)

    def put_object(self, **what: Any) -> Any:
        then, self.then = self.then, None
        if then is not None:
            then()
        return self.real.put_object(**what)


@pytest.mark.parametrize("was_there", [False, True])
def test_an_object_that_appears_or_changes_meanwhile_is_not_overwritten(
    store: Store, made: Ledgered, monkeypatch: pytest.MonkeyPatch, was_there: bool
) -> None:
    """Another one anchors a larger checkpoint between our reading and our writing."""
    from wai_ops.control.decisions import anchor_object as module

    key = f"race/{was_there}"
    url = f"r2://{BUCKET}/{key}"
    old = newest(made)
    if was_there:
        anchor_object(url, store.endpoint, made.folder, old, KEYS)
    ours = grow(made)
    theirs = grow(made)
    make = module._Object.__init__

    def wrapped(self: Any, *what: Any) -> None:
        make(self, *what)
        client = store.client()
        self._client = Between(
            self._client, lambda: client.put_object(Bucket=BUCKET, Key=key, Body=theirs[1])
        )

    monkeypatch.setattr(module._Object, "__init__", wrapped)
    with pytest.raises(DataError, match="more than the"):
        anchor_object(url, store.endpoint, made.folder, ours, KEYS)
    assert store.get(key) == theirs[1]


def test_what_the_store_says_comes_in_our_words(
    store: Store, made: Ledgered, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        read_anchor_object(f"r2://{BUCKET}/nothing", store.endpoint)
    with pytest.raises(RemoteError, match="NoSuchBucket"):
        anchor_object("r2://nowhere/x", store.endpoint, made.folder, newest(made), KEYS)
    with pytest.raises(RemoteError, match="cannot reach"):
        read_anchor_object("r2://b/x", "http://127.0.0.1:9")
    with pytest.raises(UsageError, match="names no object"):
        read_anchor_object("r2://bucket", store.endpoint)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(AccessError, match="no credentials"):
        read_anchor_object(f"r2://{BUCKET}/x", store.endpoint)


OPENSSL = shutil.which("openssl")
CONFIG = """
[req]
distinguished_name = name
prompt = no
x509_extensions = ext
[name]
CN = A time-stamping authority for tests
[ext]
extendedKeyUsage = critical, timeStamping
keyUsage = critical, digitalSignature
basicConstraints = critical, CA:false
[tsa]
default_tsa = one
[one]
dir = {folder}
serial = $dir/serial
crypto_device = builtin
signer_cert = $dir/cert.pem
signer_key = $dir/key.pem
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
ordering = yes
tsa_name = yes
ess_cert_id_alg = sha256
"""


@dataclass
class Authority:
    """A time-stamping authority, and what it is to do instead of answering well."""

    folder: Path
    url: str = ""
    answers: list[Any] = field(default_factory=list)
    queries: list[bytes] = field(default_factory=list)

    def reply(self, query: bytes) -> bytes:
        (self.folder / "query").write_bytes(query)
        done = subprocess.run(
            [
                str(OPENSSL), "ts", "-reply", "-config", "tsa.cnf", "-queryfile", "query",
                "-out", "reply",
            ],
            cwd=self.folder,
            capture_output=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return (self.folder / "reply").read_bytes()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authority]:
    if OPENSSL is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("tsa")
    (folder / "tsa.cnf").write_text(CONFIG.format(folder=folder))
    (folder / "serial").write_text("01\n")
    subprocess.run(
        [
            OPENSSL, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
            "-config", "tsa.cnf", "-keyout", "key.pem", "-out", "cert.pem",
        ],
        cwd=folder,
        check=True,
        capture_output=True,
    )  # fmt: skip
    authority = Authority(folder)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.headers["Content-Type"] == "application/timestamp-query"
            authority.queries.append(query)
            answer = authority.answers.pop() if authority.answers else authority.reply
            content = answer(query) if callable(answer) else answer
            self.send_response(200 if isinstance(content, bytes) else content)
            self.end_headers()
            if isinstance(content, bytes):
                self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        authority.url = f"http://127.0.0.1:{server.server_port}/tsa"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield authority
        server.shutdown()


@pytest.fixture
def authority(running: Authority) -> Authority:
    running.answers.clear()
    running.queries.clear()
    return running


def test_a_stamp_is_kept_and_openssl_accepts_it_with_the_authoritys_certificate(
    authority: Authority, made: Ledgered
) -> None:
    started = datetime.now(UTC).replace(microsecond=0)
    done = anchor_stamp(authority.url, made.folder, newest(made))
    assert done.is_new
    assert done.stamp is not None
    assert started <= done.stamp.at <= datetime.now(UTC)
    note = made.folder / "checkpoints" / f"{done.size:012}.txt"
    checked = subprocess.run(
        [
            str(OPENSSL), "ts", "-verify", "-data", str(note), "-in", done.place,
            "-CAfile", str(authority.folder / "cert.pem"),
        ],
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stderr
    assert made.audit().stamps == [(note.name, done.stamp)]


def test_a_checkpoint_is_stamped_once(authority: Authority, made: Ledgered) -> None:
    anchor_stamp(authority.url, made.folder, newest(made))
    again = anchor_stamp(authority.url, made.folder, newest(made))
    assert (again.is_new, len(authority.queries)) == (False, 1)


def test_openssl_reads_our_request(authority: Authority, made: Ledgered) -> None:
    anchor_stamp(authority.url, made.folder, newest(made))
    (authority.folder / "ours").write_bytes(authority.queries[0])
    shown = subprocess.run(
        [str(OPENSSL), "ts", "-query", "-in", "ours", "-text"],
        cwd=authority.folder,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "Hash Algorithm: sha256" in shown
    assert "Certificate required: yes" in shown


def another_answer(authority: Authority) -> bytes:
    """An answer to somebody else's question about other data."""
    return authority.reply(make_request(b"other", 7))


def test_a_stamp_of_other_data_is_not_kept(authority: Authority, made: Ledgered) -> None:
    authority.answers.append(lambda _: another_answer(authority))
    with pytest.raises(RemoteError, match="about something else"):
        anchor_stamp(authority.url, made.folder, newest(made))
    assert made.audit().stamps == []


def test_a_stamp_that_was_given_before_is_not_taken_for_a_new_one(
    authority: Authority, made: Ledgered
) -> None:
    _, note = newest(made)
    old = authority.reply(make_request(note, 42))
    authority.answers.append(old)
    with pytest.raises(RemoteError, match="answers another request"):
        anchor_stamp(authority.url, made.folder, newest(made))


def test_a_refused_request_is_an_error_with_the_status(
    authority: Authority, made: Ledgered
) -> None:
    """The authority does not know SHA-1 here, and says so in its answer."""
    sha1 = der.encode(der.OID, bytes.fromhex("2b0e03021a"))
    imprint = der.encode(
        der.SEQUENCE,
        der.encode(der.SEQUENCE, sha1, der.encode(der.NULL)),
        der.encode(der.OCTETS, bytes(20)),
    )
    refused = authority.reply(der.encode(der.SEQUENCE, der.integer(1), imprint))
    authority.answers.append(refused)
    with pytest.raises(RemoteError, match="refused the request"):
        anchor_stamp(authority.url, made.folder, newest(made))


@pytest.mark.parametrize("answer", [b"", b"no DER", b"\x30\x82", 500])
def test_what_is_no_answer_is_an_error(
    authority: Authority, made: Ledgered, answer: bytes | int
) -> None:
    authority.answers.append(answer)
    with pytest.raises(RemoteError, match=r"no time stamp came|HTTP 500"):
        anchor_stamp(authority.url, made.folder, newest(made))
    assert made.audit().stamps == []


def test_an_answer_that_was_cut_anywhere_is_refused_and_never_crashes(
    authority: Authority,
) -> None:
    whole = authority.reply(make_request(b"data", 5))
    assert read_response(whole, b"data", 5).nonce == 5
    for end in range(0, len(whole), 7):
        with pytest.raises(ValueError, match=r"\w"):
            read_response(whole[:end], b"data", 5)
    for place in range(200):
        changed = bytearray(whole)
        changed[place] ^= 0x55
        try:
            read_response(bytes(changed), b"data", 5)
        except ValueError:
            continue


def test_a_kept_stamp_that_does_not_fit_its_checkpoint_is_damage(
    authority: Authority, made: Ledgered
) -> None:
    done = anchor_stamp(authority.url, made.folder, newest(made))
    Path(done.place).write_bytes(another_answer(authority))
    with pytest.raises(DataError, match="does not fit its checkpoint"):
        anchor_stamp(authority.url, made.folder, newest(made))
    (finding,) = made.audit().verified.findings
    assert finding.message.endswith("cannot be relied on: the time stamp is about something else")


def test_an_authority_that_cannot_be_reached_or_named_is_said(made: Ledgered) -> None:
    with pytest.raises(RemoteError, match="cannot be reached"):
        anchor_stamp("http://127.0.0.1:9/", made.folder, newest(made))
    with pytest.raises(UsageError, match="no http or https address"):
        anchor_stamp("ftp://example.com/", made.folder, newest(made))
    assert os.listdir(made.folder / "checkpoints") == [f"{newest(made)[0].size:012}.txt"]  # noqa: PTH208 - names
