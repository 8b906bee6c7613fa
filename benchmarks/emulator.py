"""How fast the emulator answers, how well it keeps a schedule, and whether its memory stays flat.

The load comes from wrk, a C program (Debian package `wrk`), on the same machine; without it from a
loop in this process that looks for nothing but the end of an answer. The streams of the schedule
come from this process too, which counts tokens and parses nothing.

    python benchmarks/emulator.py [--seconds 8] [--requests 100000] [--streams 500] [--rate 10]

Promises, scripted backend, two cores: >= 1,500 plain and >= 400 streamed requests a second (20
chunks each); 500 open streams within 50 ms of their schedule at p99; memory flat over 100,000
requests that a gateway logs. Prints PASS or FAIL for each; exits 1 when one is missed.
"""

import argparse
import asyncio
import json
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

PLAIN_RPS = 1500
STREAMED_RPS = 400
LATE_MS = 50.0
GROWTH_MB = 16.0
MODEL = "@cf/google/gemma-4-26b-a4b-it"
CHUNKS = 20
CONNECTIONS = 16
OVERHEAD_S = 1.0
TOKENS = 40
LUA = """
wrk.method = "POST"
wrk.body = [==[{body}]==]
wrk.headers["authorization"] = "Bearer {token}"
wrk.headers["content-type"] = "application/json"
{extra}
"""


@contextmanager
def serving(folder: Path) -> Iterator[tuple[Any, int]]:
    """A server process on a fresh folder; what it says of itself, and its process id."""
    command = [sys.executable, "-m", "wai_ops", "emulator", "serve", "--json", "--state"]
    process = subprocess.Popen([*command, str(folder)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline()), process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def chat_url(server: Any) -> str:
    """Where chat completions are."""
    return f"{server['base_url']}/accounts/{server['account_id']}/ai/v1/chat/completions"


def body_of(*, stream: bool) -> str:
    """A request whose streamed answer has `CHUNKS` frames: one opens, one finishes, one is DONE."""
    message = {"role": "user", "content": "Write 500 words"}
    body = {"model": MODEL, "messages": [message], "max_tokens": CHUNKS - 3, "stream": stream}
    return json.dumps(body | {"reasoning_effort": "none"})


def load(
    server: Any, folder: Path, *, stream: bool, seconds: int, logged: bool
) -> tuple[float, int]:
    """Requests a second, and how many there were. Exits when an answer was no success."""
    if shutil.which("wrk") is None:
        count = asyncio.run(own_load(server, stream=stream, seconds=seconds, logged=logged))
        return count / seconds, count
    script = folder / "load.lua"
    extra = 'wrk.headers["cf-aig-gateway-id"] = "default"' if logged else ""
    token = server["tokens"]["runtime"]
    script.write_text(LUA.format(body=body_of(stream=stream), token=token, extra=extra), "utf-8")
    command = [
        "wrk",
        "-t1",
        f"-c{CONNECTIONS}",
        f"-d{seconds}s",
        "-s",
        str(script),
        chat_url(server),
    ]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in out or "Socket errors" in out:
        sys.exit(f"the load met errors:\n{out}")
    rate = re.search(r"Requests/sec:\s+([\d.]+)", out)
    total = re.search(r"(\d+) requests in", out)
    assert rate is not None
    assert total is not None
    return float(rate[1]), int(total[1])


def rss_mb(pid: int) -> float:
    """Resident memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) / 1024


def set_knobs(server: Any, knobs: dict[str, Any]) -> None:
    """Turn knobs of the running server."""
    url = server["base_url"].removesuffix("/client/v4") + "/__wai/knobs"
    request = urllib.request.Request(
        url,
        data=json.dumps(knobs).encode(),
        headers={"authorization": f"Bearer {server['tokens']['operator']}"},
        method="PATCH",
    )
    urllib.request.urlopen(request).close()


def request_bytes(server: Any, body: str, extra: str = "") -> bytes:
    """One request as it goes over the wire."""
    url = urlsplit(chat_url(server))
    head = (
        f"POST {url.path} HTTP/1.1\r\nhost: {url.netloc}\r\n{extra}"
        f"authorization: Bearer {server['tokens']['runtime']}\r\n"
        f"content-length: {len(body.encode())}\r\n\r\n"
    )
    return (head + body).encode()


class Loader(asyncio.Protocol):
    """One kept connection that sends the same request again and again."""

    def __init__(self, request: bytes, end: bytes) -> None:
        """`end` is how every answer ends."""
        self._request = request
        self._end = end
        self._tail = b""
        self.count = 0
        self.transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first one."""
        assert isinstance(transport, asyncio.WriteTransport)
        self.transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Send the next one when this answer has ended."""
        if not self._tail and not data.startswith(b"HTTP/1.1 200"):
            sys.exit(f"the load met an error: {data[:200]!r}")
        self._tail = (self._tail + data)[-len(self._end) :]
        if self._tail == self._end and self.transport is not None:
            self._tail = b""
            self.count += 1
            self.transport.write(self._request)


async def own_load(server: Any, *, stream: bool, seconds: int, logged: bool) -> int:
    """Answers in that time, over `CONNECTIONS` connections."""
    extra = "cf-aig-gateway-id: default\r\n" if logged else ""
    request = request_bytes(server, body_of(stream=stream), extra)
    loaders = [Loader(request, b"0\r\n\r\n" if stream else b"}}}") for _ in range(CONNECTIONS)]
    url = urlsplit(chat_url(server))
    loop = asyncio.get_running_loop()
    for loader in loaders:
        await loop.create_connection(lambda one=loader: one, url.hostname, url.port)  # type: ignore[misc, arg-type]
    await asyncio.sleep(seconds)
    for loader in loaders:
        assert loader.transport is not None
        loader.transport.abort()
    return sum(loader.count for loader in loaders)


class Reader(asyncio.Protocol):
    """One stream: notes when each of its frames came, in seconds after the request was sent."""

    def __init__(self, request: bytes, done: "asyncio.Future[None]") -> None:
        """`done` is resolved when the connection closes."""
        self._request = request
        self._done = done
        self._sent_at = 0.0
        self.seen: list[tuple[float, int]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the request."""
        assert isinstance(transport, asyncio.WriteTransport)
        self._sent_at = time.perf_counter()
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Stamp first."""
        at = time.perf_counter() - self._sent_at
        self.seen.append((at, data.count(b'"content":"')))

    def connection_lost(self, exc: Exception | None) -> None:
        """The stream has ended."""
        del exc
        if not self._done.done():
            self._done.set_result(None)

    def lateness_ms(self, rate: float) -> list[float]:
        """How much later than due each token came."""
        late, token = [], -1  # the frame that opens the answer has an empty content
        for at, count in self.seen:
            for _ in range(count):
                if token >= 0:
                    late.append((at - OVERHEAD_S - token / rate) * 1000)
                token += 1
        return late


async def open_streams(server: Any, count: int, rate: float) -> list[float]:
    """Lateness of all tokens of `count` streams that are open at once."""
    message = {"role": "user", "content": "Write 500 words"}
    body = {"model": MODEL, "messages": [message], "max_tokens": TOKENS, "stream": True}
    data = json.dumps(body | {"reasoning_effort": "none"})
    url = urlsplit(chat_url(server))
    sent = request_bytes(server, data, "connection: close\r\n")
    loop = asyncio.get_running_loop()
    readers, ends = [], []
    started = time.perf_counter()
    for index in range(count):
        done = loop.create_future()
        reader = Reader(sent, done)
        await loop.create_connection(lambda one=reader: one, url.hostname, url.port)  # type: ignore[misc, arg-type]
        readers.append(reader)
        ends.append(done)
        # Spread over one second, as arrivals are; all of them are open long before the first ends.
        await asyncio.sleep(max(0.0, started + (index + 1) / count - time.perf_counter()))
    await asyncio.gather(*ends)
    late = [value for reader in readers for value in reader.lateness_ms(rate)]
    if len(late) != count * TOKENS:
        sys.exit(f"{count * TOKENS} tokens were due, {len(late)} came")
    return late


def verdict(name: str, *, holds: bool, text: str) -> bool:
    """Print one line."""
    sys.stdout.write(f"{'PASS' if holds else 'FAIL'}  {name}: {text}\n")
    sys.stdout.flush()
    return holds


def main() -> int:
    """Measure and judge."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=int, default=8, help="for each load")
    parser.add_argument("--requests", type=int, default=100_000, help="for the memory")
    parser.add_argument("--streams", type=int, default=500)
    parser.add_argument("--rate", type=float, default=10.0, help="tokens a second of each stream")
    options = parser.parse_args()
    tool = "this process" if shutil.which("wrk") is None else "wrk"
    sys.stdout.write(f"load by {tool}\n")
    held = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with serving(folder / "speed") as (server, _):
            for stream, wanted in ((False, PLAIN_RPS), (True, STREAMED_RPS)):
                load(server, folder, stream=stream, seconds=1, logged=False)
                rate, _ = load(server, folder, stream=stream, seconds=options.seconds, logged=False)
                kind = f"streamed ({CHUNKS} chunks)" if stream else "plain"
                held.append(
                    verdict(kind, holds=rate >= wanted, text=f"{rate:.0f}/s, promised {wanted}")
                )
            knobs = {
                "latency.overhead_ms": OVERHEAD_S * 1000,
                "latency.decode_tokens_per_s": options.rate,
            }
            set_knobs(server, knobs)
            late = asyncio.run(open_streams(server, options.streams, options.rate))
            cuts = statistics.quantiles(late, n=100)
            text = f"p50 {cuts[49]:.1f}, p99 {cuts[98]:.1f}, worst {max(late):.1f} ms late"
            held.append(
                verdict(
                    f"{options.streams} open streams, {options.rate:g} tokens/s each",
                    holds=cuts[98] <= LATE_MS and min(late) > -LATE_MS,
                    text=f"{text}, promised {LATE_MS:.0f} at p99",
                )
            )
        with serving(folder / "memory") as (server, pid):
            held.append(memory(server, pid, folder, options.requests))
    return 0 if all(held) else 1


def memory(server: Any, pid: int, folder: Path, wanted: int) -> bool:
    """Load until enough requests were answered; compare memory early on and in the end."""
    done, early, slices = 0, 0.0, 0
    while done < wanted:
        _, count = load(server, folder, stream=False, seconds=5, logged=True)
        done += count
        slices += 1
        if not early and done >= wanted / 4:
            early = rss_mb(pid)
    growth = rss_mb(pid) - early
    return verdict(
        f"memory over {done} logged requests",
        holds=growth <= GROWTH_MB,
        text=f"{early:.0f} MB after a quarter, {growth:+.1f} MB since, promised {GROWTH_MB:.0f}",
    )


if __name__ == "__main__":
    sys.exit(main())
