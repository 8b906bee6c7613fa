"""Headless Chromium: what a page becomes in a real browser, and what it asks the network for."""

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    # What the browser wants for itself stays on this machine too.
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)
_BROWSERS_OWN = "not an origin"
"""The initiator of requests that no page made."""


@dataclass(frozen=True)
class Loaded:
    """What the browser made of a page."""

    dom: str
    """The document after loading, with whatever scripts changed."""
    requests: list[str]
    """Addresses that the page asked for, by the browser's own network log."""
    paths: list[str]
    """What the server that served the page was asked for."""


def require_browser() -> str:
    """The browser's path. Where it is missing the test is skipped, but not in CI."""
    path = next(filter(None, map(shutil.which, _NAMES)), None)
    if path is None:
        assert not os.environ.get("CI"), "chromium must be installed in CI: see .ci/run"
        pytest.skip("chromium is not installed")
    return path


def load(page_at: Callable[[str], str], folder: Path) -> Loaded:
    """Serve the page from loopback, open it, and tell. `page_at` gets the server's address."""
    browser = require_browser()
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            body = page.encode()
            self.send_response(200)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: Any) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        origin = f"http://127.0.0.1:{server.server_port}"
        page = page_at(origin)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        log = folder / "net.json"
        done = subprocess.run(
            [
                *(browser, *_FLAGS, f"--user-data-dir={folder / 'profile'}"),
                *(f"--log-net-log={log}", "--dump-dom", f"{origin}/report.html"),
            ],
            capture_output=True,
            timeout=120,
            check=True,
        )
        server.shutdown()
    return Loaded(done.stdout.decode(), _requests(json.loads(log.read_text())), paths)


def _requests(log: dict[str, Any]) -> list[str]:
    started = log["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"]
    seen = (event.get("params", {}) for event in log["events"] if event["type"] == started)
    return [item["url"] for item in seen if item.get("initiator", _BROWSERS_OWN) != _BROWSERS_OWN]
