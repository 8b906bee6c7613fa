"""Start-up is a promise: what a command does not use, it does not import."""

import json
import subprocess
import sys

import pytest

from support.cli import Wai

# Not rich: httpx imports it by itself wherever click happens to be installed.
HEAVY = (
    "duckdb",
    "cloudflare",
    "pydantic",
    "yaml",
    "jinja2",
    "starlette",
    "uvicorn",
    "cryptography",
)
PROBE = """
import json, os, sys
def report(code):
    heavy = sorted({name.partition(".")[0] for name in sys.modules} & set(%r))
    sys.stderr.write("IMPORTED " + json.dumps(heavy) + "\\n")
    sys.stdout.flush(); sys.stderr.flush()
    leave(code)
leave, os._exit = os._exit, report
sys.argv = ["wai", *sys.argv[1:]]
from wai_ops.__main__ import main
main()
"""


def imported(wai: Wai, *arguments: str) -> list[str]:
    """Which of the heavy packages one command imports."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE % (HEAVY,), *arguments],
        capture_output=True,
        text=True,
        cwd=wai.folder,
        env=wai.environment(),
    )
    line = next(line for line in done.stderr.splitlines() if line.startswith("IMPORTED "))
    found: list[str] = json.loads(line.removeprefix("IMPORTED "))
    return found


def test_a_dry_run_imports_nothing_heavy(wai: Wai) -> None:
    imported(wai, "run", "--dry-run", "hello")  # the first one validates and caches wai.yaml
    assert imported(wai, "run", "--dry-run", "--max-tokens", "9", "hello") == []


def test_the_first_run_validates_the_configuration_and_still_spares_duckdb_and_sdk(
    wai: Wai,
) -> None:
    assert set(imported(wai, "run", "--dry-run", "hello")) <= {"pydantic", "yaml"}


def test_a_run_imports_nothing_heavy(online: Wai) -> None:
    online("run", "-q", "hello")
    assert imported(online, "run", "-q", "hello") == []


def test_affinity_show_imports_nothing_heavy(online: Wai) -> None:
    online("run", "-q", "-c", "c1", "hello")
    assert imported(online, "affinity", "show", "default:adhoc:c1") == []


def test_the_heavy_packages_are_noticed_when_they_are_imported(online: Wai) -> None:
    """The probe itself must be able to fail."""
    assert "duckdb" in imported(online, "report", "cost")


@pytest.mark.parametrize("flag", ["--version", "--help"])
def test_version_and_help_import_no_command_line_library(wai: Wai, flag: str) -> None:
    code = (
        "import sys; sys.argv = ['wai', sys.argv[1]]\n"
        "from wai_ops.__main__ import main; main()\n"
        "sys.stderr.write(str(sorted({'typer', 'argparse', 'json'} & set(sys.modules))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, flag], capture_output=True, text=True, env=wai.environment()
    )
    assert done.stderr == "[]"
    assert done.stdout.startswith("wai 0." if flag == "--version" else "Usage: wai [OPTIONS]")
