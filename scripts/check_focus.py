"""Run the FinOps Foundation's focus-validator over what `wai logs export focus` writes.

The traffic is made up and fixed: tenants and workflows with awkward names and without any, models
with and without a cached rate, calls that failed, cached input of every kind. It is imported, then
exported as CSV by the hour and by the day and as Parquet, and each file is validated twice:

1. with everything that applies to us but prices in another currency: not one rule may fail, but for
   one of the pair "InvoiceId must be null" and "must not be null". The validator knows the
   condition of neither, so for any data one of the two fails; what counts is the rule above them;
2. with that too: then the rule may also fail that asks PricingCurrency for three capital letters.
   Ours is the virtual currency "Neurons", which the specification allows as any text.

Usage: check_focus.py --validator PATH
"""

import argparse
import json
import random
import re
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

VERSION = "1.2.0.1"
"""The newest rules that the validator brings along; it must not fetch others."""
APPLY = (
    "NEGOTIATED_PRICING_SUPPORTED",
    "PUBLIC_PRICE_LIST_SUPPORTED",
    "SUB_ACCOUNT_SUPPORTED",
    "TAGGING_SUPPORTED",
    "UNIT_PRICING_SUPPORTED",
    "USAGE_MEASUREMENT_SUPPORTED",
)
IN_NEURONS = ("PRICING_BILLING_CURRENCY_DIFFERENCES_SUPPORTED", "VIRTUAL_CURRENCY_SUPPORTED")
NOT_NULL = {"InvoiceId-C-005-C"}
"""Ours is null: `InvoiceId-C-004-C` holds, and `InvoiceId-C-003-C`, which asks for either."""
THREE_LETTERS = {"PricingCurrency-C-003-M", "PricingCurrency-C-000-C"}
"""The rule, and the one that sums up the column's rules."""
MODELS = (
    "@cf/meta/llama-3.3-70b-instruct-fp8-fast",
    "@cf/moonshotai/kimi-k2.6",
    "@cf/google/gemma-4-26b-a4b-it",
)
TENANTS = ("acme", "=globex", 'quo"te, comma', None)
"""The specification takes any Unicode, and the validator nothing but ASCII."""
START = datetime(2026, 10, 30, tzinfo=UTC)
LEAST_PASSED = 200


def main() -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(description="Validate the FOCUS export.")
    parser.add_argument("--validator", type=Path, required=True)
    validator = parser.parse_args().validator.absolute()
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        (project / "wai.yaml").write_text(f'version: "1"\naccount_id: {"ab" * 16}\n')
        (project / "rows.ndjson").write_text("".join(json.dumps(row) + "\n" for row in traffic()))
        wai(project, "logs", "import", "rows.ndjson", "--strict", "--gateway", "default")
        exports = {"day.csv": "day", "hour.csv": "hour", "day.parquet": "day"}
        for name, grain in exports.items():
            wai(project, "logs", "export", "focus", "--output", name, "--grain", grain)
        return max(check(validator, project / name) for name in exports)


def traffic() -> list[dict[str, object]]:
    """Six hundred calls over four days and two months, the same every time."""
    rng = random.Random(1)  # noqa: S311 - traffic, the same every time
    rows = []
    for number in range(600):
        read, written = rng.randrange(1, 30_000), rng.choice([0, rng.randrange(1, 2_000)])
        tenant = rng.choice(TENANTS)
        is_failed = rng.random() < 0.05
        rows.append(
            {
                "id": f"log-{number:06}",
                "created_at": (START + timedelta(minutes=9 * number)).isoformat(),
                "provider": "workers-ai",
                "model": rng.choice(MODELS),
                "path": "ai/v1/chat/completions",
                "duration": rng.randrange(100, 9_000),
                "status_code": 500 if is_failed else 200,
                "success": not is_failed,
                "cached": False,
                "tokens_in": read,
                "tokens_out": written,
                "cost": None,
                "metadata": None
                if tenant is None
                else {
                    "tenant": tenant,
                    "workflow": rng.choice(["triage", "=cmd"]),
                    "conversation": f"c{number}.0.1",
                    "prompt": "triage@3",
                    "trace": f"run-{number}",
                },
                "usage_metadata": {
                    "input_tokens": read,
                    "output_tokens": written,
                    "total_tokens": read + written,
                    "input_cached_tokens": rng.choice([0, read, rng.randrange(0, read + 1)]),
                },
            }
        )
    return rows


def wai(project: Path, *arguments: str) -> None:
    """Run `wai` in the project; say what it said when it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "wai_ops", *arguments],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"wai {' '.join(arguments)}: exit {done.returncode}\n{done.stdout}{done.stderr}")


def check(validator: Path, file: Path) -> int:
    """Validate one export both ways; return 1 when a rule fails that may not."""
    passed, failed = validate(validator, file, APPLY)
    in_neurons_passed, in_neurons_failed = validate(validator, file, (*APPLY, *IN_NEURONS))
    is_good = (
        failed == NOT_NULL
        and passed >= LEAST_PASSED
        and in_neurons_failed == NOT_NULL | THREE_LETTERS
        and in_neurons_passed > passed
    )
    verdict = "ok" if is_good else "FAILED"
    print(f"{file.name}: {verdict}: {passed} rules hold, {sorted(failed) or 'none'} fail; ", end="")
    print(f"with neurons {in_neurons_passed} hold, {sorted(in_neurons_failed) or 'none'} fail")
    return 0 if is_good else 1


def validate(validator: Path, file: Path, criteria: tuple[str, ...]) -> tuple[int, set[str]]:
    """Run the validator; return how many rules hold and the ids of those that fail."""
    python = validator.parent / "python"
    where = (
        "import focus_validator, pathlib; print(pathlib.Path(focus_validator.__file__).parents[1])"
    )
    packages = subprocess.run(
        [python, "-c", where], capture_output=True, text=True, check=True
    ).stdout.strip()
    done = subprocess.run(
        [
            validator,
            "--data-file",
            file,
            "--validate-version",
            VERSION,
            "--block-download",
            "--focus-dataset",
            "CostAndUsage",
            "--applicability-criteria",
            ",".join(criteria),
        ],
        cwd=packages,  # it looks for its currency codes from there
        capture_output=True,
        text=True,
        check=False,
    )
    total = re.search(r"Total: \d+ \| Pass: (\d+) \| Fail: (\d+)", done.stdout)
    failed = set(re.findall(r"^❌ ([\w-]+): FAIL", done.stdout, re.MULTILINE))
    if total is None or done.returncode or int(total[2]) != len(failed):
        sys.exit(f"the validator gave no result (exit {done.returncode})\n{done.stderr[-2000:]}")
    return int(total[1]), failed


if __name__ == "__main__":
    sys.exit(main())
