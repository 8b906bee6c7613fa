"""A running `wai emulator serve`, started as a user would start it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Emulator:
    """Where the emulator listens, and who may call it."""

    base_url: str
    gateway_base_url: str
    account_id: str
    gateway_id: str
    tokens: dict[str, str]
    state_dir: Path

    @property
    def environ(self) -> dict[str, str]:
        """What `wai emulator env` would export."""
        return {
            "CLOUDFLARE_ACCOUNT_ID": self.account_id,
            "CLOUDFLARE_API_TOKEN": self.tokens["runtime"],
            "WAI_OPERATOR_TOKEN": self.tokens["operator"],
            "CLOUDFLARE_BASE_URL": self.base_url,
            "CLOUDFLARE_AI_GATEWAY_BASE_URL": self.gateway_base_url,
        }


@contextmanager
def start_emulator(state_dir: Path, *options: str) -> Iterator[Emulator]:
    """Serve on a free port until the block ends."""
    command = [sys.executable, "-m", "wai_ops", "emulator", "serve", "--json"]
    process = subprocess.Popen(
        [*command, "--state", str(state_dir), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    line = process.stdout.readline()
    if not line:
        raise AssertionError(f"the emulator did not start: {process.stderr.read()}")
    try:
        yield Emulator(**json.loads(line), state_dir=state_dir)
    finally:
        process.terminate()
        process.communicate(timeout=30)
