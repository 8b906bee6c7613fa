"""Run the tests of Cloudflare's own Python client against the emulator, and count.

Usage: conformance.py [--cache DIR] [--all] [--show]

The client's source distribution carries its tests. They are downloaded with pip, unpacked into a
cache folder with an environment of their own, and run against `wai emulator serve --conformance`.
Exits 1 when fewer than 95% of the promised ones pass.
"""

import argparse
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import venv
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CLIENT = "cloudflare==5.9.0"
FOLDER = CLIENT.replace("==", "-")
NEEDED = (
    "pytest",
    "pytest-asyncio",
    "pytest-xdist",
    "respx",
    "time-machine",
    "dirty-equals",
    "rich",
)
LEAST_RATIO = 0.95
PROMISED = (
    "ai_gateway/test_logs.py",
    "ai_gateway/test_dynamic_routing.py",
    "test_ai_gateway.py",
    "kv",
    "ai/test_models.py",
    "test_ai.py",
)
FURTHER = (
    "ai_gateway/test_custom_providers.py",
    "ai_gateway/test_datasets.py",
    "ai_gateway/test_evaluations.py",
    "ai_gateway/test_evaluation_types.py",
    "ai_gateway/test_provider_configs.py",
    "ai_gateway/test_urls.py",
    "ai/test_authors.py",
    "ai/test_tasks.py",
    "ai/test_finetunes.py",
    "ai/finetunes",
    "ai/models",
    "ai/test_to_markdown.py",
)
# Of the fifteen input shapes of `ai.run`, those of text generation: a prompt, and messages.
TEXT_GENERATION = "not test_ai.py or overload_8 or overload_9"


@dataclass(frozen=True, slots=True)
class Result:
    """One test that ran or was skipped."""

    file: str
    name: str
    outcome: str
    """`passed`, `failed` or `skipped`."""
    reason: str

    @property
    def sends(self) -> bool:
        """Whether it sends a request: the others check that the client refuses empty ids."""
        return "_path_params_" not in self.name


def main() -> int:
    """Prepare, run, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument(
        "--cache", type=Path, default=Path(".venv-conformance"), help="kept between runs"
    )
    parser.add_argument("--all", action="store_true", help="run further tests, outside the promise")
    parser.add_argument("--show", action="store_true", help="print what pytest prints")
    options = parser.parse_args()
    cache = options.cache.absolute()
    sources = fetch_sources(cache)
    python = make_environment(cache, sources)
    with (
        tempfile.TemporaryDirectory(prefix="wai-conformance-") as scratch,
        served(Path(scratch)) as base_url,
    ):
        results = run_tests(python, sources, base_url, PROMISED, Path(scratch), show=options.show)
        further = (
            run_tests(python, sources, base_url, FURTHER, Path(scratch), show=options.show)
            if options.all
            else []
        )
    print_failures([*results, *further])
    ratio = print_counts(f"The tests of {CLIENT}", results)
    print_counts("Of these, the ones that send a request", [r for r in results if r.sends])
    if further:
        print_counts("Further tests", further)
    return 0 if ratio >= LEAST_RATIO else 1


def fetch_sources(cache: Path) -> Path:
    """The unpacked source distribution."""
    sources = cache / FOLDER
    if not (sources / "tests").is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        # pip builds a source distribution's metadata, for which it fetches the build backend.
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
        subprocess.run(
            [*pip, "download", "--no-deps", "--no-binary", ":all:", "--dest", str(cache), CLIENT],
            check=True,
        )
        with tarfile.open(cache / f"{FOLDER}.tar.gz") as archive:
            archive.extractall(cache, filter="data")
    return sources


def make_environment(cache: Path, sources: Path) -> Path:
    """A Python with the client, from its sources, and what its tests need, in its own versions."""
    python = cache / "venv" / "bin" / "python"
    done = cache / "venv" / ".done"
    if not done.exists():
        venv.create(cache / "venv", with_pip=True, clear=True)
        locked = dict(
            line.split(" ")[0].split("==")
            for line in (sources / "requirements-dev.lock").read_text("utf-8").splitlines()
            if "==" in line and "python_full_version < " not in line
        )
        wanted = [f"{name}=={locked[name]}" for name in NEEDED]
        pip = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
        subprocess.run([*pip, f"{sources}[aiohttp]", *wanted], check=True)
        done.touch()
    return python


@contextmanager
def served(state_dir: Path) -> Iterator[str]:
    """The base URL of an emulator in its own process, on a state folder of its own."""
    command = [sys.executable, "-m", "wai_ops", "emulator", "serve", "--conformance", "--json"]
    server = subprocess.Popen(
        [*command, "--state", str(state_dir / "state")], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        line = server.stdout.readline()
        if not line:
            raise SystemExit("the emulator did not start")
        yield json.loads(line)["base_url"]
    finally:
        server.terminate()
        server.wait()


def run_tests(
    python: Path,
    sources: Path,
    base_url: str,
    files: tuple[str, ...],
    scratch: Path,
    *,
    show: bool,
) -> list[Result]:
    """Run some of the client's tests, one after another: they share the fixtures."""
    report = scratch / "report.xml"
    paths = [f"tests/api_resources/{name}" for name in files]
    command = [str(python), "-m", "pytest", *paths, "-k", TEXT_GENERATION]
    subprocess.run(
        [*command, "-q", "-n", "0", "-p", "no:cacheprovider", f"--junitxml={report}"],
        cwd=sources,
        env={**os.environ, "TEST_API_BASE_URL": base_url, "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=None if show else subprocess.DEVNULL,
        check=False,
    )
    return read_report(report)


def read_report(report: Path) -> list[Result]:
    """The tests of a JUnit report."""
    results = []
    for case in ET.parse(report).getroot().iter("testcase"):  # noqa: S314 - our own pytest wrote it
        parts = case.get("classname", "").split(".")
        file = "/".join(part for part in parts[2:-1]) + ".py"
        outcome, reason = "passed", ""
        for child in case:
            if child.tag in ("failure", "error"):
                outcome, reason = "failed", (child.get("message") or "").splitlines()[0]
            elif child.tag == "skipped":
                outcome, reason = "skipped", child.get("message") or ""
        results.append(Result(file, f"{parts[-1]}::{case.get('name')}", outcome, reason))
    return results


def print_failures(results: list[Result]) -> None:
    """Each with its reason."""
    for result in results:
        if result.outcome == "failed":
            print(f"FAILED {result.file} {result.name}\n       {result.reason[:200]}")


def print_counts(title: str, results: list[Result]) -> float:
    """Passed and total by file and overall; returns the share that passed."""
    print(title)
    files = sorted({result.file for result in results})
    for file in [*files, ""]:
        of_file = [result for result in results if file in ("", result.file)]
        count = {
            outcome: sum(result.outcome == outcome for result in of_file)
            for outcome in ("passed", "failed", "skipped")
        }
        total = count["passed"] + count["failed"]
        skipped = f", {count['skipped']} skipped by the client" if count["skipped"] else ""
        share = 100 * count["passed"] / max(total, 1)
        name = file or "all"
        print(f"  {name:40} {count['passed']:4} of {total:4} passed ({share:.1f}%){skipped}")
    return count["passed"] / max(total, 1)


if __name__ == "__main__":
    raise SystemExit(main())
