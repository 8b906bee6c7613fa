"""init, doctor, config, models and schema as a user calls them: exit code, stdout, stderr."""

import csv
import io
import json
import shutil
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from support.cli import Wai
from support.fake_api import ACCOUNT, FakeApi, Seen, result
from wai_ops.cli.schema import RECORDS, TABLES

GEMMA = "@cf/google/gemma-4-26b-a4b-it"


def rows_of(stdout: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(stdout)["rows"]
    return found


# init and config


def test_init_writes_a_project_that_the_other_commands_accept(wai: Wai, project: Path) -> None:
    made = wai("init", "demo", "--local")
    assert (made.exit_code, made.stdout) == (0, "")
    assert made.stderr.splitlines() == [
        "wai: wrote demo/wai.yaml",
        "wai: wrote demo/prompts/triage.prompt",
        "wai: wrote demo/.gitignore",
        "wai: next: cd demo",
        "wai: next: wai doctor",
        'wai: next: wai run --prompt prompts/triage.prompt --var ticket="I was charged twice"',
    ]
    wai.folder = project / "demo"
    checked = wai("config", "validate")
    assert (checked.exit_code, checked.stdout) == (0, "")
    assert checked.stderr == f"wai: {project / 'demo' / 'wai.yaml'}: ok\n"
    again = wai("init")
    assert (again.exit_code, again.stdout) == (2, "")
    assert again.stderr == (
        f"wai: error: {project / 'demo' / 'wai.yaml'}: the file exists already\n"
        "wai: hint: edit it, or replace it with --force\n"
    )
    assert wai("init", "--force").exit_code == 0


def test_config_show_gives_each_value_with_its_origin(wai: Wai, project: Path) -> None:
    (project / "wai.yaml").write_text('version: "1"\nretry: {max_cost_usd: "0.10"}\n')
    wai.environ |= {"WAI_GATEWAY": "agents", "CLOUDFLARE_API_TOKEN": "s3cr3t-token"}
    shown = wai("config", "show", "--format", "csv")
    assert shown.exit_code == 0
    assert shown.stderr == f"wai: note: config file: {project / 'wai.yaml'}\n"
    rows = {row["name"]: row for row in csv.DictReader(io.StringIO(shown.stdout))}
    assert rows["gateway"] == {"name": "gateway", "value": "agents", "origin": "env WAI_GATEWAY"}
    assert rows["retry.max_cost_usd"]["value"] == "0.10"
    assert rows["retry.max_cost_usd"]["origin"] == "wai.yaml:2"
    assert rows["CLOUDFLARE_API_TOKEN"]["value"] == "set"
    assert rows["WAI_OPERATOR_TOKEN"]["value"] == "not set"
    for fmt in ("table", "json", "jsonl", "md", "html"):
        found = wai("config", "show", "--format", fmt)
        assert found.exit_code == 0
        assert "s3cr3t" not in found.stdout + found.stderr


def test_every_problem_of_a_file_is_one_line_on_stderr(wai: Wai, project: Path) -> None:
    (project / "wai.yaml").write_text("gatway: x\nversion: 1\n")
    expected = (
        "wai: error: wai.yaml:1:1: unknown key `gatway`; did you mean `gateway`?\n"
        "wai: wai.yaml:2:10: version: must be text: put it in quotes\n"
    )
    for arguments in (
        ("config", "validate"),
        ("config", "validate", "wai.yaml"),
        ("config", "show"),
        ("models", "list"),
        ("models", "sync", "--local"),
    ):
        found = wai(*arguments)
        assert (found.exit_code, found.stdout, found.stderr) == (2, "", expected), arguments


def test_validate_names_a_file_that_is_not_there(wai: Wai) -> None:
    found = wai("config", "validate", "missing.yaml")
    assert (found.exit_code, found.stdout) == (2, "")
    assert found.stderr.endswith("missing.yaml: cannot be read: No such file or directory\n")


def test_a_hostile_value_never_reaches_the_terminal_raw(wai: Wai, project: Path) -> None:
    (project / "wai.yaml").write_text('target: "\\e[31m\\u202Eevil"\n')
    found = wai("config", "validate")
    assert found.exit_code == 2
    assert "\x1b" not in found.stderr
    assert "\u202e" not in found.stderr


# doctor


def test_doctor_passes_against_the_emulator(online: Wai) -> None:
    found = online("doctor", "--json")
    assert (found.exit_code, found.stderr) == (0, "")
    statuses = {row["check"]: row["status"] for row in rows_of(found.stdout)}
    assert set(statuses.values()) <= {"ok", "skipped", "warning"}
    for check in (
        "config",
        "account id",
        "runtime token verified",
        "operator token verified",
        "may read models",
        "clock",
        "live state",
        "ledger",
    ):
        assert statuses[check] == "ok", check


def test_doctor_local_needs_no_account(wai: Wai) -> None:
    found = wai("doctor", "--local")
    assert (found.exit_code, found.stderr) == (0, "")
    assert "failed" not in found.stdout


def test_doctor_without_anything_says_what_to_do(wai: Wai, project: Path) -> None:
    (project / "wai.yaml").unlink()
    found = wai("doctor", "--json")
    assert (found.exit_code, found.stderr) == (1, "")
    rows = {row["check"]: row for row in rows_of(found.stdout)}
    assert rows["runtime token"]["status"] == "failed"
    assert "CLOUDFLARE_API_TOKEN" in rows["runtime token"]["next_step"]
    assert rows["api"]["status"] == "skipped"


def test_doctor_offline_fails_with_a_row_and_no_traceback(online: Wai) -> None:
    online.environ["CLOUDFLARE_BASE_URL"] = "http://127.0.0.1:9/client/v4"
    found = online("doctor", "--format", "csv")
    assert (found.exit_code, found.stderr) == (1, "")
    assert "http://127.0.0.1:9 cannot be reached" in found.stdout


def test_doctor_with_a_wrong_token_fails(online: Wai) -> None:
    online.environ["CLOUDFLARE_API_TOKEN"] = "wrong"
    found = online("doctor", "--json")
    assert found.exit_code == 1
    rows = {row["check"]: row for row in rows_of(found.stdout)}
    assert rows["runtime token verified"]["status"] == "failed"
    assert rows["operator token verified"]["status"] == "ok"


def test_doctor_fails_a_token_in_both_roles_and_warns_of_unknown_variables(online: Wai) -> None:
    online.environ["WAI_OPERATOR_TOKEN"] = online.environ["CLOUDFLARE_API_TOKEN"]
    online.environ["WAI_GATWAY"] = "x"
    rows = {row["check"]: row for row in rows_of(online("doctor", "--json").stdout)}
    assert rows["two roles"]["status"] == "failed"
    assert rows["environment"]["next_step"] == "did you mean WAI_GATEWAY?"


# models


def test_models_sync_lists_and_shows_what_the_catalogue_said(wai: Wai, api: FakeApi) -> None:
    def search(seen: Seen) -> Any:
        prices = [
            {"unit": f"per M {kind} tokens", "price": 0.2, "currency": "USD"}
            for kind in ("input", "output")
        ]
        item = {"name": GEMMA, "properties": [{"property_id": "price", "value": prices}]}
        return result([item] if seen.query["page"] == "1" else [])

    api.routes[f"GET /accounts/{ACCOUNT}/ai/models/search"] = search
    wai.environ |= {
        "CLOUDFLARE_BASE_URL": api.base_url,
        "CLOUDFLARE_ACCOUNT_ID": ACCOUNT,
        "CLOUDFLARE_API_TOKEN": "t",
    }
    synced = wai("models", "sync", "--json")
    assert synced.exit_code == 0
    changed = {
        row["change"]: row["after"] for row in rows_of(synced.stdout) if row["model"] == GEMMA
    }
    assert changed == {"usd_in_per_m": "0.2", "usd_out_per_m": "0.2"}
    (row,) = rows_of(wai("models", "list", "--search", "gemma-4", "--json").stdout)
    assert (row["model"], row["usd_in_per_m"]) == (GEMMA, "0.2")
    shown = json.loads(wai("models", "show", GEMMA, "--json").stdout)
    assert shown["price_source"] == "catalogue (local)"


def test_models_sync_against_the_emulator_changes_nothing(online: Wai) -> None:
    found = online("models", "sync")
    assert found.exit_code == 0
    assert "nothing changed against what was known" in found.stderr


def test_models_sync_without_a_token_is_an_access_error(wai: Wai) -> None:
    found = wai("models", "sync")
    assert (found.exit_code, found.stdout) == (4, "")
    assert found.stderr.startswith(
        "wai: error: CLOUDFLARE_ACCOUNT_ID and CLOUDFLARE_API_TOKEN are not set\nwai: hint: set "
    )


def test_models_sync_with_a_wrong_token_is_an_access_error(online: Wai) -> None:
    online.environ["CLOUDFLARE_API_TOKEN"] = "wrong"
    found = online("models", "sync")
    assert (found.exit_code, found.stdout) == (4, "")
    assert "HTTP 401" in found.stderr


def test_an_unknown_model_is_one_line_with_near_ones(wai: Wai) -> None:
    found = wai("models", "show", "gemma-4-26b")
    assert (found.exit_code, found.stdout) == (2, "")
    first, hint = found.stderr.splitlines()
    assert first == "wai: error: no model gemma-4-26b is known"
    assert GEMMA in hint


def test_a_damaged_snapshot_is_a_data_error(wai: Wai, project: Path) -> None:
    folder = project / ".wai" / "prices"
    folder.mkdir(parents=True)
    (folder / "2026-12-01.json").write_text("{")
    found = wai("models", "list")
    assert (found.exit_code, found.stdout) == (6, "")
    assert "hint: delete the file, then run: wai models sync" in found.stderr


# schema


def test_schema_lists_the_commands_and_suggests_the_nearest(wai: Wai) -> None:
    listed = wai("schema")
    assert listed.exit_code == 0
    assert set(listed.stdout.splitlines()) == {*RECORDS, *TABLES}
    wrong = wai("schema", "models", "lst")
    assert (wrong.exit_code, wrong.stdout) == (2, "")
    assert "did you mean: wai schema models list" in wrong.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("doctor",),
        ("run", "hello"),
        ("run --dry-run", "hello"),
        ("affinity", "list"),
        ("affinity", "show", "default:adhoc:described"),
        ("affinity", "rotate", "default:adhoc:described"),
        ("ledger", "fold"),
        ("ledger", "rebuild"),
        ("ledger", "status"),
        ("report", "cost"),
        ("report cost --by day",),
        ("report cost --by model",),
        ("report cost --by prompt",),
        ("report cost --by tenant",),
        ("config", "show"),
        ("models", "list"),
        ("models", "sync"),
        ("models", "show", GEMMA),
    ],
    ids=" ".join,
)
def test_json_output_is_what_its_schema_says(online: Wai, arguments: tuple[str, ...]) -> None:
    assert online("run", "-q", "-c", "described", "hello").exit_code == 0
    whole = arguments[0] == "run" or " " in arguments[0]
    command = arguments[:1] if whole else arguments[:2]
    arguments = tuple(word for argument in arguments for word in argument.split())
    described = online("schema", *command)
    assert described.exit_code == 0
    schema = json.loads(described.stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    document = json.loads(online(*arguments, "--json").stdout)
    jsonschema.validate(document, schema)
    for name in list(document):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({k: v for k, v in document.items() if k != name}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**document, "extra": 1}, schema)


def test_a_credentials_file_serves_where_the_environment_is_silent(
    online: Wai, project: Path
) -> None:
    token = online.environ.pop("CLOUDFLARE_API_TOKEN")
    file = project / "credentials"
    file.write_text(f"CLOUDFLARE_API_TOKEN={token}\n")
    file.chmod(0o644)
    online.environ["WAI_CREDENTIALS_FILE"] = "credentials"
    refused = online("models", "sync")
    assert refused.exit_code == 4
    assert f"hint: chmod 600 {file}" in refused.stderr
    file.chmod(0o600)
    assert online("models", "sync").exit_code == 0
    shutil.rmtree(project / ".wai")
