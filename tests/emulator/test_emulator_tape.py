"""Recording real traffic and playing it again: no secret on disk, the same bytes on the wire."""

import itertools
import json
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.api import LEGACY_MODEL, OPENAI_MODEL, Api
from support.cli import Wai
from wai_ops.core.clock import SystemClock
from wai_ops.core.errors import DataError, UsageError
from wai_ops.emulator.loop import ServerThread
from wai_ops.emulator.own_api import call
from wai_ops.emulator.server import listen
from wai_ops.emulator.tape.format import Exchange, head_line, load_recording, to_line
from wai_ops.emulator.tape.masking import ACCOUNT, Masker
from wai_ops.emulator.tape.record import Recorder
from wai_ops.emulator.tape.replay import Replayer, Shelf
from wai_ops.emulator.tape.upstream import parse_target

PLANTED = "planted-secret-0123456789abcdef"
REPLAY_TOKEN = "local-replay-token"


@contextmanager
def on_loopback(app: Any) -> Iterator[str]:
    """An ASGI application on a port of its own; its address."""
    with listen(0) as listener:
        server = ServerThread(app, listener, is_embedded=True, on_death=lambda: None)
        server.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.stop()


@contextmanager
def recorded(api: Api, file: Path) -> Iterator[str]:
    """A recorder in front of the emulator; the base address that clients use."""
    recorder = Recorder(api.endpoint.base_url, file, SystemClock())
    try:
        with on_loopback(recorder) as address:
            yield address + recorder.target.path
    finally:
        recorder.close()


@contextmanager
def replayed(file: Path, **options: Any) -> Iterator[str]:
    """A replayer of a file; its base address."""
    app = Replayer(
        load_recording(file),
        token=REPLAY_TOKEN,
        clock=SystemClock(),
        **({"speed": 0.0} | options),
    )
    with on_loopback(app) as address:
        yield address + "/client/v4"


REQUESTS: list[tuple[str, dict[str, Any]]] = [
    (
        "/ai/v1/chat/completions",
        {"model": OPENAI_MODEL, "messages": [{"role": "user", "content": "A"}]},
    ),
    (f"/ai/run/{LEGACY_MODEL}", {"prompt": "Count", "stream": True}),
    (
        "/ai/v1/chat/completions",
        {
            "model": OPENAI_MODEL,
            "stream": True,
            "messages": [{"role": "user", "content": "é € 😀"}],
        },
    ),
    (f"/ai/run/{LEGACY_MODEL}", {"prompt": 3}),
]


def play(base: str, account: str, token: str) -> list[tuple[int, str, bytes]]:
    """Send the requests; what came back."""
    got = []
    with httpx.Client(timeout=20) as http:
        for path, body in REQUESTS:
            answer = http.post(
                f"{base}/accounts/{account}{path}",
                json=body,
                headers={"authorization": f"Bearer {token}", "cf-aig-gateway-id": "default"},
            )
            got.append((answer.status_code, answer.headers["content-type"], answer.content))
    return got


def test_a_recording_plays_back_the_same_bytes_and_holds_no_secret(
    fresh: Api, tmp_path: Path
) -> None:
    """Status, content type and body of every answer; another account id and token will do."""
    file = tmp_path / "tape.jsonl"
    token, account = fresh.endpoint.tokens["runtime"], fresh.endpoint.account_id
    with recorded(fresh, file) as base:
        live = play(base, account, token)
        # Secrets where they do not belong: in a prompt, a header, a query, a field.
        with httpx.Client() as http:
            http.post(
                f"{base}/accounts/{account}/ai/run/{LEGACY_MODEL}?api_key={PLANTED}1",
                json={
                    "prompt": f"my token is {token}, account {account}",
                    "api_token": f"{PLANTED}2",
                },
                headers={
                    "authorization": f"Bearer {token}",
                    "cookie": f"session={PLANTED}3",
                    "x-auth-key": f"{PLANTED}4",
                    "x-my-own": f"{PLANTED}5",
                    "cf-aig-metadata": '{"tenant":"acme"}',
                },
            )
    text = file.read_text("utf-8")
    assert file.stat().st_mode & 0o777 == 0o600
    for secret in (token, account, PLANTED):
        assert secret not in text
    assert '"cf-aig-metadata":"{\\"tenant\\":\\"acme\\"}"' in text
    assert [status for status, _, _ in live] == [200, 200, 200, 400]
    with replayed(file) as base:
        again = play(base, "f" * 32, REPLAY_TOKEN)
    assert again == live


def test_the_timings_are_those_of_the_wire(fresh: Api, tmp_path: Path) -> None:
    """Every chunk has its time, and they rise; a slow first token is seen as one."""
    call(
        fresh.endpoint,
        "PATCH",
        "/__wai/knobs",
        {"latency.overhead_ms": 150, "latency.decode_tokens_per_s": 200},
    )
    file = tmp_path / "tape.jsonl"
    with recorded(fresh, file) as base:
        play(base, fresh.endpoint.account_id, fresh.endpoint.tokens["runtime"])
    stream = load_recording(file)[1]
    times = [at for at, _ in stream.chunks]
    assert times == sorted(times)
    assert len(times) > 20
    assert stream.chunks[0][0] >= 150
    assert stream.end_ms >= times[-1] > times[0] + 100


def test_a_replay_keeps_the_schedule_and_speed_divides_it() -> None:
    """Absolute deadlines: the pauses asked for add up to the recorded times."""
    exchange = Exchange(
        method="POST",
        path="/client/v4/x",
        status=200,
        head_ms=100,
        chunks=[(100, b"a"), (300, b"b")],
        end_ms=500,
    )

    def pauses(speed: float) -> list[float]:
        import asyncio

        asked: list[float] = []
        at = [50.0]

        class Time(SystemClock):
            def monotonic(self) -> float:
                return at[0]

        async def sleep(seconds: float) -> None:
            asked.append(round(seconds, 6))
            at[0] += seconds

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(_message: Any) -> None:
            at[0] += 0.01  # the socket takes its time

        scope = {
            "type": "http",
            "method": "POST",
            "raw_path": b"/client/v4/x",
            "query_string": b"",
            "headers": [(b"host", b"localhost"), (b"authorization", b"Bearer t")],
        }
        app = Replayer([exchange], token="t", speed=speed, clock=Time(), sleep=sleep)
        asyncio.run(app(scope, receive, send))
        return asked

    assert pauses(1) == [0.1, 0.18, 0.19]
    assert pauses(2) == [0.05, 0.08, 0.09]
    assert pauses(0) == []


def test_the_order_of_a_recording_is_kept_for_equal_requests() -> None:
    """First the first answer, then the second, and then the last one for ever."""

    def exchange(body: bytes, answer: bytes, path: str = "/client/v4/accounts/a/x") -> Exchange:
        return Exchange(
            method="POST",
            path=path,
            request_body=body,
            status=200,
            head_ms=0,
            chunks=[(0, answer)],
            end_ms=0,
        )

    shelf = Shelf([exchange(b"1", b"A"), exchange(b"1", b"B"), exchange(b"2", b"C")])

    def take(body: bytes) -> bytes | None:
        found = shelf.take("POST", "/client/v4/accounts/other/x", body)
        return None if found is None else found.body

    assert [take(b"1"), take(b"2"), take(b"1"), take(b"1")] == [b"A", b"C", b"B", b"B"]
    assert take(b"unheard of") == b"B"  # the last of those that are left
    assert shelf.take("GET", "/client/v4/accounts/a/x", b"1") is None


def test_a_replay_needs_its_token_and_a_loopback_host(tmp_path: Path) -> None:
    """And says what the recording does not have."""
    file = tmp_path / "tape.jsonl"
    file.write_text(head_line(target="x", recorded_at="y"), "utf-8")
    with replayed(file) as base:
        assert httpx.get(base).status_code == 401
        good = {"authorization": f"Bearer {REPLAY_TOKEN}"}
        missing = httpx.get(f"{base}/accounts/1/x", headers=good)
        assert missing.status_code == 404
        assert "GET /client/v4/accounts/1/x" in missing.json()["errors"][0]["message"]
        assert httpx.get(base, headers=good | {"host": "evil.example"}).status_code == 403


def test_a_recorder_cannot_be_reached_through_a_browser(fresh: Api, tmp_path: Path) -> None:
    """A page of another origin could spend money through it."""
    with recorded(fresh, tmp_path / "tape.jsonl") as base:
        for header in ({"host": "evil.example"}, {"origin": "https://evil.example"}):
            assert httpx.get(base, headers=header).status_code == 403
    assert load_recording(tmp_path / "tape.jsonl") == []


def test_what_breaks_is_recorded_as_broken_and_breaks_again(fresh: Api, tmp_path: Path) -> None:
    """A reset in the middle of a stream."""
    faults = [{"kind": "reset", "after_bytes": 400}]
    call(fresh.endpoint, "PATCH", "/__wai/knobs", {"faults": faults})
    file = tmp_path / "tape.jsonl"
    path, body = REQUESTS[2]

    def broken(base: str, account: str, token: str) -> None:
        with pytest.raises(httpx.TransportError):
            httpx.post(
                f"{base}/accounts/{account}{path}",
                json=body,
                headers={"authorization": f"Bearer {token}"},
            )

    with recorded(fresh, file) as base:
        broken(base, fresh.endpoint.account_id, fresh.endpoint.tokens["runtime"])
    (exchange,) = load_recording(file)
    assert (exchange.status, exchange.is_cut) == (200, True)
    assert len(exchange.body) <= 400
    with replayed(file) as base:
        broken(base, "1", REPLAY_TOKEN)


def test_a_target_that_does_not_answer_is_a_502_and_no_exchange(tmp_path: Path) -> None:
    """Nothing came back, so there is nothing to keep."""
    with listen(0) as nobody:
        port = nobody.getsockname()[1]
    file = tmp_path / "tape.jsonl"
    recorder = Recorder(f"http://127.0.0.1:{port}/client/v4", file, SystemClock())
    with on_loopback(recorder) as address:
        assert httpx.get(f"{address}/client/v4/user").status_code == 502
    recorder.close()
    assert load_recording(file) == []


def test_a_client_that_leaves_ends_the_call_behind_it(fresh: Api, tmp_path: Path) -> None:
    """The recorder hangs up too, and notes that the answer was cut."""
    call(fresh.endpoint, "PATCH", "/__wai/knobs", {"latency.decode_tokens_per_s": 20})
    file = tmp_path / "tape.jsonl"
    path, body = REQUESTS[2]
    headers = {
        "authorization": f"Bearer {fresh.endpoint.tokens['runtime']}",
        "cf-aig-gateway-id": "default",
        "cf-aig-event-id": "left",
    }
    with recorded(fresh, file) as base:
        url = f"{base}/accounts/{fresh.endpoint.account_id}{path}"
        with httpx.stream("POST", url, json=body, headers=headers) as answer:
            next(answer.iter_bytes())
        waited = threading.Event()
        for _ in range(200):
            if any(row["event_id"] == "left" for row in fresh.logs()) and load_recording(file):
                break
            waited.wait(0.05)
    (row,) = [row for row in fresh.logs() if row["event_id"] == "left"]
    assert row["status_code"] == 499
    (exchange,) = load_recording(file)
    assert exchange.is_cut


TEXT = st.text("abcé ", max_size=12)


@given(
    st.lists(
        st.one_of(TEXT, st.just("TOKEN-abcdefgh"), st.just("0123456789abcdef" * 2)), max_size=8
    ),
    st.lists(st.integers(0, 80), max_size=6),
)
def test_a_secret_is_found_however_the_body_is_cut(pieces: list[str], cuts: list[int]) -> None:
    """The parts keep their number, and together they are the masked whole."""
    masker = Masker()
    account = "0123456789abcdef" * 2
    masker.learn([("Authorization", "Bearer TOKEN-abcdefgh")], f"/client/v4/accounts/{account}/x")
    whole = "".join(pieces).encode()
    edges = sorted({0, len(whole), *(min(cut, len(whole)) for cut in cuts)})
    parts = [whole[a:b] for a, b in itertools.pairwise(edges)] or [whole]
    masked = masker.chunks(parts)
    assert len(masked) == len(parts)
    expected = whole.replace(b"TOKEN-abcdefgh", b"masked").replace(
        account.encode(), ACCOUNT.encode()
    )
    assert b"".join(masked) == expected


@pytest.mark.parametrize(
    "text",
    [
        '{"token":"s3cr3t-value"}',
        '{"api_key" : "s3cr3t-value"}',
        '{"client_secret":"s3cr3t-value\\"x"}',
        '{"password":"s3cr3t-value"}',
        "Authorization: Bearer s3cr3t-value",
        "https://x/?access_token=s3cr3t-value&y=1",
    ],
)
def test_a_secret_is_known_by_its_place(text: str) -> None:
    """Also one that no request has carried."""
    assert "s3cr3t-value" not in Masker().text(text)


def test_counts_and_ordinary_words_stay() -> None:
    """Masking must not spoil what the recording is for."""
    text = '{"tokens_in":5,"max_tokens":10,"usage":{"total_tokens":3},"content":"a token of love"}'
    assert Masker().text(text) == text


def test_accounts_that_are_listed_are_masked_before_any_path_names_them(tmp_path: Path) -> None:
    """`GET /accounts` tells the id first."""
    account = "abcdef0123456789" * 2
    file = tmp_path / "tape.jsonl"
    recorder = Recorder("http://127.0.0.1:1/client/v4", file, SystemClock())
    body = json.dumps({"result": [{"id": account, "name": "Me"}]}).encode()
    recorder.keep(
        Exchange(
            method="GET",
            path="/client/v4/accounts?page=1",
            status=200,
            head_ms=1,
            chunks=[(1, body[:40]), (2, body[40:])],
            end_ms=2,
        ),
        [],
    )
    recorder.close()
    assert account not in file.read_text("utf-8")
    assert json.loads(load_recording(file)[0].body)["result"][0]["id"] == ACCOUNT


def test_a_compressed_body_is_left_out_because_nobody_saw_what_is_in_it(tmp_path: Path) -> None:
    """Rather a gap than a secret."""
    file = tmp_path / "tape.jsonl"
    recorder = Recorder("http://127.0.0.1:1/", file, SystemClock())
    recorder.keep(
        Exchange(
            method="GET",
            path="/x",
            status=200,
            headers={"content-encoding": "gzip"},
            head_ms=1,
            chunks=[(1, b"\x1f\x8b...")],
            end_ms=2,
        ),
        [],
    )
    recorder.close()
    (exchange,) = load_recording(file)
    assert (exchange.is_omitted, exchange.body) == (True, b"")


@pytest.mark.parametrize(
    "target",
    [
        "ftp://x",
        "api.cloudflare.com",
        "http://api.cloudflare.com",
        "https://u:p@x/",
        "https://x/?a=1",
    ],
)
def test_a_target_must_be_safe_for_a_token(target: str) -> None:
    """No plain HTTP beyond this machine, no credentials in the address."""
    with pytest.raises(UsageError):
        parse_target(target)


def test_a_recording_is_never_overwritten(tmp_path: Path) -> None:
    """It may have cost money."""
    file = tmp_path / "tape.jsonl"
    file.write_text("precious", "utf-8")
    with pytest.raises(UsageError, match="exists already"):
        Recorder("https://example.com", file, SystemClock())
    assert file.read_text("utf-8") == "precious"


@pytest.mark.parametrize("text", ["", "{}\n", "x\n", head_line(target="", recorded_at="") + "{}\n"])
def test_a_file_that_is_no_recording_is_refused_with_its_line(tmp_path: Path, text: str) -> None:
    """And not half loaded."""
    file = tmp_path / "tape.jsonl"
    file.write_text(text, "utf-8")
    with pytest.raises(DataError):
        load_recording(file)


@given(st.binary(max_size=40), st.lists(st.binary(max_size=20), max_size=4))
def test_any_bytes_survive_the_file(body: bytes, parts: list[bytes]) -> None:
    """A chunk may end in the middle of a character."""
    exchange = Exchange(
        method="POST",
        path="/x",
        request_body=body,
        status=200,
        head_ms=0,
        chunks=[(float(index), part) for index, part in enumerate(parts)],
        end_ms=9,
    )
    from wai_ops.emulator.tape.format import _exchange

    assert _exchange(json.loads(to_line(exchange))) == exchange


def test_the_commands_record_and_replay_until_a_signal(
    fresh: Api, wai: Wai, tmp_path: Path
) -> None:
    """Two real processes; both say where they are in one line of JSON."""
    file = tmp_path / "tape.jsonl"
    words = ("record", "--target", fresh.endpoint.base_url, "--to", str(file))
    with started(wai, *words) as (process, told):
        live = play(told["base_url"], fresh.endpoint.account_id, fresh.endpoint.tokens["runtime"])
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
        assert (process.returncode, err.decode()) == (0, f"wai: 4 exchanges are in {file}\n")
    with started(wai, "replay", str(file), "--speed", "0") as (process, told):
        again = play(told["base_url"], told["account_id"], told["token"])
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
        assert (process.returncode, again) == (0, live)


@contextmanager
def started(wai: Wai, *words: str) -> Iterator[tuple["subprocess.Popen[bytes]", Any]]:
    """A command of the emulator, and its first line of output, decoded."""
    process = wai.start("emulator", *words, "--json")
    assert process.stdout is not None
    try:
        yield process, json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()
