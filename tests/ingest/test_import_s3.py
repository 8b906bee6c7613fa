"""Imports from an S3 server over HTTP that checks signatures: paging, odd keys, etags, refusals.

The server is moto's, in a process of its own, with its checks of identity switched on.
"""

import gzip
import json
import os
import resource
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from ingest.test_import_waiting import (
    KNOWN,
    NEEDLES,
    PLANTED,
    left,
    planted_rows,
    stopping,
    with_escapes,
)
from support.cli import Ran, Wai
from support.facts import in_ledger
from support.import_rows import gateway_row, ndjson
from wai_ops.core.errors import ExitCode

BUCKET = "gateway-logs"
FREE_CALLS = 3
"""What the server lets everybody do first: make a user, a key and a policy."""
POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}],
}


@dataclass
class Store:
    """A running server, and who may use it."""

    endpoint: str
    key_id: str
    secret: str

    def client(self) -> Any:
        return _client("s3", self.endpoint, self.key_id, self.secret)

    def put(self, key: str, body: bytes) -> None:
        self.client().put_object(Bucket=BUCKET, Key=key, Body=body)

    @property
    def environ(self) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": self.key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_EC2_METADATA_DISABLED": "true",
        }


def _client(service: str, endpoint: str, key_id: str = "none", secret: str = "none") -> Any:
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
    )


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        env=os.environ | {"INITIAL_NO_AUTH_ACTION_COUNT": str(FREE_CALLS)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stderr is not None
        while "Running on" not in (line := server.stderr.readline()):
            assert line, "the server ended"
        endpoint = f"http://127.0.0.1:{port}"
        iam = _client("iam", endpoint)
        iam.create_user(UserName="wai")
        key = iam.create_access_key(UserName="wai")["AccessKey"]
        iam.put_user_policy(UserName="wai", PolicyName="all", PolicyDocument=json.dumps(POLICY))
        made = Store(endpoint, key["AccessKeyId"], key["SecretAccessKey"])
        made.client().create_bucket(Bucket=BUCKET)
        # The server writes a line for each request: somebody has to read them.
        with ThreadPoolExecutor(1) as reader:
            reader.submit(server.stderr.read)
            yield made
            server.terminate()
    finally:
        server.kill()
        server.wait()
        if server.stderr is not None:
            server.stderr.close()


@pytest.fixture
def remote(wai: Wai, store: Store) -> Wai:
    """`wai` with the credentials of the store."""
    wai.environ.update(store.environ)
    return wai


def done(ran: Ran) -> dict[str, Any]:
    assert ran.exit_code == 0, ran.stderr
    result: dict[str, Any] = json.loads(ran.stdout)
    return result


def test_more_objects_than_a_page_are_all_imported_once(
    remote: Wai, project: Path, store: Store
) -> None:
    """The server lists 1,000 a page."""
    client = store.client()

    def put(number: int) -> None:
        body = ndjson([gateway_row(number)])
        client.put_object(Bucket=BUCKET, Key=f"many/{number:04}.json", Body=body)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(put, range(1050)))
    result = done(remote("logs", "import", f"s3://{BUCKET}/many/", "--json", timeout=300))
    assert (result["file_count"], result["inserted_count"]) == (1050, 1050)
    assert in_ledger(
        project / ".wai", "select count(distinct log_id), count(*) from model_call"
    ) == [(1050, 1050)]
    assert list((project / ".wai").glob("import.tmp/*")) == []
    again = remote("logs", "import", f"s3://{BUCKET}/many/000*.json", "--json")
    assert done(again)["known_file_count"] == 10


@pytest.mark.parametrize(
    "key",
    [
        "odd/with space +plus%20percent&amp;.json",
        "odd/ünï/日本.json",
        "odd/[brackets]*?.json",
        "odd/../up.json",
        "odd/quote'\"$(touch x).json",
    ],
)
def test_keys_with_special_characters_are_one_object_and_no_path(
    remote: Wai, project: Path, store: Store, key: str
) -> None:
    store.put(key, ndjson([gateway_row(7)]))
    assert done(remote("logs", "import", f"s3://{BUCKET}/{key}", "--json"))["file_count"] == 1
    assert in_ledger(project / ".wai", "select path from ingest_file") == [
        (f"s3://{BUCKET}/{key}",)
    ]
    assert sorted(path.name for path in project.iterdir()) == [".wai", "wai.yaml"]


def test_an_object_that_changed_is_imported_again_and_a_copy_is_not(
    remote: Wai, project: Path, store: Store
) -> None:
    store.put("change/a.json", ndjson([gateway_row(1)]))
    store.put("change/copy.json", ndjson([gateway_row(1)]))
    first = done(remote("logs", "import", f"s3://{BUCKET}/change/", "--json"))
    assert (first["file_count"], first["known_file_count"]) == (1, 1)
    store.put("change/a.json", ndjson([gateway_row(1), gateway_row(2)]))
    second = done(remote("logs", "import", f"s3://{BUCKET}/change/", "--json"))
    assert (second["inserted_count"], second["known_file_count"]) == (1, 1)


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, ExitCode.ACCESS, "refuses access to s3://"),
        ({"AWS_ACCESS_KEY_ID": "NOBODY"}, ExitCode.ACCESS, "refuses access to s3://"),
        (
            {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""},
            ExitCode.ACCESS,
            "no credentials for s3://",
        ),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, ExitCode.REMOTE, "cannot read s3://"),
    ],
)
def test_a_store_that_cannot_be_used_says_why_and_never_shows_the_secret(
    remote: Wai, changes: dict[str, str], code: ExitCode, message: str
) -> None:
    remote.environ.update(changes)
    ran = remote("logs", "import", f"s3://{BUCKET}/some/")
    assert (ran.exit_code, ran.stdout) == (code, "")
    assert message in ran.stderr
    assert "Traceback" not in ran.stderr
    assert (remote.environ["AWS_SECRET_ACCESS_KEY"] or "none") not in ran.stderr


@pytest.mark.parametrize("name", [f"s3://{BUCKET}/none/", f"s3://{BUCKET}/none", "s3://nobucket/x"])
def test_what_is_not_there_is_a_usage_error(remote: Wai, name: str) -> None:
    ran = remote("logs", "import", name)
    assert (ran.exit_code, name in ran.stderr) == (ExitCode.USAGE, True)


def test_files_and_objects_go_together(remote: Wai, project: Path, store: Store) -> None:
    store.put("both/a.json", ndjson([gateway_row(1)]))
    (project / "b.ndjson").write_bytes(ndjson([gateway_row(2)]))
    ran = remote(
        *("logs", "import", f"s3://{BUCKET}/both/", "b.ndjson", "--json"),
        *("--endpoint-url", store.endpoint),
    )
    assert done(ran)["inserted_count"] == 2


def test_a_fetched_object_has_no_name_on_a_disk_while_it_waits(
    remote: Wai, project: Path, store: Store
) -> None:
    """Plain, packed, with lines that only Python reads, as an array: killed wherever one waits."""
    rows = with_escapes(ndjson(planted_rows()))
    store.put("wait/a.json", rows)
    store.put("wait/b.json.gz", gzip.compress(with_escapes(ndjson(planted_rows()[:4]))))
    store.put("wait/c.json", rows + f"{{] {PLANTED[1]}\n".encode())
    store.put("wait/d.json", with_escapes(json.dumps(planted_rows()).encode()))
    remote.environ["OTHER_SECRET"] = KNOWN
    state, held, stops = project / ".wai", 0, 0
    with stopping(remote, "logs", "import", f"s3://{BUCKET}/wait/") as one:
        while one.next_stop():
            stops += 1
            assert left(state) == [], f"at stop {stops}"
            for path in Path(f"/proc/{one.process.pid}/fd").iterdir():
                if "/import.tmp/" in str(path.readlink()):
                    held += rows in path.read_bytes()
            one.go_on()
        assert one.process.returncode == 0
    assert held > 0
    assert list(state.glob("import.tmp/*")) == []
    query = "select log_id, event_id, tenant from model_call order by all"
    whole = in_ledger(state, query)
    assert len(whole) == len(planted_rows())
    assert [needle for needle in NEEDLES if needle in repr(whole).encode()] == []
    assert in_ledger(state, "select origin, line from ingest_quarantine") == [
        (f"s3://{BUCKET}/wait/c.json", len(planted_rows()) + 1)
    ]
    for last in range(1, stops + 1, 4):
        shutil.rmtree(state)
        with stopping(remote, "logs", "import", f"s3://{BUCKET}/wait/") as one:
            for _ in range(last - 1):
                assert one.next_stop()
                one.go_on()
            assert one.next_stop()
            one.process.kill()
            one.process.wait()
        assert left(state) == [], f"killed at stop {last}"
        ran = remote("logs", "import", f"s3://{BUCKET}/wait/", "--json")
        assert ran.exit_code == 0
        assert len(in_ledger(state, query)) == len(whole)


def test_more_objects_than_files_may_be_open_are_imported_in_more_groups(
    remote: Wai, project: Path, store: Store
) -> None:
    for number in range(120):
        store.put(f"few/{number:03}.json", ndjson([gateway_row(number)]))
    process = remote.start(
        *("logs", "import", f"s3://{BUCKET}/few/"),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100)),
    )
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err.decode()
    assert in_ledger(project / ".wai", "select count(distinct log_id) from model_call") == [(120,)]


def test_r2_needs_an_account(remote: Wai) -> None:
    del remote.environ["AWS_ENDPOINT_URL"]
    ran = remote("logs", "import", "r2://bucket/prefix/")
    assert ran.exit_code == ExitCode.USAGE
    assert ran.stderr == (
        "wai: error: r2:// needs the account's id\n"
        "wai: hint: set CLOUDFLARE_ACCOUNT_ID, or give --endpoint-url\n"
    )


def test_without_the_extra_the_message_names_it(wai: Wai, project: Path, tmp_path: Path) -> None:
    """A package of that name that cannot be imported stands for one that is not there."""
    (tmp_path / "shadow").mkdir()
    (tmp_path / "shadow" / "s3fs.py").write_text("raise ImportError('not installed')\n")
    wai.environ["PYTHONPATH"] = str(tmp_path / "shadow")
    ran = wai("logs", "import", "s3://bucket/prefix/")
    assert ran.exit_code == ExitCode.USAGE
    assert 'hint: install it with: pip install "wai-ops[s3]"' in ran.stderr
