"""How long `wai run` takes around the call: start to first request byte, last byte to exit.

Baselines, in the same run and interleaved: a bare typer + httpx script that sends the same request
(with the same packages installed), and, with --llm COMMAND, the `llm` tool against the same server.
The server is a bare socket in this process, so both ends share one clock. Nothing is timed inside
the measured programs.

    python benchmarks/run_start.py --runs 15 [--llm path/to/llm]

Promises: wai <= 1.25x of the bare script, <= 1/2.5 of llm; at most 10 ms from the last byte to the
exit. Prints medians and ratios; exits 1 when a promise is missed.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MODEL = "@cf/zai-org/glm-5.3-flash"
BARE = """
import json
from typing import Annotated

import httpx
import typer


def main(
    text: str,
    url: Annotated[str, typer.Option()],
    token: Annotated[str, typer.Option(envvar="CLOUDFLARE_API_TOKEN")],
) -> None:
    body = {"model": "MODEL", "messages": [{"role": "user", "content": text}], "stream": True}
    headers = {"authorization": f"Bearer {token}"}
    with httpx.Client() as client, client.stream("POST", url, json=body, headers=headers) as answer:
        for line in answer.iter_lines():
            if line.startswith("data: {"):
                choice = json.loads(line[6:])["choices"][0]
                typer.echo(choice["delta"].get("content", ""), nl=False)
    typer.echo("")


typer.run(main)
""".replace("MODEL", MODEL)
FINAL = {"index": 0, "delta": {}, "finish_reason": "stop"}
USAGE = {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}
EVENTS = [
    {
        "id": "1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": MODEL,
        "choices": [
            {"index": 0, "delta": {"role": "assistant", "content": "Hello"}, "finish_reason": None}
        ],
    },
    {
        "id": "1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": MODEL,
        "choices": [FINAL],
        "usage": USAGE,
    },
]


def answer() -> bytes:
    """One streamed answer in chunked encoding, so that the client sees where it ends."""
    body = b"".join(b"data: " + json.dumps(item).encode() + b"\n\n" for item in EVENTS)
    body += b"data: [DONE]\n\n"
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    return head + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


def measure(
    command: list[str], listener: socket.socket, folder: Path, environ: dict[str, str]
) -> tuple[float, float]:
    """Run once; return milliseconds from start to the first request byte, and from the end of the
    answer to the exit.
    """
    started = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=folder, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    listener.settimeout(60)
    connection, _ = listener.accept()
    with connection:
        data = connection.recv(1)
        first_byte = time.perf_counter()
        while b"\r\n\r\n" not in data:
            data += connection.recv(65536)
        head, _, body = data.partition(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length")
        )
        while len(body) < length:
            body += connection.recv(65536)
        payload = answer()
        connection.sendall(payload[:-1])
        connection.sendall(payload[-1:])
        last_byte = time.perf_counter()
        # Not `communicate`: its reading threads would be part of what is measured.
        process.wait(60)
        exited = time.perf_counter()
    stdout, stderr = process.communicate()
    if process.returncode != 0 or b"Hello" not in stdout:
        sys.exit(f"{command[0]} failed: {stdout.decode()} {stderr.decode()}")
    return (first_byte - started) * 1000, (exited - last_byte) * 1000


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--wai", default=str(Path(sys.executable).with_name("wai")))
    parser.add_argument("--llm", help="path of the llm command, to compare with it")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder_name,
        socket.create_server(("127.0.0.1", 0), backlog=8) as listener,
    ):
        folder = Path(folder_name)
        base = f"http://127.0.0.1:{listener.getsockname()[1]}"
        (folder / "wai.yaml").write_text('version: "1"\n')
        (folder / "bare.py").write_text(BARE)
        environ = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("WAI_", "CLOUDFLARE_"))},
            "CLOUDFLARE_BASE_URL": f"{base}/client/v4",
            "CLOUDFLARE_ACCOUNT_ID": "0" * 32,
            "CLOUDFLARE_API_TOKEN": "benchmark-token-0123456789",
        }
        commands = {
            "wai run": [options.wai, "run", "-q", "-m", MODEL, "hello"],
            "bare typer + httpx": [
                sys.executable,
                "bare.py",
                "--url",
                f"{base}/client/v4/x",
                "hello",
            ],
        }
        if options.llm:
            home = folder / "llm"
            home.mkdir()
            (home / "extra-openai-models.yaml").write_text(
                f"- model_id: bench\n  model_name: bench\n  api_base: {base}/v1\n"
            )
            environ |= {"LLM_USER_PATH": str(home), "OPENAI_API_KEY": "x"}
            commands["llm"] = [options.llm, "-m", "bench", "hello"]
        starts: dict[str, list[float]] = {name: [] for name in commands}
        ends: dict[str, list[float]] = {name: [] for name in commands}
        for turn in range(options.runs + 1):
            for name, command in commands.items():
                start_ms, end_ms = measure(command, listener, folder, environ)
                if turn:  # the first turn fills caches
                    starts[name].append(start_ms)
                    ends[name].append(end_ms)
    return report(starts, ends)


def report(starts: dict[str, list[float]], ends: dict[str, list[float]]) -> int:
    """Print the table and the promises; return the exit code."""
    for name, taken in starts.items():
        print(
            f"{name:<20} start to first byte {statistics.median(taken):7.1f} ms "
            f"(min {min(taken):7.1f})   last byte to exit "
            f"{statistics.median(ends[name]):6.1f} ms (min {min(ends[name]):5.1f})"
        )
    promises = [
        ("start vs bare script", ratio(starts, "bare typer + httpx"), 1.25),
        ("last byte to exit, ms", statistics.median(ends["wai run"]), 10.0),
    ]
    if "llm" in starts:
        promises.append(("start vs llm", ratio(starts, "llm"), 1 / 2.5))
    missed = 0
    for what, value, limit in promises:
        held = value <= limit
        missed += not held
        print(f"{'PASS' if held else 'MISS'}  {what}: {value:.2f} (at most {limit:.2f})")
    return 1 if missed else 0


def ratio(starts: dict[str, list[float]], baseline: str) -> float:
    """Median of the ratios pair by pair: the machine's speed drifts between turns."""
    pairs = zip(starts["wai run"], starts[baseline], strict=True)
    return statistics.median(ours / theirs for ours, theirs in pairs)


if __name__ == "__main__":
    sys.exit(main())
