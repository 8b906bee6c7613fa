"""The examples for other people's packages, run as a reader would."""

import subprocess
import sys

import pytest

from house.project import ROOT
from wai_ops.emulator.testing import WaiEmulator


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("openai_client", ["chat: ", "usage: ", "stream: ", "embeddings: 2 vectors of 1024"]),
        ("cloudflare_client", ["models: @cf/meta/", "run: ", "log: "]),
    ],
)
def test_the_example_tells_what_it_says(
    name: str, told: list[str], wai_emulator: WaiEmulator
) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / f"{name}.py")],
        env=wai_emulator.environ,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    for start in told:
        assert any(line.startswith(start) for line in lines), done.stdout
