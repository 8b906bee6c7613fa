"""How long `wai report prompts` takes on a large ledger: cold processes, against bare DuckDB.

The same ledgers of made-up calls as `reports.py`. Measured, taking turns, against a minimal Python
+ duckdb script that runs the same queries and prints their rows (promise: <= 1.4x): all versions of
all prompts, one prompt's versions, and the comparison of two of them.

    python benchmarks/prompt_report.py --rows 10000000 --runs 5 [--folder kept/here]

Prints medians and ratios; exits 1 when a promise is missed.
"""

import argparse
import pickle
import sys
import tempfile
from pathlib import Path
from typing import Any

from rows import fill_ledger

from reports import BARE, START, judge, measure
from wai_ops.core.window import Window
from wai_ops.observe.reports.query import filled_text
from wai_ops.observe.reports.release import PROMPT_CLASSES
from wai_ops.observe.reports.slice import Slice

PROMISE = 1.4
WHOLE = ["prompts", "prompts_quantiles", "prompts_failures", "prompts_conversations"]
PAIR = ["release_seen", "release_times", "release_sums"]
CASES: dict[str, tuple[list[str], list[str], str | None]] = {
    "all versions": ([], WHOLE, None),
    "versions of one prompt": (["--prompt", "prompt-3"], WHOLE, "prompt-3"),
    "two versions compared": (
        ["--prompt", "prompt-3", "--versions", "1", "2"],
        PAIR,
        "prompt-3",
    ),
}
"""Options of the report, the queries that it needs at least, and the prompt."""


def main() -> int:
    """Fill, measure, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="keep the ledger there for the next time")
    asked = parser.parse_args()
    if asked.folder is not None:
        asked.folder.mkdir(parents=True, exist_ok=True)
        return _measure(asked.folder.resolve(), asked.rows, asked.runs)
    with tempfile.TemporaryDirectory() as folder:
        return _measure(Path(folder), asked.rows, asked.runs)


def _measure(folder: Path, row_count: int, runs: int) -> int:
    project = folder / f"rows-{row_count}"
    if not (project / "wai.yaml").exists():
        project.mkdir(parents=True)
        fill_ledger(project / ".wai", row_count, start=START)
        (project / "wai.yaml").write_text('version: "1"\n')
    ledger = str(project / ".wai" / "ledger.duckdb")
    prepared = folder / "prompt_queries.pickle"
    verdicts = []
    for name, (options, queries, prompt) in CASES.items():
        texts = [_text(query, prompt) for query in queries]
        prepared.write_bytes(pickle.dumps(texts))
        wai = [sys.executable, "-m", "wai_ops", "report", "prompts", *options, "--json"]
        bare = [sys.executable, "-c", BARE, ledger, str(prepared)]
        mine, base = measure([wai, bare], project, runs)
        verdicts.append(judge(f"{name}, against bare DuckDB", mine, base, PROMISE))
    return 0 if all(verdicts) else 1


def _text(query: str, prompt: str | None) -> tuple[str, dict[str, Any]]:
    """A query over everything, and its values."""
    times = {f"{side}_{end}": at for side in ("old", "new") for end, at in _ENDS.items()}
    return filled_text(
        query,
        Slice(Window(None, None)),
        None,
        prompt=prompt,
        old="1",
        new="2",
        old_p95=1800.0,
        new_p95=1800.0,
        prompt_classes=[item.value for item in PROMPT_CLASSES],
        **times,
    )


_ENDS = {"since": START, "until": START.replace(year=9999)}


if __name__ == "__main__":
    sys.exit(main())
