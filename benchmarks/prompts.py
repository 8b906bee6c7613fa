"""What `wai prompts verify` takes on a large repository, and how long hostile templates run.

The repository has 1,000 prompts with 20 versions each.

Baseline: a bare Python script that computes the SHA-256 of the same frozen files, in the same run,
taking turns. Verify does that, reads the lock, and compares every prompt of the working tree.

    python benchmarks/prompts.py [--prompts 1000] [--versions 20] [--runs 5]

Promises, whole processes: verify within 2 s, and within 4x of the baseline. `wai prompts log`,
which reads the same lock, and `wai prompts diff` of two versions, within 1 s each. Every template
that asks for too much is refused within 1 s of CPU time, loading and compiling included, and takes
at most 200 MB. Prints times and ratios; exits 1 when a promise is missed.
"""

import argparse
import hashlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from wai_ops.prompts.lock_text import to_text
from wai_ops.prompts.lockfile import FrozenVersion, Lock, PromptLock, Release, lock_path
from wai_ops.prompts.source import load_source
from wai_ops.prompts.store import version_path
from wai_ops.prompts.version import digest
from wai_ops.prompts.version_file import to_bytes

WITHIN_S = 2.0
LOG_WITHIN_S = 1.0
DIFF_WITHIN_S = 1.0
WITHIN_RATIO = 4.0
AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
FRONT = """\
---
# Sorts tickets.
description: Sorts tickets of team {number}
model: "@cf/google/gemma-4-26b-a4b-it"
parameters:
  temperature: 0.2
  max_output_tokens: 200
variables:
  ticket: string
  plan: {{type: string, default: free}}
tools: tools/search.json
owners: [team-{number}@example.com]
---
{{% role system %}}
{{% include "shared/house.part" %}}
You sort the tickets of team {number}.
"""
RULE = "Answer with one line: the category, a dash, and the reason in at most twelve words.\n"
TOOLS = """\
[{"type": "function", "function": {"name": "search", "description": "Search the handbook",
  "parameters": {"type": "object", "properties": {"query": {"type": "string"}}}}}]
"""
BARE = """\
import hashlib, os, sys
for folder, _, names in os.walk(sys.argv[1]):
    for name in names:
        with open(os.path.join(folder, name), "rb") as file:
            hashlib.sha256(file.read()).hexdigest()
"""


REFUSED_WITHIN_S = 1.0
REFUSED_WITHIN_MB = 200
HOSTILE = {
    "one long text": "{{ 'x' * 10**9 }}",
    "loops in loops": "{% for a in range(9) %}" * 15 + "{% endfor %}" * 15,
    "a macro that calls itself twice": "{% macro f(n) %}{{ f(n + 1) if n < 40 else '' }}"
    "{{ f(n + 1) if n < 40 else '' }}{% endmacro %}{{ f(0) }}",
    "a macro without end": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "a text that doubles": "{% set n = namespace(x='a') %}{% for i in range(99) %}"
    "{% set n.x = n.x ~ n.x %}{% endfor %}",
    "a list that doubles": "{% set n = namespace(x=['a']) %}{% for i in range(99) %}"
    "{% set n.x = [n.x, n.x] %}{% endfor %}",
    "a list in a list in a list": "{% set n = namespace(x=[]) %}{% for i in range(99999) %}"
    "{% set n.x = [n.x] %}{% endfor %}",
    "replacing": "{{ ('a' * 1000000) | replace('a', 'b' * 1000000) }}",
    "joining": "{{ (['a'] * 90000) | join('b' * 1000000) }}",
    "splitting": "{{ (' ' * 4000000).split(' ') | length }}",
    "searching": "{% set x = 'a' * 3000000 ~ 'b' %}{% for i in range(9999) %}"
    "{% if x in x %}{% endif %}{% endfor %}",
    "comparing": "{% set a = range(99990) | list %}{% set b = range(99990) | list %}"
    "{% for i in range(9999) %}{% if a == b %}{% endif %}{% endfor %}",
    "sorting": "{% set a = range(99990) | map('string') | list %}"
    "{% for i in range(9999) %}{% set b = a | sort %}{% endfor %}",
    "copies": "{% set x = 'a' * 3000000 %}" + "{% set y = x[1:] %}" * 100,
    "a width": "{{ '%1000000000d' % 1 }}",
    "many tags": "{{ v }}" * 100_000,
    "one long expression": "{{ v " + "~ v " * 100_000 + "}}",
    "deep brackets": "{{ " + "(" * 3000 + "v" + ")" * 3000 + " }}",
    "a tower of numbers": "{{ 9 ** (9 ** 9) }}",
}


def refuse(name: str) -> int:
    """Load and render one template, which must be refused; in a process of its own."""
    from wai_ops.prompts.errors import PromptError
    from wai_ops.prompts.rendering import render_messages, variables_of
    from wai_ops.prompts.source import parse_source

    render_messages(parse_source("warm", lambda _: b"{{ 1 }}"), {})
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    try:
        source = parse_source("t", lambda _: HOSTILE[name].encode())
        render_messages(source, dict.fromkeys(variables_of(source), "v"))
    except PromptError as error:
        taken = time.process_time() - started
        more_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb) / 1024
        held = taken <= REFUSED_WITHIN_S and more_mb <= REFUSED_WITHIN_MB
        verdict = "PASS" if held else "FAIL"
        print(f"{verdict}  {name:<32} {taken:6.3f} s {more_mb:5.0f} MB  {error.message[:48]}")
        return 0 if held else 1
    print(f"FAIL  {name:<32} was not refused")
    return 1


def refuse_all() -> int:
    """How many hostile templates broke the promise."""
    missed = 0
    for name in HOSTILE:
        done = subprocess.run([sys.executable, __file__, "--refuse", name], check=False)
        missed += done.returncode != 0
    return missed


def make_project(root: Path, prompts: int, versions: int) -> None:
    """Write prompts, frozen versions and the lock, without syncing 20,000 files to the disk."""
    folder = root / "prompts"
    (folder / "shared").mkdir(parents=True)
    (folder / "tools").mkdir()
    (root / "wai.yaml").write_text('version: "1"\n')
    (folder / "shared" / "house.part").write_text(RULE * 10)
    (folder / "tools" / "search.json").write_text(TOOLS)
    blocks = {}
    for number in range(prompts):
        name = f"team-{number % 40:02d}/prompt-{number:04d}"
        path = folder / f"{name}.prompt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(
            FRONT.format(number=number) + RULE * 12 + "{% role user %}\n{{ plan }}: {{ ticket }}\n"
        )
        blocks[name] = freeze_all(folder, name, versions)
    lock_path(folder).write_text(to_text(Lock(prompts=blocks)))


def freeze_all(folder: Path, name: str, versions: int) -> PromptLock:
    """Freeze what is there as the newest version, and older ones that say something else."""
    newest = load_source(folder, name)
    found = []
    (folder / ".versions" / name).mkdir(parents=True)
    for number in range(1, versions + 1):
        source = newest
        if number < versions:
            first, *rest = newest.sections
            changed = replace(first, text=f"{first.text}\nEdition {number}.")
            source = replace(newest, sections=(changed, *rest))
        content, sha256 = to_bytes(source), digest(source)
        (folder / version_path(name, sha256)).write_bytes(content)
        found.append(
            FrozenVersion(
                version=number,
                sha256=sha256,
                file_sha256=hashlib.sha256(content).hexdigest(),
                frozen_at=AT,
                author="ann@example.com",
                message=f"edition {number} of the rules, after the review of the week",
            )
        )
    release = Release(
        label="production", version=versions, previous=None, released_at=AT, author="ann"
    )
    return PromptLock(
        name=name, versions=tuple(found), labels={"production": versions}, releases=(release,)
    )


def seconds(argv: list[str], root: Path) -> float:
    """Wall time of one process, which must succeed."""
    started = time.perf_counter()
    subprocess.run(argv, cwd=root, check=True, capture_output=True)
    return time.perf_counter() - started


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prompts", type=int, default=1000)
    parser.add_argument("--versions", type=int, default=20)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--refuse", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.refuse:
        return refuse(options.refuse)
    wai = str(Path(sys.executable).with_name("wai"))
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make_project(root, options.prompts, options.versions)
        versions = str(root / "prompts" / ".versions")
        programs = {
            "bare sha256": [sys.executable, "-c", BARE, versions],
            "wai prompts verify": [wai, "prompts", "verify"],
            "wai prompts log": [wai, "prompts", "log", "team-00/prompt-0000"],
            "wai prompts diff": [wai, "prompts", "diff", "team-00/prompt-0000@1", "@2"],
        }
        times: dict[str, list[float]] = {name: [] for name in programs}
        for argv in programs.values():
            seconds(argv, root)
        for _ in range(options.runs):
            for name, argv in programs.items():
                times[name].append(seconds(argv, root))
    base = statistics.median(times["bare sha256"])
    missed = 0
    for name, (limit_s, limit_ratio) in {
        "bare sha256": (None, None),
        "wai prompts verify": (WITHIN_S, WITHIN_RATIO),
        "wai prompts log": (LOG_WITHIN_S, None),
        "wai prompts diff": (DIFF_WITHIN_S, None),
    }.items():
        median = statistics.median(times[name])
        held = (limit_s is None or median <= limit_s) and (
            limit_ratio is None or median / base <= limit_ratio
        )
        missed += not held
        limits = "" if limit_s is None else f"  at most {limit_s:g} s"
        limits += "" if limit_ratio is None else f" and {limit_ratio:g}x"
        verdict = "    " if limit_s is None else "PASS" if held else "FAIL"
        print(
            f"{verdict}  {name:<20} {median:6.3f} s  {median / base:5.2f}x{limits}"
            f"  ({options.prompts} prompts x {options.versions} versions)"
        )
    missed += refuse_all()
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
