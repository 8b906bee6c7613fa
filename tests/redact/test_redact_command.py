"""`wai redact`: a filter for pipes, and a check for CI."""

import os
import subprocess
from pathlib import Path

import pytest

from redact.planted import PREFIXED
from support.cli import Wai

SECRET = PREFIXED["cloudflare-token"][0]


def filtered(wai: Wai, raw: bytes, *arguments: str) -> bytes:
    done = subprocess.run(
        wai.command("redact", *arguments),
        input=raw,
        capture_output=True,
        cwd=wai.folder,
        env=wai.environment(),
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_rest_comes_out_byte_for_byte(wai: Wai) -> None:
    raw = b"\xff\xfe\x00 no text \r\n" + os.urandom(300_000) + b"\nkey " + SECRET.encode() + b"\n"
    out = filtered(wai, raw)
    assert SECRET.encode() not in out
    assert out.startswith(b"\xff\xfe\x00 no text \r\n")
    assert out[: len(raw) - len(SECRET) - 1] == raw[: len(raw) - len(SECRET) - 1]
    assert filtered(wai, out) == out


def test_nothing_in_is_nothing_out(wai: Wai) -> None:
    ran = wai("redact")
    assert (ran.exit_code, ran.stdout, ran.stderr) == (0, "", "wai: note: nothing masked\n")


def test_what_was_masked_is_counted_on_stderr_by_kind(wai: Wai) -> None:
    wai.environ["MY_API_KEY"] = "an-opaque-value-77"
    ran = wai("redact", stdin=f"{SECRET} an-opaque-value-77 {SECRET}")
    assert ran.stderr == "wai: note: 3 masked: 2 cloudflare-token, 1 my-api-key\n"
    assert ran.stdout.count("[redacted:cloudflare-token:") == 2


def test_check_prints_no_text_names_the_files_and_exits_1(wai: Wai) -> None:
    (wai.folder / "a.txt").write_text(SECRET)
    (wai.folder / "b.txt").write_text("fine")
    ran = wai("redact", "--check", "a.txt", "b.txt")
    assert (ran.exit_code, ran.stdout) == (1, "")
    assert ran.stderr.splitlines() == [
        "wai: a.txt: 1 to mask",
        "wai: note: 1 would be masked: 1 cloudflare-token",
    ]
    assert wai("redact", "--check", "b.txt").exit_code == 0


def test_a_file_that_is_not_there_is_said(wai: Wai) -> None:
    ran = wai("redact", "nowhere.txt")
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert ran.stderr == "wai: error: nowhere.txt: cannot be read: No such file or directory\n"


def test_personal_data_by_flag_and_by_setting(wai: Wai) -> None:
    text = "ada@example.com"
    assert wai("redact", stdin=text).stdout == text
    assert "[redacted:email:" in wai("redact", "--pii", stdin=text).stdout
    wai.environ["WAI_REDACTION_PII"] = "true"
    assert "[redacted:email:" in wai("redact", stdin=text).stdout
    assert wai("redact", "--no-pii", stdin=text).stdout == text


def test_memory_does_not_grow_with_the_stream(wai: Wai, tmp_path: Path) -> None:
    """One line of 64 MB under an address space that could not hold it twice more."""
    resource = pytest.importorskip("resource")

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_DATA, (160 * 1024 * 1024, 160 * 1024 * 1024))

    source = tmp_path / "large.txt"
    with source.open("wb") as file:
        for _ in range(64):
            file.write(b"word " * (1024 * 1024 // 5))
        file.write(SECRET.encode())
    with source.open("rb") as stdin, (tmp_path / "out").open("wb") as stdout:
        done = subprocess.run(
            wai.command("redact"),
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.PIPE,
            cwd=wai.folder,
            env=wai.environment(),
            preexec_fn=limited,
            timeout=300,
        )
    assert done.returncode == 0, done.stderr
    masked = (tmp_path / "out").read_bytes()
    assert masked.endswith(b"]")
    assert SECRET.encode() not in masked
