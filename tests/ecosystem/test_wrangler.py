"""wrangler, Cloudflare's command line."""

import json
import subprocess
from pathlib import Path

import pytest

from wai_ops.emulator.testing import WaiEmulator

MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"


@pytest.fixture
def wrangler(
    node_modules: Path, node_environ: dict[str, str], wai_emulator: WaiEmulator, tmp_path: Path
) -> "Wrangler":
    return Wrangler(
        node_modules / ".bin" / "wrangler", {**node_environ, **wai_emulator.environ}, tmp_path
    )


class Wrangler:
    """Runs wrangler as somebody would who has set the emulator's variables."""

    def __init__(self, program: Path, environ: dict[str, str], folder: Path) -> None:
        self._program = program
        self.environ = environ
        self._folder = folder

    def __call__(self, *arguments: str) -> str:
        done = subprocess.run(
            [str(self._program), *arguments],
            env=self.environ,
            cwd=self._folder,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def test_models_are_listed_as_json(wrangler: Wrangler, wai_emulator: WaiEmulator) -> None:
    models = json.loads(wrangler("ai", "models", "list", "--json"))
    names = [model["name"] for model in models]
    assert MODEL in names
    assert len(set(names)) == len(names)
    page = wai_emulator.api("GET", "/ai/models/search?per_page=50&page=1", role="reader")
    assert {model["name"] for model in page} <= set(names)


def test_models_are_listed_as_a_table(wrangler: Wrangler) -> None:
    assert MODEL in wrangler("ai", "models", "list")


def test_a_models_schema_is_shown(wrangler: Wrangler) -> None:
    schema = json.loads(wrangler("ai", "models", "schema", MODEL))
    assert "messages" in json.dumps(schema["input"])
    assert "response" in json.dumps(schema["output"])


def test_key_value_namespaces_and_their_values(
    wrangler: Wrangler, wai_emulator: WaiEmulator
) -> None:
    wrangler.environ["CLOUDFLARE_API_TOKEN"] = wai_emulator.tokens["operator"]
    wrangler("kv", "namespace", "create", "budgets")
    (namespace,) = json.loads(wrangler("kv", "namespace", "list"))
    assert namespace["title"] == "budgets"
    where = ("--namespace-id", namespace["id"], "--remote")
    wrangler("kv", "key", "put", "acme", "10", *where)
    assert wrangler("kv", "key", "get", "acme", "--text", *where).strip() == "10"
    assert [key["name"] for key in json.loads(wrangler("kv", "key", "list", *where))] == ["acme"]
