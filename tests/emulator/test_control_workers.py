"""Workers are stored with modules, bindings, secrets and versions, and can be read back."""

import json
from collections.abc import Mapping
from typing import Any

import cloudflare
import httpx
import pytest

from emulator.api import Api
from emulator.operating import Operator, refusal, result
from wai_ops.emulator.control.multipart import parse_multipart

PATH = "/workers/scripts"
MODULE = b'export default { fetch() { return new Response("hi") } }\r\n--x\r\n'
DATE = {"main_module": "index.mjs", "compatibility_date": "2026-01-01"}


@pytest.fixture
def operator(api: Api) -> Operator:
    return Operator(api)


@pytest.fixture
def worker(operator: Operator, request: pytest.FixtureRequest) -> str:
    """The path of an uploaded Worker, one a test."""
    path = f"{PATH}/{request.node.originalname.removeprefix('test_').replace('_', '-')[:60]}"
    result(upload(operator, path, DATE))
    return path


def upload(
    operator: Operator,
    path: str,
    metadata: Mapping[str, Any],
    *,
    modules: Mapping[str, tuple[bytes, str]] | None = None,
    **rest: Any,
) -> httpx.Response:
    modules = modules or {"index.mjs": (MODULE, "application/javascript+module")}
    parts = {name: (name, *module) for name, module in modules.items()}
    files = {"metadata": (None, json.dumps(metadata), "application/json"), **parts}
    return operator.send(rest.pop("method", "PUT"), path, files=files, **rest)


def bindings(operator: Operator, worker: str) -> Any:
    return result(operator.get(f"{worker}/settings"))["bindings"]


def test_modules_come_back_as_they_were(operator: Operator) -> None:
    modules = {
        "index.mjs": (MODULE, "application/javascript+module"),
        "lib/data.bin": (bytes(range(256)), "application/octet-stream"),
    }
    made = result(upload(operator, f"{PATH}/two", DATE, modules=modules))
    assert (made["id"], made["has_modules"], made["handlers"]) == ("two", True, ["fetch"])
    answer = operator.get(f"{PATH}/two")
    parts = parse_multipart(answer.headers["content-type"], answer.content)
    assert {part.name: (part.content, part.content_type) for part in parts} == modules
    assert answer.headers["cf-entrypoint"] == "index.mjs"
    assert answer.headers["etag"] == f'"{made["etag"]}"'


def test_a_bare_script_comes_back_bare(operator: Operator) -> None:
    code = b"addEventListener('fetch', () => {})"
    headers = {"content-type": "application/javascript"}
    result(operator.send("PUT", f"{PATH}/bare", content=code, headers=headers))
    answer = operator.get(f"{PATH}/bare")
    assert (answer.content, answer.headers["content-type"]) == (code, "application/javascript")


def test_a_worker_is_listed_until_it_is_deleted(operator: Operator, worker: str) -> None:
    name = worker.removeprefix(f"{PATH}/")
    assert name in [row["id"] for row in result(operator.get(PATH))]
    assert result(operator.delete(worker)) == {"id": name}
    for path in ("", "/settings", "/secrets", "/versions", "/deployments", "/subdomain"):
        assert refusal(operator.get(worker + path))[:2] == (404, 10007)
    result(upload(operator, worker, DATE))
    assert len(result(operator.get(f"{worker}/versions"))["items"]) == 1


@pytest.mark.parametrize(
    ("metadata", "code"),
    [
        ({}, 10021),
        ({"main_module": "other.mjs"}, 10021),
        (DATE | {"bindings": [{"type": "kv_namespace", "name": "KV", "namespace_id": "x"}]}, 10041),
        (DATE | {"bindings": [{"type": "plain_text"}]}, 10021),
        (DATE | {"migrations": {"old_tag": "v1", "new_tag": "v2"}}, 10021),
        (DATE | {"bindings": [{"type": "secret_text", "name": "S"}]}, 10021),
    ],
)
def test_an_upload_that_cannot_run_is_refused(
    operator: Operator, metadata: Mapping[str, Any], code: int
) -> None:
    assert refusal(upload(operator, f"{PATH}/bad", metadata))[:2] == (400, code)
    assert operator.get(f"{PATH}/bad").status_code == 404


def test_a_body_that_ends_too_soon_is_refused(operator: Operator) -> None:
    headers = {"content-type": "multipart/form-data; boundary=b"}
    for body in (b"", b"--b\r\nContent-Disposition: form-data", b"no boundary at all"):
        answer = operator.send("PUT", f"{PATH}/cut", content=body, headers=headers)
        assert refusal(answer)[:2] == (400, 10021)


def test_bindings_are_shown_and_secrets_never(operator: Operator) -> None:
    space = result(operator.post("/storage/kv/namespaces", {"title": "guard"}))["id"]
    given = [
        {"type": "ai", "name": "AI"},
        {"type": "kv_namespace", "name": "KV", "namespace_id": space},
        {"type": "secret_text", "name": "KEY", "text": "hush"},
        {"type": "plain_text", "name": "MODE", "text": "open"},
    ]
    metadata = DATE | {"bindings": given, "compatibility_flags": ["nodejs_compat"]}
    answer = upload(operator, f"{PATH}/bound", metadata)
    assert "hush" not in answer.text
    shown = bindings(operator, f"{PATH}/bound")
    assert shown[2] == {"type": "secret_text", "name": "KEY"}
    assert [item for item in shown if item["name"] != "KEY"] == [given[0], given[1], given[3]]
    settings = result(operator.get(f"{PATH}/bound/settings"))
    assert settings["compatibility_flags"] == ["nodejs_compat"]
    for path in ("", "/versions", "/secrets", "/settings"):
        assert "hush" not in operator.get(f"{PATH}/bound{path}").text


def test_an_upload_keeps_only_the_bindings_that_it_names(operator: Operator) -> None:
    path = f"{PATH}/keeping"
    old = [
        {"type": "secret_text", "name": "KEY", "text": "s"},
        {"type": "plain_text", "name": "A", "text": "1"},
        {"type": "plain_text", "name": "B", "text": "2"},
    ]
    result(upload(operator, path, DATE | {"bindings": old}))
    inherit = [{"type": "inherit", "name": "C", "old_name": "B"}, {"type": "inherit", "name": "Z"}]
    new = DATE | {"bindings": inherit, "keep_bindings": ["secret_text"]}
    refused = upload(operator, path, new, params={"bindings_inherit": "strict"})
    assert refusal(refused)[:2] == (400, 10056)
    result(upload(operator, path, new))
    assert bindings(operator, path) == [
        {"type": "secret_text", "name": "KEY"},
        {"type": "plain_text", "name": "C", "text": "2"},
    ]
    result(upload(operator, path, DATE))
    assert bindings(operator, path) == []


def test_secrets_are_set_listed_and_deleted(operator: Operator, worker: str) -> None:
    secret = {"name": "TOKEN", "text": "hush", "type": "secret_text"}
    shown = {"name": "TOKEN", "type": "secret_text"}
    assert result(operator.put(f"{worker}/secrets", secret)) == shown
    assert result(operator.get(f"{worker}/secrets")) == [shown]
    assert result(operator.get(f"{worker}/secrets/TOKEN")) == shown
    operator.delete(f"{worker}/secrets/TOKEN")
    assert result(operator.get(f"{worker}/secrets")) == []
    assert refusal(operator.delete(f"{worker}/secrets/TOKEN"))[:2] == (404, 10056)
    assert refusal(operator.put(f"{worker}/secrets", {"name": "X", "type": "key"}))[0] == 400
    assert refusal(operator.put(f"{PATH}/nobody/secrets", secret))[:2] == (404, 10007)


def test_many_secrets_change_at_once(operator: Operator, worker: str) -> None:
    def value(text: str) -> dict[str, str]:
        return {"text": text, "type": "secret_text"}

    operator.patch(f"{worker}/secrets-bulk", {"secrets": {"A": value("1"), "B": value("2")}})
    answer = operator.patch(f"{worker}/secrets-bulk", {"secrets": {"A": None, "C": value("3")}})
    assert sorted(result(answer)) == ["B", "C"]
    assert refusal(operator.patch(f"{worker}/secrets-bulk", {"secrets": {"A": 1}}))[0] == 400


def test_a_version_serves_when_it_is_deployed(operator: Operator, worker: str) -> None:
    code = {"index.mjs": (b"export default {}", "application/javascript+module")}
    made = result(upload(operator, f"{worker}/versions", DATE, modules=code, method="POST"))
    assert made["number"] == 2
    assert b"new Response" in operator.get(worker).content
    share = [{"version_id": made["id"], "percentage": 100}]
    deployed = operator.post(f"{worker}/deployments", {"strategy": "percentage", "versions": share})
    assert result(deployed)["versions"] == share
    assert b"new Response" not in operator.get(worker).content
    assert result(operator.get(f"{worker}/deployments"))["deployments"][0] == result(deployed)
    half = {"strategy": "percentage", "versions": [{"version_id": made["id"], "percentage": 50}]}
    assert refusal(operator.post(f"{worker}/deployments", half))[:2] == (400, 10021)
    assert result(operator.get(f"{worker}/versions/{made['id']}"))["number"] == 2


def test_settings_make_a_new_version_of_the_same_code(operator: Operator, worker: str) -> None:
    patch = {"bindings": [{"type": "plain_text", "name": "MODE", "text": "shut"}], "tags": ["t"]}
    files = {"settings": (None, json.dumps(patch), "application/json")}
    settings = result(operator.send("PATCH", f"{worker}/settings", files=files))
    assert (settings["bindings"], settings["tags"]) == (patch["bindings"], ["t"])
    assert settings["compatibility_date"] == "2026-01-01"
    assert MODULE in operator.get(worker).content
    assert len(result(operator.get(f"{worker}/versions"))["items"]) == 2


def test_migrations_move_a_tag_and_make_objects(operator: Operator) -> None:
    path = f"{PATH}/objects"
    first = {"new_tag": "v1", "new_sqlite_classes": ["Counter", "Old"]}
    assert result(upload(operator, path, DATE | {"migrations": first}))["migration_tag"] == "v1"
    second = {
        "old_tag": "v1",
        "new_tag": "v2",
        "steps": [
            {"deleted_classes": ["Old"]},
            {"renamed_classes": [{"from": "Counter", "to": "Budget"}]},
        ],
    }
    result(upload(operator, path, DATE | {"migrations": second}))
    assert refusal(upload(operator, path, DATE | {"migrations": second}))[:2] == (400, 10021)
    objects = result(operator.get("/workers/durable_objects/namespaces"))
    assert [item["class"] for item in objects if item["script"] == "objects"] == ["Budget"]


def test_subdomain_schedules_and_script_settings(operator: Operator, worker: str) -> None:
    assert result(operator.get(f"{worker}/subdomain"))["enabled"] is False
    on = {"enabled": True, "previews_enabled": False}
    assert result(operator.post(f"{worker}/subdomain", on)) == on
    assert result(operator.get(f"{worker}/subdomain")) == on
    assert result(operator.delete(f"{worker}/subdomain"))["enabled"] is False
    crons = [{"cron": "*/5 * * * *"}]
    assert result(operator.put(f"{worker}/schedules", crons)) == {"schedules": crons}
    assert result(operator.patch(f"{worker}/script-settings", {"logpush": True}))["logpush"] is True
    assert result(operator.get(f"{worker}/script-settings"))["logpush"] is True
    assert "subdomain" in result(operator.get("/workers/subdomain"))


def test_writing_needs_workers_scripts_write(operator: Operator) -> None:
    assert refusal(upload(operator, f"{PATH}/x", DATE, role="reader"))[:2] == (403, 10000)


def test_the_official_client_uploads_and_reads(operator: Operator) -> None:
    endpoint = operator.api.endpoint
    with cloudflare.Cloudflare(
        base_url=endpoint.base_url, api_token=endpoint.tokens["operator"]
    ) as client:
        account: Any = {"account_id": endpoint.account_id}
        made = client.workers.scripts.update(
            "by-sdk",
            **account,
            metadata={"main_module": "w.mjs", "bindings": [{"type": "ai", "name": "AI"}]},
            files=[("w.mjs", MODULE, "application/javascript+module")],
        )
        assert made.id == "by-sdk"
        assert "by-sdk" in [script.id for script in client.workers.scripts.list(**account)]
        client.workers.scripts.secrets.update(
            "by-sdk", **account, name="KEY", text="s", type="secret_text"
        )
        secrets = list(client.workers.scripts.secrets.list("by-sdk", **account))
        assert [secret.name for secret in secrets] == ["KEY"]
        client.workers.scripts.delete("by-sdk", **account)


def test_wrangler_finds_a_worker_by_its_other_names(operator: Operator, worker: str) -> None:
    name = worker.removeprefix(f"{PATH}/")
    agent = {"user-agent": "wrangler/4.164.0"}
    made = result(upload(operator, worker, DATE, headers=agent))
    service = result(operator.get(f"/workers/services/{name}"))
    script = service["default_environment"]["script"]
    assert (script["last_deployed_from"], script["etag"]) == ("wrangler", made["etag"])
    newest = result(operator.get(f"{worker}/versions"))["items"][0]
    assert (newest["id"], newest["metadata"]["source"]) == (made["deployment_id"], "wrangler")
    subdomain = result(operator.get(f"/workers/workers/{name}"))["subdomain"]
    assert subdomain == {"enabled": False, "previews_enabled": False}
    assert operator.delete(f"/workers/services/{name}").status_code == 200
    assert refusal(operator.get(f"/workers/services/{name}"))[:2] == (404, 10090)
    assert refusal(operator.get(worker))[:2] == (404, 10007)


def test_half_a_surrogate_pair_is_the_id_of_nothing(operator: Operator, worker: str) -> None:
    half = {"strategy": "percentage", "versions": [{"version_id": "\ud800", "percentage": 100}]}
    content = json.dumps(half).encode()  # httpx itself would refuse to encode it
    answer = operator.send("POST", f"{worker}/deployments", content=content)
    assert refusal(answer)[:2] == (404, 10007)
    bound = [{"type": "kv_namespace", "name": "K", "namespace_id": "\ud800"}]
    assert refusal(upload(operator, worker, DATE | {"bindings": bound}))[:2] == (400, 10041)


def test_annotations_must_be_an_object(operator: Operator, worker: str) -> None:
    assert refusal(upload(operator, worker, DATE | {"annotations": [[]]}))[:2] == (400, 10021)
